"""MNN through the Python wheel's Interpreter. Importing it prints, so stdout is turned away first.

``import MNN`` alone: ``MNN.tools`` and the wheel's commands install packages and phone home.
"""

from __future__ import annotations

import platform
import struct
from typing import Any

import MNN
import numpy as np

from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.session import Array
from asymm_deploy.export.tensors import TensorSpec

# <MNN/Interpreter.hpp> and <MNN/MNNForwardType.h>, 3.6.1; the wheel has no names for them.
_SESSION_RELEASE = 1
_INFO_BACKENDS, _INFO_THREADS = 2, 4
_BACKEND_CPU, _BACKEND_CPU_EXTENSION = 0, 13
_PRECISION = {"fp32": 1, "fp16": 2}  # Precision_High, Precision_Low

VERSION: str = MNN.version()


class MnnSession:
    """A model in MNN, in release mode on the CPU."""

    def __init__(self, model: str, precision: str, threads: int) -> None:
        try:
            self._interpreter = MNN.Interpreter(model)
            self._interpreter.setSessionMode(_SESSION_RELEASE)
            self._session = self._interpreter.createSession(
                {"backend": "CPU", "precision": _PRECISION[precision], "numThread": threads}
            )
        except Exception as error:  # MNN raises nothing more specific
            raise RefusedError("MNN can't load the model: it is damaged or no .mnn file") from error
        self._tensors: dict[str, Any] = self._interpreter.getSessionInputAll(self._session)
        self._feeds: list[tuple[Any, Any]] = []
        self._fetches = {
            name: (tensor, _host_tensor(tensor, np.zeros(_shape(tensor), _dtype(tensor))))
            for name, tensor in self._interpreter.getSessionOutputAll(self._session).items()
        }
        if not self._tensors or not self._fetches:
            raise RefusedError("MNN finds no input or no output in the model")

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """In byte order of their names."""
        return tuple(
            TensorSpec(name, _shape(tensor), _dtype(tensor).name)
            for name, tensor in self._tensors.items()
        )

    @property
    def precision(self) -> str:
        """What MNN's choice of kernels means on this processor."""
        code = self._interpreter.getSessionInfo(self._session, _INFO_BACKENDS)
        return precision_in_force(code, platform.machine())

    @property
    def threads(self) -> int:
        """The wheel hands out an integer's bits as a float."""
        bits = self._interpreter.getSessionInfo(self._session, _INFO_THREADS)
        return int(struct.unpack("i", struct.pack("f", bits))[0])

    def feed(self, arrays: dict[str, Array]) -> None:
        """Set what every following run copies in, converted to the types that MNN keeps."""
        self._feeds = [
            (tensor, _host_tensor(tensor, arrays[name].astype(_dtype(tensor))))
            for name, tensor in self._tensors.items()
        ]

    def run(self) -> None:
        """Copy in, compute, copy out."""
        for tensor, host in self._feeds:
            tensor.copyFrom(host)
        code = self._interpreter.runSession(self._session)
        for tensor, host in self._fetches.values():
            tensor.copyToHostTensor(host)
        if code != 0:
            raise RefusedError(f"MNN's session stopped with error {code}")

    def outputs(self) -> dict[str, Array]:
        """Return copies, by name."""
        return {
            name: np.array(host.getNumpyData()) for name, (_tensor, host) in self._fetches.items()
        }


def precision_in_force(backend: int, machine: str) -> str:
    """Return what BACKENDS means: on ARM the CPU extension is fp16 arithmetic, on x86 it is AVX.

    MNN has no fp16 arithmetic on x86: there Precision_Low computes in fp32 all the same.
    """
    if backend == _BACKEND_CPU:
        return "fp32"
    if backend == _BACKEND_CPU_EXTENSION:
        return "fp16" if machine.lower().startswith(("aarch64", "arm")) else "fp32"
    return f"backend {backend}"


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(tensor.getShape())


def _dtype(tensor: Any) -> np.dtype[Any]:
    kind = tensor.getDataType()
    for halide, dtype in (
        (MNN.Halide_Type_Float, np.float32),
        (MNN.Halide_Type_Int, np.int32),
        (MNN.Halide_Type_Int64, np.int64),
        (MNN.Halide_Type_Uint8, np.uint8),
        (MNN.Halide_Type_Double, np.float64),
    ):
        if kind is halide:
            return np.dtype(dtype)
    raise RefusedError("the model has a tensor of a type that the runner doesn't know")


def _host_tensor(tensor: Any, values: Array) -> Any:
    """Return a tensor of ``values`` in the plain order: MNN's own may be packed by channels."""
    plain = MNN.Tensor_DimensionType_Caffe
    if tensor.getDimensionType() == MNN.Tensor_DimensionType_Tensorflow:
        plain = MNN.Tensor_DimensionType_Tensorflow
    return MNN.Tensor(_shape(tensor), tensor.getDataType(), np.ascontiguousarray(values), plain)
