"""What a MODEL argument names: a network, an .onnx file, package.module:callable, a variant."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from asymm_deploy.errors import UsageError
from asymm_deploy.files import require_regular, require_text
from asymm_deploy.models.input_shape import InputShape, shape_text, shown
from asymm_deploy.models.names import parse
from asymm_deploy.models.naming.variant_names import (
    VARIANTS,
    VariantName,
    split_variant,
    variant_model,
)
from asymm_deploy.models.spec import NetSpec, at_resolution, with_classes
from asymm_deploy.safe import first_words

if TYPE_CHECKING:
    from torch import nn

NETWORK_INPUT = "input"
"""What the one input of our own networks is called."""

# File systems allow 255 bytes, of which temporary files beside the artifacts need some.
_LONGEST_FOLDER_NAME = 200


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """One of our own networks, at the resolution and with the classes asked for."""

    spec: NetSpec
    given: InputShape | None = None
    """What ``--input-shape`` says of its one input, for the range; ``spec`` has the shape."""
    variant: VariantName | None = None
    given_classes: int | None = None
    """What ``--classes`` says; ``spec`` has them."""
    is_listed: bool = False
    """Named by a table or figure of the paper: that network is meant, and no other of its name."""

    @property
    def model(self) -> str:
        """Its name, which is also that of its artifacts folder."""
        return variant_model(self.spec.name, self.variant)


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """A non-empty file whose name ends in .onnx; its content has not been read yet."""

    path: Path
    input_shapes: tuple[InputShape, ...]
    """Shapes for its dynamic inputs; may be empty."""
    variant: VariantName | None = None

    @property
    def model(self) -> str:
        """Its name, which is also that of its artifacts folder: the file's stem."""
        return variant_model(self.path.stem, self.variant)


@dataclass(frozen=True, slots=True)
class CallableModule:
    """A callable that returns an nn.Module; not imported yet."""

    module: str
    """Dotted name of the Python module."""
    attribute: str
    """Dotted name of the callable in it."""
    input_shapes: tuple[InputShape, ...]
    """Of forward's arguments; empty where the user's samples or an earlier export tell them."""
    variant: VariantName | None = None

    @property
    def model(self) -> str:
        """Its name, which is also that of its artifacts folder."""
        return variant_model(f"{self.module}.{self.attribute}", self.variant)


Source = NamedNetwork | OnnxFile | CallableModule


def resolve(text: str, input_shapes: Sequence[InputShape] = ()) -> Source:
    """Return what ``text`` names, without importing or reading it.

    Text that ends in ``.onnx`` is a file, text with a colon is ``package.module:callable``, and all
    else is a network's name. Each of them may be followed by ``@VARIANT``. Raises UsageError if
    there is no such file, network or variant, if it can't be the name of a folder, or if
    ``input_shapes`` don't fit.
    """
    shapes = tuple(input_shapes)
    text, variant = split_variant(text)
    if text.lower().endswith(".onnx"):
        source: Source = _onnx_file(text, shapes)
    elif ":" in text:
        source = _callable_module(text, shapes)
    else:
        source = _network(parse(text), shapes)
    return as_variant(source, variant)


def as_variant(source: Source, variant: VariantName | None) -> Source:
    """Return ``source`` as that variant; None stands for the fp32 files that variants come from."""
    return replace(source, variant=variant)


def with_input_shapes(source: Source, shapes: Sequence[InputShape]) -> Source:
    """Return ``source`` with other input shapes; raise UsageError if they don't fit a network."""
    if isinstance(source, NamedNetwork):
        network = _network(source.spec, tuple(shapes))
        return replace(source, spec=network.spec, given=network.given)
    return replace(source, input_shapes=tuple(shapes))


def as_listed(source: Source) -> Source:
    """Return ``source``, named by a table or figure of the paper: no other of its name is meant."""
    return replace(source, is_listed=True) if isinstance(source, NamedNetwork) else source


def with_given_classes(source: Source, classes: int | None) -> Source:
    """Return ``source`` with as many classes as ``--classes`` says; as it is for None.

    Raises UsageError for what is no network of ours, and for one whose outputs are no classes.
    """
    if classes is None:
        return source
    if not isinstance(source, NamedNetwork):
        raise UsageError(
            f"--classes is for networks of the paper, and {source.model} brings its own outputs",
            "leave it out, or name the networks in a command of their own",
        )
    return replace(source, spec=with_classes(source.spec, classes), given_classes=classes)


def with_recorded_classes(source: Source, classes: int | None, folder: Path) -> Source:
    """Return ``source`` with the classes of the export in ``folder``, unless it has some given.

    None are the paper's. Raises UsageError if the paper's own network is meant and the export is
    another: it would be lost.
    """
    if classes is None or not isinstance(source, NamedNetwork) or source.given_classes is not None:
        return source
    if source.is_listed:
        raise UsageError(
            f"{folder} holds {source.model} with {classes} classes, and the paper's has "
            f"{source.spec.told_apart}",
            "give another folder for the paper's networks, or name this one by its name",
        )
    return replace(source, spec=with_classes(source.spec, classes))


def own_classes(source: Source) -> int | None:
    """Return how many classes a network tells apart, if its name doesn't say so; else None."""
    if not isinstance(source, NamedNetwork):
        return None
    own = source.spec.told_apart
    return None if own == parse(source.spec.name).told_apart else own


def shape_unknown(source: CallableModule) -> UsageError:
    """Return the error for a callable whose inputs nothing tells."""
    return UsageError(
        f"the input shape of {f'{source.module}:{source.attribute}'!r} is unknown",
        "give it with --input-shape 1,3,224,224 or ids=1,128:int64, once for each argument of "
        "forward, or give samples of its inputs with --inputs FILE.npz",
    )


def require_shapes(source: Source, samples: Path | None) -> None:
    """Raise UsageError where neither the user nor samples tell what a callable's inputs are."""
    if isinstance(source, CallableModule) and not source.input_shapes and samples is None:
        raise shape_unknown(source)


def load_callable(source: CallableModule) -> nn.Module:
    """Import and call what ``source`` names; the current folder is importable from then on.

    What the code prints goes to stderr. Raises UsageError, with the cause in one line, if it
    can't be imported, doesn't exist, isn't callable, raises, exits, or returns something else.
    """
    from torch import nn

    where = f"{source.module}:{source.attribute}"
    folder = str(Path.cwd())
    if folder not in sys.path:  # for good: the code may import more as it runs
        sys.path.insert(0, folder)
        importlib.invalidate_caches()
    # What follows uses relative paths: the code may go elsewhere, but we stay.
    with contextlib.redirect_stdout(sys.stderr), contextlib.chdir(folder):
        try:
            found: object = importlib.import_module(source.module)
        except BaseException as error:
            _fail_import(source.module, error)
        try:
            for name in source.attribute.split("."):
                found = getattr(found, name)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise UsageError(
                f"{source.module} has no {source.attribute}: {in_one_line(error)}",
                f"check the name after the colon in {where}",
            ) from error
        if isinstance(found, nn.Module) or not callable(found):
            raise UsageError(
                f"{where} is a {type(found).__name__}, not a function that returns an nn.Module",
                "name a function or a class that takes no arguments",
            )
        try:
            module = found()
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise UsageError(
                f"{where} raised {in_one_line(error)}",
                "it is called without arguments; try it in Python, where you see the traceback",
            ) from error
    if not isinstance(module, nn.Module):
        raise UsageError(
            f"{where} returned a {type(module).__name__}, not an nn.Module",
            "return the torch.nn.Module itself",
        )
    return module


def _network(spec: NetSpec, shapes: tuple[InputShape, ...]) -> NamedNetwork:
    if not shapes:
        return NamedNetwork(spec)
    given = shapes[0]
    if len(shapes) > 1:
        raise UsageError(
            f"{spec.name} has one input, but {len(shapes)} shapes are given",
            f"give --input-shape once, 1,3,224,224 for example; {_of_one_model(spec)}",
        )
    if given.name not in (None, NETWORK_INPUT):
        raise UsageError(
            f"{spec.name} has no input {shown(given.name)}: its only one is {NETWORK_INPUT}",
            f"leave out the name; {_of_one_model(spec)}",
        )
    if given.dtype not in (None, "float32"):
        raise UsageError(
            f"{spec.name} takes float32, not {given.dtype}: its first layer is a convolution "
            "of float32 values",
            f"give --input-shape {shape_text(given.shape)}:float32, with a range if you like, or "
            f"leave out the type; {_of_one_model(spec)}",
        )
    return NamedNetwork(at_resolution(spec, given.shape), given)


def _of_one_model(spec: NetSpec) -> str:
    return (
        "where several models are named, a shape is for the one that stands before it: "
        f"--input-shape {spec.name}:{shape_text(spec.input_shape)}"
    )


def _onnx_file(text: str, shapes: tuple[InputShape, ...]) -> OnnxFile:
    path = Path(text)
    try:
        if path.is_dir():
            raise UsageError(f"{shown(text)} is a folder", "give the .onnx file in it")
        require_regular(path)
        size = path.stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"can't read {shown(text)}: {reason}",
            "give the path of an .onnx file that can be read",
        ) from error
    if size == 0:
        raise UsageError(f"{shown(text)} is empty", "export it again")
    _require_folder_name(path.stem)
    _, at, ending = path.stem.rpartition("@")
    if at and ending in VARIANTS:
        raise UsageError(
            f"{shown(text)} would be exported to a folder that is for a variant, {path.stem}",
            "rename the file: its name must not end in @ and a variant",
        )
    require_text(path, "rename the folder that it is in")
    return OnnxFile(path, shapes)


def _callable_module(text: str, shapes: tuple[InputShape, ...]) -> CallableModule:
    module, _, attribute = text.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *attribute.split("."))):
        raise UsageError(
            f"{shown(text)} is not of the form package.module:callable",
            "name a Python module and a callable in it: my_models:make_net",
        )
    source = CallableModule(module, attribute, shapes)
    _require_folder_name(source.model)
    return source


def _require_folder_name(name: str) -> None:
    """Refuse names that leave the artifacts folder, hide in it, or look like an option."""
    if (
        not name.strip()
        or name[0] in ".-"
        or not name.isprintable()
        or "/" in name
        or "\\" in name
        or len(name.encode("utf-8", "replace")) > _LONGEST_FOLDER_NAME
    ):
        if any("\ud800" <= character <= "\udfff" for character in name):
            raise UsageError(
                f"{shown(name)} can't be the name of an artifacts folder: it is not UTF-8",
                "rename the file: its name must be text in UTF-8",
            )
        raise UsageError(
            f"{shown(name)} can't be the name of an artifacts folder",
            "rename the file: no leading dot or dash, no control characters, at most "
            f"{_LONGEST_FOLDER_NAME} bytes",
        )


def _fail_import(module: str, error: BaseException) -> NoReturn:
    if is_ctrl_c(error):
        raise error
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and (module == missing or module.startswith(f"{missing}.")):
        raise UsageError(
            f"no Python module named {missing}",
            "run this in the folder that contains it, or install the package",
        ) from error
    raise UsageError(
        f"importing {module} raised {in_one_line(error)}",
        "try it in Python, where you see the traceback",
    ) from error


def is_ctrl_c(error: BaseException) -> bool:
    """Whether the user has pressed Ctrl-C: a process that ignores it has it from its own code."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return isinstance(error, KeyboardInterrupt) and not ignored


def in_one_line(error: BaseException) -> str:
    """Return an error's type and the first line of what it says."""
    line = first_words(error)
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
