"""ONNX Runtime on the CPU, one operator after the other."""

from __future__ import annotations

import numpy as np
import onnxruntime

from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.session import Array
from asymm_deploy.export.tensors import TensorSpec

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
_ERRORS_ONLY = 3

VERSION: str = onnxruntime.__version__


class OrtSession:
    """A model in ONNX Runtime; its precision is the model's own."""

    def __init__(self, model: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _ERRORS_ONLY
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base class
            raise RefusedError(f"ONNX Runtime can't load the model: {error}") from error
        self._threads = threads
        self._names = [output.name for output in self._session.get_outputs()]
        self._feeds: dict[str, Array] = {}
        self._results: list[Array] = []

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """In the graph's order; an axis without a number is 0."""
        return tuple(
            TensorSpec(
                given.name,
                tuple(axis if isinstance(axis, int) else 0 for axis in given.shape),
                _dtype(given.type),
            )
            for given in self._session.get_inputs()
        )

    @property
    def precision(self) -> str:
        """What the graph takes and gives."""
        ends = [*self._session.get_inputs(), *self._session.get_outputs()]
        return "fp16" if any(end.type == "tensor(float16)" for end in ends) else "fp32"

    @property
    def threads(self) -> int:
        """ONNX Runtime starts exactly as many as it is told."""
        return self._threads

    def feed(self, arrays: dict[str, Array]) -> None:
        """Set what every following run is given."""
        self._feeds = {
            spec.name: np.ascontiguousarray(arrays[spec.name].astype(spec.dtype))
            for spec in self.inputs
        }

    def run(self) -> None:
        """Compute; ONNX Runtime reads the arrays in place and makes new ones."""
        self._results = self._session.run(self._names, self._feeds)

    def outputs(self) -> dict[str, Array]:
        """By name."""
        return dict(zip(self._names, self._results, strict=True))


def _dtype(kind: str) -> str:
    try:
        return _DTYPES[kind]
    except KeyError:
        raise RefusedError(
            f"the model has an input of type {kind}, unknown to the runner"
        ) from None
