"""MNN's converter and engine in a process of their own: they print on stdout, and may crash.

``python -m asymm_deploy.export.mnn_process convert IN.onnx OUT.mnn``
``python -m asymm_deploy.export.mnn_process run MODEL.mnn INPUTS.npz OUTPUTS.npz OUTPUT_NAME...``
``python -m asymm_deploy.export.mnn_process time ...`` likewise, with the settings of a timed run

The converter is called as a function of the wheel's extension module. The wheel's ``mnnconvert``
program is never started: it installs a logging package and uploads what it was asked to do.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

_WINOGRAD_MEMORY_LEVEL = 3
"""Interpreter::HintMode in MNN 3.6's Interpreter.hpp; 0 to 3, and 3 unless set."""


def convert(source: str, target: str) -> None:
    """Convert; MNN's function returns True whatever happens, so its value is not looked at."""
    import _tools

    _tools.mnnconvert(
        ["mnnconvert", "-f", "ONNX", "--modelFile", source, "--MNNModel", target, "--bizCode", "-"]
    )


def run(model: str, inputs: str, outputs: str, names: list[str], *, as_timed: bool) -> None:
    """Run the samples of ``inputs`` (arrays ``0/NAME``, ``1/NAME``...), save ``names`` likewise."""
    import MNN

    interpreter = MNN.Interpreter(model)
    if not as_timed:  # Winograd's larger tiles cost digits, and what is to be proven is the file
        interpreter.setSessionHint(_WINOGRAD_MEMORY_LEVEL, 0)
    session = interpreter.createSession({"backend": "CPU", "precision": "high", "numThread": 1})
    feeds = interpreter.getSessionInputAll(session)
    fetches = interpreter.getSessionOutputAll(session)
    results: dict[str, npt.NDArray[Any]] = {}
    with np.load(inputs, allow_pickle=False) as samples:
        for number in sorted({int(key.partition("/")[0]) for key in samples.files}):
            for name, tensor in feeds.items():
                tensor.copyFrom(_host_tensor(MNN, tensor, samples[f"{number}/{name}"]))
            if interpreter.runSession(session) != 0:
                raise SystemExit("MNN's session stopped with an error")
            for name in names:
                host = _host_tensor(MNN, fetches[name], None)
                fetches[name].copyToHostTensor(host)
                results[f"{number}/{name}"] = np.array(host.getNumpyData())
    np.savez(outputs, allow_pickle=False, **results)


def _host_tensor(mnn: Any, tensor: Any, values: npt.NDArray[Any] | None) -> Any:
    """Return a tensor in plain NCHW order, of the type MNN keeps (64-bit integers become 32)."""
    dtype = np.array(tensor.getNumpyData()).dtype
    shape = tuple(tensor.getShape())
    array = np.zeros(shape, dtype) if values is None else values.astype(dtype).reshape(shape)
    kind = mnn.Halide_Type_Float if dtype.kind == "f" else mnn.Halide_Type_Int
    return mnn.Tensor(shape, kind, np.ascontiguousarray(array), mnn.Tensor_DimensionType_Caffe)


if __name__ == "__main__":
    if sys.argv[1] == "convert":
        convert(*sys.argv[2:4])
    else:
        run(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:], as_timed=sys.argv[1] == "time")
