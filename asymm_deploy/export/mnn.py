"""A simplified ONNX file -> an MNN file, and MNN's outputs for given inputs.

Both happen in ``mnn_process``, a process of its own (docs/adr/0004-processes.md).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import ConversionError

Api: TypeAlias = Literal["session", "module"]

MNN_TIMEOUT_S = 600
"""A conversion takes about 0.1 s. One that takes ten minutes hangs."""


def to_mnn(source: Path, into: Path) -> None:
    """Convert the ONNX file ``source`` to ``into``; raise ConversionError if no file comes out.

    MNN's converter reports success whatever happens, so only the file counts here. Whether it is
    right shows when ``run_mnn``'s outputs are compared.
    """
    completed = _start("convert", str(source), str(into))
    if not into.exists() or into.stat().st_size == 0:
        raise ConversionError(
            f"MNN's converter wrote no file: {_reason(completed)}",
            "replace the operators that MNN does not know (it names them above), or open the file "
            "with `asymm-deploy describe` to see which ones it has",
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
    asked = [*(f"--input={s.dtype}:{','.join(map(str, s.shape))}:{s.name}" for s in inputs)]
    arrays: dict[str, Any] = {
        f"{number}/{name}": array
        for number, sample in enumerate(samples)
        for name, array in sample.items()
    }
    np.savez(sent, allow_pickle=False, **arrays)
    received.unlink(missing_ok=True)
    names = [spec.name for spec in outputs]
    doing = "time" if as_timed else "run"
    completed = _start(doing, api, str(model), str(sent), str(received), *asked, *names)
    if completed.returncode != 0 or not received.exists():
        raise ConversionError(
            f"MNN can't run the converted file: {_reason(completed)}",
            "the graph has an operator that MNN converts but can't run, or the file is damaged",
        )
    with np.load(received, allow_pickle=False) as results:
        return [[results[f"{number}/{name}"] for name in names] for number in range(len(samples))]


def _start(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-m", "asymm_deploy.export.mnn_process", *arguments]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=MNN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(
            f"MNN did not finish within {MNN_TIMEOUT_S} s",
            "simplify the graph, or report it to MNN",
        ) from error


_NOISE = re.compile(
    r"The device supports|Start to|MNN use high precision|ir version|opset version|Converted Failed"
    r"|^inputTensors|^outputTensors|^Traceback|Converted Success|^Note: "
)


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
