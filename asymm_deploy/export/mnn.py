"""A simplified ONNX file -> an MNN file, and MNN's outputs for given inputs.

Both happen in ``mnn_process``, a process of its own (docs/adr/0004-processes.md).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError

Api: TypeAlias = Literal["session", "module"]


class RunRequest(msgspec.Struct, frozen=True):
    """What ``mnn_process`` is to run.

    The arrays in its .npz files are called SAMPLE/POSITION: numpy takes ``a`` for ``a.npy``.
    """

    inputs: tuple[TensorSpec, ...]
    """Of the model; a session doesn't need them."""
    samples: tuple[tuple[str, ...], ...]
    """The names of each sample's arrays, in order."""
    outputs: tuple[str, ...]


class Ends(msgspec.Struct, frozen=True):
    """The inputs of a model, and the names of its outputs, in the order of the file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]


MNN_TIMEOUT_S = 300
"""A conversion takes about 0.1 s. One that takes ten minutes hangs."""


class MnnTimeoutError(ConversionError):
    """MNN was stopped, since it didn't finish: another form of the graph would take as long."""


def to_mnn(source: Path, into: Path, options: Sequence[str] = ()) -> None:
    """Convert ``source`` to ``into``; raise ConversionError if no file comes out.

    ``source`` is an .onnx file, or an .mnn file to be written anew. ``options`` are of the
    converter.

    MNN's converter reports success whatever happens, so only the file counts here. Whether it is
    right shows when ``run_mnn``'s outputs are compared.
    """
    with TemporaryDirectory(dir=into.absolute().parent) as folder:
        paths = (str(source.absolute()), str(into.absolute()))
        completed = _start("convert", *paths, *options, folder=folder)
    if not into.exists() or into.stat().st_size == 0:
        reason = _reason(completed).replace(str(source.absolute()), f" {source.name}")
        raise ConversionError(
            f"MNN's converter wrote no file: {reason}",
            _LEAVE_OUT
            if _tells_nothing(completed)
            else "replace the operators that it names by others, or write them in simpler ones",
        )


def run_mnn(
    model: Path,
    samples: Sequence[Arrays],
    outputs: Sequence[TensorSpec],
    scratch: Path,
    *,
    inputs: Sequence[TensorSpec],
    api: Api = "session",
    as_timed: bool = False,
) -> list[list[Array]]:
    """Run ``model`` in fp32 on one thread; return outputs ``[sample][output]``.

    ``outputs`` says which outputs, in which order. Winograd's larger tiles, which trade digits for
    speed, are used only with ``as_timed``. The arrays travel through files in ``scratch``. Raises
    ConversionError if MNN can't load or run the file.
    """
    sent, received = scratch / "inputs.npz", scratch / "outputs.npz"
    arrays: dict[str, Any] = {
        f"{number}/{position}": array
        for number, sample in enumerate(samples)
        for position, array in enumerate(sample.values())
    }
    np.savez(sent, allow_pickle=False, **arrays)
    received.unlink(missing_ok=True)
    request = RunRequest(
        inputs=tuple(inputs),
        samples=tuple(map(tuple, samples)),
        outputs=tuple(spec.name for spec in outputs),
    )
    doing = "time" if as_timed else "run"
    completed = _start(doing, api, str(model), str(sent), str(received), request=request)
    if completed.returncode != 0 or not received.exists():
        raise ConversionError(
            f"MNN can't run the converted file: {_reason(completed)}",
            _LEAVE_OUT
            if _tells_nothing(completed)
            else "the graph has an operator that MNN "
            "converts but can't run: replace the one that it names, or else leave out parts of the "
            "model until it runs",
        )
    with np.load(received, allow_pickle=False) as results:
        return [
            [results[f"{number}/{position}"] for position in range(len(outputs))]
            for number in range(len(samples))
        ]


def module_ends_if_needed(model: Path) -> Ends | None:
    """Return the ends of an .mnn file that MNN's Module API runs, and its Session doesn't.

    A run on the input that a runner makes from its seed decides. None for all other files, those
    included that nothing runs.
    """
    with TemporaryFile() as file:  # without a name, so that nothing stays if we are killed
        number = file.fileno()
        with suppress(ConversionError):
            _start("probe", str(model), f"/dev/fd/{number}", handed_on=(number,))
        file.seek(0)
        found = file.read()
    return msgspec.json.decode(found, type=Ends) if found else None


def _start(
    *arguments: str,
    request: RunRequest | None = None,
    folder: str | None = None,
    handed_on: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run ``mnn_process``, in ``folder`` if it is given, with the open files ``handed_on``.

    The converter puts large weights into a file of a fixed name in the current folder, and takes
    them out again: two at a time in one folder mix up their weights.
    """
    command = [sys.executable, "-I", "-m", "asymm_deploy.export.mnn_process", *arguments]
    try:
        return subprocess.run(
            command,
            input="" if request is None else msgspec.json.encode(request).decode(),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=MNN_TIMEOUT_S,
            check=False,
            cwd=folder,
            pass_fds=handed_on,
        )
    except subprocess.TimeoutExpired as error:
        raise MnnTimeoutError(
            f"MNN did not finish within {MNN_TIMEOUT_S} s",
            "an integer that counts rounds or sizes may be too large: give its range, as in "
            "--input-shape n=:int64:1..8; else simplify the graph, or report it to MNN",
        ) from error


_NOISE = re.compile(
    r"The device supports|Start to|MNN use high precision|ir version|opset version|Converted Failed"
    r"|^inputTensors|^outputTensors|^Traceback|Converted Success|^Note: "
)


_LEAVE_OUT = (
    "it doesn't say at which operator: leave out parts of the model until it goes well; usual "
    "reasons are tensors of more than 8 axes, and outputs that no operator computes"
)


def _tells_nothing(completed: subprocess.CompletedProcess[str]) -> bool:
    """Whether MNN crashed, or has no more to say than that the file is not for it."""
    return completed.returncode < 0 or "check your file format" in _reason(completed)


def _reason(completed: subprocess.CompletedProcess[str]) -> str:
    """Return the lines of MNN's output that matter, as one; name the signal if one ended it."""
    lines = [
        re.sub(r"^\[\d\d:\d\d:\d\d\] *(?:\S+:\d+|:\d+): *", "", line).strip()
        for line in (completed.stdout + "\n" + completed.stderr).splitlines()
    ]
    told = [line for line in lines if line and not _NOISE.search(line)]
    if completed.returncode < 0:
        told.append(f"it died of signal {-completed.returncode}")
    return "; ".join(dict.fromkeys(told[-4:]))[:400] or "it gave no reason"
