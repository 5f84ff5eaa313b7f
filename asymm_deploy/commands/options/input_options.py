"""The options that say what goes into a model, and which of several models each is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asymm_deploy.bounds import MOST_CLASSES, require_within
from asymm_deploy.commands.options.shared_options import within
from asymm_deploy.errors import UsageError

if TYPE_CHECKING:
    from asymm_deploy.models.names import Figure
    from asymm_deploy.models.source import Source

InputShapeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input-shape",
        metavar="[MODEL:][NAME=]SHAPE[:DTYPE[:LOW..HIGH]]",
        help="Shape of an input, its type and the range of its values, as in 1,3,224,224 or "
        "ids=1,128:int64:0..29999 or t=:float32 for a scalar; repeat the option for several "
        "inputs. Needed for a callable and for an .onnx file with open dimensions, unless --inputs "
        "tells; for a network of the paper it sets the resolution. Of several MODELs, name the one "
        "that it is for: net.onnx:x=1,3,64,64.",
    ),
]
InputsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--inputs",
        metavar="[MODEL:]FILE.npz",
        help="Your own samples of a model's inputs: arrays named as the inputs, each of the "
        "input's shape or with one more axis in front, along which the samples lie. They take the "
        "place of made-up inputs. Of several MODELs, name the one that they are for: "
        "net.onnx:samples.npz.",
    ),
]
ClassesOption = Annotated[
    int | None,
    typer.Option(
        "--classes",
        metavar="N",
        callback=within("--classes", 1, MOST_CLASSES),
        help="How many classes the networks tell apart, as in --classes 10; for networks of the "
        "paper. Default: as many as the export that is there, else the paper's.",
    ),
]

_LIKE_A_MODEL = (
    re.compile(r"(.+\.(?:onnx|mnn)(?:@\w+)?):", re.IGNORECASE),
    re.compile(r"([^\W\d][\w.]*:[^\W\d][\w.]*(?:@\w+)?):"),
    re.compile(r"([^\W\d]\w*(?:@\w+)?):"),
)
"""What stands before a colon: a file, package.module:callable, a network's name; or a variant."""


@dataclass(frozen=True, slots=True)
class NamedModel:
    """One MODEL of a command, and the samples that are for it."""

    source: Source
    samples: Path | None


def classes_count(text: str | None) -> int | None:
    """Return the number in what ``--classes`` says, None if it is a file's name or nothing.

    Raises UsageError for a number that no network has of classes.
    """
    if text is None or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    count = int(text[:20])  # what is longer is too large all the same, and takes int() long
    require_within("--classes", count, 1, MOST_CLASSES)
    return count


def named_models(
    models: Sequence[str] | None,
    which: int | Figure | None,
    input_shapes: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    classes: int | None = None,
) -> list[NamedModel]:
    """Return what the MODELs or the table name, once each, with what is given for it.

    A shape that begins with ``MODEL:`` is for that one alone, and a model with shapes of its own
    takes no others. ``classes`` are for all. Raises UsageError if nothing or both were given, if a
    MODEL isn't there or has no classes, if two of them would share a folder, or if it isn't plain
    which one a shape or a file is for.
    """
    from asymm_deploy.models import names
    from asymm_deploy.models.input_shape import parse_input_shapes
    from asymm_deploy.models.source import as_listed, resolve, with_given_classes

    if bool(models) == (which is not None):
        raise UsageError(
            "no model is named" if which is None else "both models and a table or figure are named",
            "name models, or give --table 5; `asymm-deploy models` lists them",
        )
    wanted = names.listed_models(which) if which is not None else tuple(dict.fromkeys(models or ()))
    shapes = _shapes_by_model(wanted, input_shapes or ())
    samples = _samples_by_model(wanted, inputs or ())
    sources = [resolve(text, parse_input_shapes(shapes[text])) for text in wanted]
    if which is not None:
        sources = [as_listed(source) for source in sources]
    found = [
        NamedModel(with_given_classes(source, classes), samples.get(text))
        for text, source in zip(wanted, sources, strict=True)
    ]
    folders = [each.source.model for each in found]
    for folder in folders:
        if folders.count(folder) > 1:
            raise UsageError(
                f"two of the models would be exported to the same folder, {folder}",
                "export them one at a time, to different --out folders",
            )
    _require_one_export_each(found)
    return found


def _require_one_export_each(named: Sequence[NamedModel]) -> None:
    """Raise UsageError if a model and a variant of it would need two exports in one folder."""
    from asymm_deploy.models.source import as_variant

    exports: dict[str, NamedModel] = {}
    for each in named:
        base = as_variant(each.source, None)
        first = exports.setdefault(base.model, each)
        if as_variant(first.source, None) != base or first.samples != each.samples:
            raise UsageError(
                f"{first.source.model} and {each.source.model} are made of one export, and are "
                "given other inputs",
                "give --input-shape and --inputs to both alike, or take them one at a time",
            )


def named_models_and_files(
    models: Sequence[str] | None,
    which: int | Figure | None,
    input_shapes: Sequence[str] | None,
    inputs: Sequence[str] | None,
    classes: int | None = None,
    *,
    done: str,
) -> tuple[list[NamedModel], list[Path]]:
    """Return what the MODELs or the table name, and the .mnn files among them, once each.

    Raises UsageError as ``named_models`` does, and for inputs where there are .mnn files alone,
    which are ``done`` as they are: timed, counted.
    """
    names = list(dict.fromkeys(models or ()))
    bare = [Path(name) for name in names if name.endswith(".mnn")]
    named = [name for name in names if not name.endswith(".mnn")]
    if not bare or named or which is not None:
        return named_models(named, which, input_shapes, inputs, classes), bare
    if input_shapes or inputs or classes is not None:
        raise UsageError(
            f"{bare[0]} is {done} as it is: no --input-shape, --inputs or --classes changes that",
            "leave them out, or name the .onnx file or the callable that it was made from",
        )
    return [], bare


def _shapes_by_model(models: Sequence[str], texts: Sequence[str]) -> dict[str, list[str]]:
    own: dict[str, list[str]] = {}
    common = []
    for text in texts:
        model = _model_before(models, text, "--input-shape")
        if model is None:
            common.append(text)
        else:
            own.setdefault(model, []).append(text[len(model) + 1 :])
    if common and len(own) == len(models):
        raise UsageError(
            f"--input-shape {common[0]} is for none of the models: each has shapes of its own",
            f"leave it out, or say which model it is for: --input-shape {models[0]}:{common[0]}",
        )
    return {model: own.get(model, common) for model in models}


def _samples_by_model(models: Sequence[str], texts: Sequence[str]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for text in texts:
        is_file = len(models) == 1 and Path(text).exists()
        model = None if is_file else _model_before(models, text, "--inputs")
        if model is None and len(models) > 1:
            raise UsageError(
                f"--inputs {text} doesn't say which of the {len(models)} models it is for",
                f"put the model before it: --inputs {models[0]}:{text}",
            )
        path = Path(text if model is None else text[len(model) + 1 :])
        model = models[0] if model is None else model
        if model in files:
            raise UsageError(
                f"{model} has two files of samples, {files[model]} and {path}",
                "give --inputs once for a model; one file holds any number of samples",
            )
        files[model] = path
    return files


def _model_before(models: Sequence[str], text: str, option: str) -> str | None:
    """Return the MODEL that ``text`` begins with, or None if it begins with none.

    Raises UsageError if it begins with a model that the command doesn't name.
    """
    from asymm_deploy.models.input_shape import shown

    before = [model for model in models if text.startswith(f"{model}:")]
    if before:
        return max(before, key=len)
    other = next((found[1] for form in _LIKE_A_MODEL if (found := form.match(text))), None)
    if other is None or not _is_model(other):
        _refuse_misspelt(models, text, option)
        return None
    raise UsageError(
        f"{option} {shown(text)} is for {other}, which is not among the models: {_listed(models)}",
        f"name the model as you did before it, or give what is for {models[0]} as "
        f"{option} {models[0]}:...",
    )


def _refuse_misspelt(models: Sequence[str], text: str, option: str) -> None:
    """Raise UsageError if ``text`` begins nearly as one of the models does."""
    from asymm_deploy.models.input_shape import shown

    for end in (index for index, sign in enumerate(text[:200]) if sign == ":"):
        near = get_close_matches(text[:end], models, 1, cutoff=0.8)
        if near:
            raise UsageError(
                f"{option} {shown(text)} is for {text[:end]}, which is not among the models",
                f"did you mean {option} {near[0]}{text[end:]}?",
            )


def _is_model(text: str) -> bool:
    """Whether ``text`` could be a MODEL, be it there or not; an input is seldom called so."""
    from asymm_deploy.models.input_shape import INPUT_TYPES
    from asymm_deploy.models.names import parse

    if ":" in text or "." in text:
        return text.rpartition(":")[2] not in INPUT_TYPES
    try:
        parse(text.partition("@")[0])
    except UsageError:
        return False
    return True


def _listed(models: Sequence[str]) -> str:
    more = f" and {len(models) - 10} more" if len(models) > 10 else ""
    return ", ".join(models[:10]) + more
