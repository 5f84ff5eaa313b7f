"""ONNX Runtime on the CPU, one operator after the other."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import numpy as np
import onnxruntime

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import fitted
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
_FATAL_ONLY = 4  # what goes wrong arrives as an exception, and is told once

ORT_VERSION: str = onnxruntime.__version__


class OrtSession:
    """A model in ONNX Runtime; a ``Session``. Its precision is the model's own.

    ``model`` is a path, or the file's bytes. ``optimised=False`` keeps the graph optimisations off,
    so that a file can be compared with itself and the comparison still means something.
    """

    def __init__(self, model: str | bytes, *, threads: int = 1, optimised: bool = True) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = _FATAL_ONLY
        if not optimised:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no base class
            raise _failed("load", error) from error
        self._names = [output.name for output in self._session.get_outputs()]
        self._feeds: dict[str, Array] = {}
        self._results: list[Array] = []

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs in the graph's order."""
        return tuple(
            TensorSpec(
                given.name,
                tuple(axis if isinstance(axis, int) else 0 for axis in given.shape),
                _dtype(given.type),
            )
            for given in self._session.get_inputs()
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs in the graph's order; a graph may name one twice."""
        return tuple(self._names)

    @property
    def output_types(self) -> dict[str, str]:
        """What the outputs are, in ONNX Runtime's words: ``tensor(float)``, ``seq(map(...))``."""
        return {output.name: output.type for output in self._session.get_outputs()}

    @property
    def precision(self) -> str:
        """What the graph takes and gives; on x86 always fp32, since no kernel computes in fp16."""
        ends = [*self._session.get_inputs(), *self._session.get_outputs()]
        half = any(end.type == "tensor(float16)" for end in ends)
        return "fp16" if half and platform.machine() in ("aarch64", "arm64") else "fp32"

    @property
    def threads(self) -> int:
        """Number of threads, read back: ONNX Runtime starts exactly as many as it is told."""
        return int(self._session.get_session_options().intra_op_num_threads)

    def feed(self, arrays: Mapping[str, Array]) -> None:
        """Set the values that every following run starts from; see ``Session``."""
        self._feeds = {spec.name: fitted(arrays, _open(spec, arrays)) for spec in self.inputs}

    def run(self) -> None:
        """Compute; ONNX Runtime reads the arrays in place and makes new ones."""
        try:
            self._results = self._session.run(self._names, self._feeds)
        except Exception as error:
            raise _failed("run", error) from error

    def outputs(self) -> Arrays:
        """Return what the last run computed, by name."""
        try:
            values = [np.asarray(result) for result in self._results]
        except ValueError as error:  # a sequence, say
            raise EngineError(f"ONNX Runtime gives an output that is no tensor: {error}") from error
        return dict(zip(self._names, values, strict=True))


def _open(spec: TensorSpec, arrays: Mapping[str, Array]) -> TensorSpec:
    """Return ``spec`` with the shape that is given where it has none.

    ONNX Runtime tells an input of any shape as it tells a scalar; it takes what it gets for either.
    """
    if spec.shape or spec.name not in arrays:
        return spec
    return TensorSpec(spec.name, np.shape(arrays[spec.name]), spec.dtype)


def _failed(what: str, error: Exception) -> EngineError:
    return EngineError(f"ONNX Runtime can't {what} the model: {error}", str(error))


def _dtype(kind: str) -> str:
    try:
        return _DTYPES[kind]
    except KeyError:
        raise EngineError(f"ONNX Runtime can't be fed an input of type {kind}") from None
