"""Every operator of an .mnn file beside a reference: what it is, and how far off it is.

MNN and ONNX Runtime run in a process of their own (``watching_process``): native code may crash.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import onnx

from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.tensors import Array, Arrays
from asymm_deploy.errors import ConversionError, ExitCode, UsageError
from asymm_deploy.explain.error_limits import own_limit
from asymm_deploy.explain.explanation import ExplainedOperator, OperatorError
from asymm_deploy.explain.operator_errors import operator_error
from asymm_deploy.explain.placing.placed_operator import PlacedOperator

_PROGRAM = "asymm_deploy.explain.watching.watching_process"
_TIMEOUT_S = 600
"""A network of a thousand operators takes seconds. What takes ten minutes hangs."""


class JudgedRun(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The operators of one run in their places, what they do, and their errors."""

    placed: tuple[PlacedOperator, ...]
    madds: tuple[int, ...]
    bytes_moved: tuple[int, ...]
    weight_bits: tuple[int | None, ...]
    """In how many bits the file keeps each operator's weights; None: in 32, or none."""
    on_layer: tuple[OperatorError | None, ...]
    own: tuple[OperatorError | None, ...]


class WatchFailure(msgspec.Struct, frozen=True, tag=True):
    """Why ``watching_process`` has no result."""

    what: str
    hint: str
    exit_code: int


class WatchRequest(msgspec.Struct, frozen=True):
    """What ``watching_process`` is to do; ``samples`` are .npz files."""

    model: str
    reference: str
    samples: tuple[str, ...]
    precision: Precision
    values: str | None
    """Where the reference's tensors go, as an .npz file called by their place in ``tensors``."""


def explain_values(
    model: Path,
    reference: onnx.ModelProto | Path,
    sample: Arrays,
    *,
    further: Sequence[Arrays] = (),
    precision: Precision = "fp32",
) -> tuple[ExplainedOperator, ...]:
    """Return every operator of ``model`` with its place in ``reference``, and its errors.

    ``sample`` has an array for each input of the reference. ``further`` samples are judged as well,
    and the largest error counts. Raises ConversionError where MNN can't run the file operator by
    operator, where it crashes, and where ONNX Runtime can't run the reference; UsageError where the
    reference can't be read, or has no tensor of the model.
    """
    run = judged_run(model, reference, (sample, *further), precision=precision)
    return explained_operators(run, precision)


def judged_run(
    model: Path,
    reference: onnx.ModelProto | Path,
    samples: Sequence[Arrays],
    *,
    precision: Precision = "fp32",
    values: Path | None = None,
) -> JudgedRun:
    """Return what ``explain_values`` is made of; raises the same.

    ``values``: an .npz file to be written, with the reference's tensors for the first sample. They
    are what another device's run is judged by.
    """
    with TemporaryDirectory(prefix="asymm-explain-") as folder:
        scratch = Path(folder)
        if isinstance(reference, Path):
            graph = reference
        else:
            graph = scratch / "reference.onnx"
            graph.write_bytes(reference.SerializeToString())
        files = []
        for number, sample in enumerate(samples):
            files.append(str(scratch / f"{number}.npz"))
            save_arrays(Path(files[-1]), sample)
        request = WatchRequest(
            model=str(model),
            reference=str(graph),
            samples=tuple(files),
            precision=precision,
            values=None if values is None else str(values),
        )
        made = scratch / "run.json"
        completed = _watch(request, made)
        if completed.returncode != 0 or not made.exists():
            raise _refused(model, completed)
        found = msgspec.json.decode(made.read_bytes(), type=JudgedRun | WatchFailure)
    if isinstance(found, WatchFailure):
        code = ExitCode(found.exit_code)
        kind = UsageError if code == ExitCode.USAGE else ConversionError
        raise kind(found.what, found.hint)
    if not any(any(place.references) and not place.as_given for place in found.placed):
        raise UsageError(
            f"{model.name} has no tensor of the reference",
            "give the ONNX graph that it was converted from, or one whose tensors have the same "
            "names",
        )
    return found


def explained_operators(run: JudgedRun, precision: Precision) -> tuple[ExplainedOperator, ...]:
    """Return the operators of a run with their limits; times are put in later."""
    found = []
    for place, madds, moved, bits, on_layer, own in zip(
        run.placed,
        run.madds,
        run.bytes_moved,
        run.weight_bits,
        run.on_layer,
        run.own,
        strict=True,
    ):
        limit = own_limit(place, precision, weight_bits=bits)
        found.append(
            ExplainedOperator(
                index=place.index,
                name=place.name,
                type=place.type,
                kind=place.kind,
                module=place.module,
                node=place.node,
                node_type=place.node_type,
                output_shape=place.output_shapes[0] if place.output_shapes else (),
                madds=madds,
                bytes_moved=moved,
                on_layer=on_layer,
                own=own,
                own_limit=None if own is None else limit.largest,
                limit_reason=None if own is None else limit.reason,
                unjudged=place.unjudged,
                in_8_bits=place.int8,
                also=tuple(each for each in place.node_names if each != place.node),
            )
        )
    return tuple(found)


def matched_places(
    ours: Sequence[PlacedOperator], theirs: Sequence[tuple[str, str]]
) -> list[int | None]:
    """Return for each operator of another device's run, by name and type, its index in ours.

    An operator is known by its name, and by how often that came before. None: it isn't in ours.
    """
    known: dict[tuple[str, int], int] = {}
    seen: Counter[str] = Counter()
    for place in ours:
        known[place.name, seen[place.name]] = place.index
        seen[place.name] += 1
    seen.clear()
    found: list[int | None] = []
    for name, _type in theirs:
        found.append(known.get((name, seen[name])))
        seen[name] += 1
    return found


def errors_of_values(
    run: JudgedRun,
    values: Mapping[str, Array],
    outputs: Mapping[int, Sequence[Array]],
) -> tuple[OperatorError | None, ...]:
    """Return the error of each operator of ``run``, given its outputs by index; pure.

    ``outputs`` may come from any device: of an unchanged run they give the errors on layer, of one
    whose inputs were `overwritten` the own ones. None where nothing is given, or can be judged.
    """
    return tuple(
        operator_error(place, outputs[place.index], values) if place.index in outputs else None
        for place in run.placed
    )


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays to an .npz file, whatever their names: numpy takes ``a`` for ``a.npy``."""
    names = np.array(list(arrays), dtype=np.str_)
    numbered = {str(number): array for number, array in enumerate(arrays.values())}
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, names=names, **numbered)


def load_arrays(path: Path) -> Arrays:
    """Return what ``save_arrays`` wrote."""
    with np.load(path, allow_pickle=False) as found:
        return {str(name): found[str(number)] for number, name in enumerate(found["names"])}


def _watch(request: WatchRequest, made: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-I",
        "-m",
        "asymm_deploy.explain.watching.watching_process",
        str(made),
    ]
    try:
        return subprocess.run(
            command,
            input=msgspec.json.encode(request).decode(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(
            f"MNN and ONNX Runtime did not finish {request.model} within {_TIMEOUT_S} s",
            "give a smaller model, or a smaller input",
        ) from error


def _refused(model: Path, completed: subprocess.CompletedProcess[str]) -> ConversionError:
    """Return why there are no values."""
    if completed.returncode < 0:
        return ConversionError(
            f"{model.name} can't be explained: MNN or ONNX Runtime died of signal "
            f"{-completed.returncode} while its operators were watched",
            "its operators can be timed as a whole by bench; the file may be damaged: export it "
            "again with --force",
        )
    lines = [line for line in completed.stderr.splitlines() if line.strip()]
    reason = lines[-1] if lines else "it gave no reason"
    return ConversionError(
        f"{model.name} can't be explained: {reason}",
        "MNN watches the operators of plain graphs alone: one with loops or branches can be timed "
        "as a whole, by bench",
    )
