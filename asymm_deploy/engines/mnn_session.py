"""MNN through the Python wheel's Interpreter.

Importing it prints on stdout, from C++: a program whose stdout is data turns that away first.
``import MNN`` alone: ``MNN.tools`` and the wheel's commands install packages and phone home.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from collections.abc import Callable, Mapping
from typing import Any

import MNN
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import fitted
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec

# <MNN/Interpreter.hpp> and <MNN/MNNForwardType.h>, 3.6.1; the wheel has no names for them.
_SESSION_DEBUG, _SESSION_RELEASE = 0, 1
_INFO_BACKENDS, _INFO_THREADS = 2, 4
_BACKEND_CPU, _BACKEND_CPU_EXTENSION = 0, 13
_BACKENDS = {_BACKEND_CPU: "cpu", _BACKEND_CPU_EXTENSION: "cpu", 3: "opencl", 7: "vulkan"}
_PRECISION = {"fp32": 1, "fp16": 2}  # Precision_High, Precision_Low
_MEMORY_NORMAL = _POWER_NORMAL = 0  # integers: the wheel ignores the words for these two
WINOGRAD_MEMORY_LEVEL = 3
"""A HintMode; its values are 0 to 3, and 3 unless set."""

MNN_VERSION: str = MNN.version()

# The wheel hands out pointers in capsules.
_pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


class MnnSession:
    """A model in MNN, in release mode; a ``Session``.

    ``winograd=False`` leaves out the larger tiles of Winograd's convolutions, which trade digits
    for speed. ``watchable`` makes it a session for debugging, which alone can be watched: its
    ``run`` executes the same instructions. Where MNN lacks the ``backend`` (cpu, opencl or vulkan)
    it takes the CPU, and only the property says so.
    """

    def __init__(
        self,
        model: str,
        *,
        precision: str = "fp32",
        threads: int = 1,
        winograd: bool = True,
        watchable: bool = False,
        backend: str = "cpu",
    ) -> None:
        try:
            self._interpreter = MNN.Interpreter(model)
            self._interpreter.setSessionMode(_SESSION_DEBUG if watchable else _SESSION_RELEASE)
            if not winograd:
                self._interpreter.setSessionHint(WINOGRAD_MEMORY_LEVEL, 0)
            asked = cpu_config(precision, threads) | {"backend": backend.upper()}
            self._session = self._interpreter.createSession(asked)
        except Exception as error:  # MNN raises nothing more specific
            raise EngineError("MNN can't load the model: it is damaged or no .mnn file") from error
        self._tensors: dict[str, Any] = self._interpreter.getSessionInputAll(self._session)
        self._feeds: list[tuple[Any, Any]] = []
        self._fetches = {
            name: (
                tensor,
                host_tensor(tensor, np.zeros(tensor_shape(tensor), tensor_dtype(tensor))),
            )
            for name, tensor in self._interpreter.getSessionOutputAll(self._session).items()
        }
        if not self._tensors or not self._fetches:
            raise EngineError("MNN finds no input or no output in the model")

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs in byte order of their names."""
        return tuple(
            TensorSpec(name, tensor_shape(tensor), tensor_dtype(tensor).name)
            for name, tensor in self._tensors.items()
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs in byte order of their names."""
        return tuple(self._fetches)

    @property
    def precision(self) -> str:
        """What MNN's choice of kernels means on this processor."""
        code = self._interpreter.getSessionInfo(self._session, _INFO_BACKENDS)
        return precision_in_force(code, platform.machine())

    @property
    def backend(self) -> str:
        """The back end that MNN has chosen: cpu, opencl, vulkan, or ``backend N``."""
        code = self._interpreter.getSessionInfo(self._session, _INFO_BACKENDS)
        return _BACKENDS.get(code, f"backend {code}")

    @property
    def threads(self) -> int:
        """Number of threads that MNN started. The wheel returns the integer's bits as a float."""
        bits = self._interpreter.getSessionInfo(self._session, _INFO_THREADS)
        return int(struct.unpack("i", struct.pack("f", bits))[0])

    def feed(self, arrays: Mapping[str, Array]) -> None:
        """Set the values that every following run starts from; see ``Session``."""
        self._feeds = [
            (self._tensors[spec.name], host_tensor(self._tensors[spec.name], fitted(arrays, spec)))
            for spec in self.inputs
        ]

    def run(self) -> None:
        """Copy the input in, compute, copy the output out."""
        for tensor, host in self._feeds:
            tensor.copyFrom(host)
        code = self._interpreter.runSession(self._session)
        for tensor, host in self._fetches.values():
            tensor.copyToHostTensor(host)
        if code != 0:
            raise EngineError(f"MNN's session stopped with error {code}")

    def run_by_operator(
        self, before: Callable[[Any, Any], bool], after: Callable[[Any, Any], bool]
    ) -> None:
        """Run once, and call ``before`` and ``after`` around each operator; both return True.

        ``before`` gets MNN's tensors of the operator's inputs and what MNN knows of it (getName,
        getType, getFlops), ``after`` those of its outputs. Neither may raise. Needs ``watchable``.
        """
        for tensor, host in self._feeds:
            tensor.copyFrom(host)
        code = self._interpreter.runSessionWithCallBackInfo(self._session, before, after)
        for tensor, host in self._fetches.values():
            tensor.copyToHostTensor(host)
        if code != 0:
            raise EngineError(f"MNN's session stopped with error {code}")

    def outputs(self) -> Arrays:
        """Return copies of what the last run computed, by name."""
        return {name: host_values(host) for name, (_tensor, host) in self._fetches.items()}


def cpu_config(precision: str, threads: int) -> dict[str, str | int]:
    """Return what MNN is asked for: the CPU, ``precision`` (fp32 or fp16), and threads."""
    return {
        "backend": "CPU",
        "precision": _PRECISION[precision],
        "numThread": threads,
        "memory": _MEMORY_NORMAL,
        "power": _POWER_NORMAL,
    }


def precision_in_force(backend: int, machine: str) -> str:
    """Return what MNN's code for its backend means: fp32, fp16, or ``backend N``.

    On ARM the CPU extension is fp16 arithmetic. On x86 it is AVX: MNN has no fp16 arithmetic
    there, and Precision_Low computes in fp32 all the same.
    """
    if backend == _BACKEND_CPU:
        return "fp32"
    if backend == _BACKEND_CPU_EXTENSION:
        return "fp16" if machine.lower().startswith(("aarch64", "arm")) else "fp32"
    return f"backend {backend}"


def tensor_shape(tensor: Any) -> tuple[int, ...]:
    """Return the shape of one of the wheel's tensors."""
    return tuple(tensor.getShape())


def tensor_dtype(tensor: Any) -> np.dtype[Any]:
    """Return the type of its values; raise EngineError where it holds no numbers."""
    kind = tensor.getDataType()
    for halide, dtype in (
        (MNN.Halide_Type_Float, np.float32),
        (MNN.Halide_Type_Int, np.int32),
        (MNN.Halide_Type_Int64, np.int64),
        (MNN.Halide_Type_Uint8, np.uint8),
        (MNN.Halide_Type_Double, np.float64),
        (None, np.int8),  # the wheel has no name for it, and the converter leaves no other without
    ):
        if kind is halide:
            return np.dtype(dtype)
    raise EngineError("MNN can't run the model: it has a tensor that holds no numbers")


def host_tensor(tensor: Any, values: Array) -> Any:
    """Return a tensor of ``values`` in the plain order: MNN's own may be packed by channels."""
    plain = MNN.Tensor_DimensionType_Caffe
    if tensor.getDimensionType() == MNN.Tensor_DimensionType_Tensorflow:
        plain = MNN.Tensor_DimensionType_Tensorflow
    kind = tensor.getDataType()
    if kind is not None:
        return MNN.Tensor(tensor_shape(tensor), kind, values, plain)
    host = MNN.Tensor(tensor, plain)
    ctypes.memmove(_pointer_in(host.getHost(), None), values.ctypes.data, values.nbytes)
    return host


def empty_host_tensor(tensor: Any) -> Any:
    """Return a tensor of its shape and type, to copy its values to."""
    return host_tensor(tensor, np.zeros(tensor_shape(tensor), tensor_dtype(tensor)))


def pointer_to(tensor: Any) -> int:
    """Return where the values of a tensor lie, in MNN's own order; 0 if it has no memory."""
    return _pointer_in(tensor.getHost(), None) or 0


def host_values(host: Any) -> Array:
    """Return a copy of the values of a tensor in the plain order."""
    if host.getDataType() is not None:
        return np.array(host.getNumpyData())
    values = np.empty(tensor_shape(host), np.int8)
    ctypes.memmove(values.ctypes.data, _pointer_in(host.getHost(), None), values.nbytes)
    return values
