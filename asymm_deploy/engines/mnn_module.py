"""MNN through the wheel's Module API, which runs the loops and branches that a Session can't.

Importing it prints on stdout, from C++: a program whose stdout is data turns that away first.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cached_property
from tempfile import TemporaryFile
from typing import Any

import MNN.expr
import MNN.nn
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import fitted
from asymm_deploy.engines.mnn_session import WINOGRAD_MEMORY_LEVEL, MnnSession, cpu_config
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec

_KINDS = {
    "float32": MNN.expr.float,
    "int32": MNN.expr.int,
    "uint8": MNN.expr.uint8,
    "int8": MNN.expr.int8,
}
"""The types that MNN keeps an input in."""
_NOT_LOADED = "MNN can't load the model:"

# For int8, the wheel takes a pointer alone, in a capsule.
_capsule_of = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))


class MnnModule:
    """A model in MNN's Module API on the CPU; a ``Session``.

    ``inputs`` and ``outputs`` name what the file has: the API can't be asked for it. A wrong name
    is an EngineError, here or in the first run. ``winograd`` is as in ``MnnSession``, but MNN keeps
    one setting for all modules of a process: that of the one made last.
    """

    def __init__(
        self,
        model: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[str],
        *,
        precision: str = "fp32",
        threads: int = 1,
        winograd: bool = True,
    ) -> None:
        self._asked = (precision, threads)
        self._specs = tuple(TensorSpec(s.name, s.shape, _kept(s.dtype)) for s in inputs)
        self._names = tuple(outputs)
        self._arrays: list[Array] = []
        self._feeds: list[tuple[Any, list[int], Any]] = []
        self._results: list[Array] = []
        try:
            # With a manager of its own, a run takes up to 50 us less.
            manager = MNN.nn.create_runtime_manager((cpu_config(precision, threads),))
            if not winograd:
                manager.set_hint(WINOGRAD_MEMORY_LEVEL, 0)
            self._module = MNN.nn.load_module_from_file(
                model, [spec.name for spec in inputs], list(outputs), runtime_manager=manager
            )
        except Exception as error:  # MNN raises nothing more specific
            raise EngineError(_why_not_loaded(model, inputs, outputs)) from error

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs in the order given."""
        return self._specs

    @property
    def output_names(self) -> tuple[str, ...]:
        """The outputs in the order given."""
        return self._names

    @property
    def precision(self) -> str:
        """What a session that is asked for the same uses: the wheel can't ask a module."""
        return self._in_force[0]

    @property
    def threads(self) -> int:
        """Number of threads that a session which is asked for the same starts."""
        return self._in_force[1]

    @cached_property
    def _in_force(self) -> tuple[str, int]:
        precision, threads = self._asked
        with TemporaryFile() as file:  # without a name, so that nothing stays if we are killed
            smallest = f"/dev/fd/{file.fileno()}"
            one = MNN.expr.placeholder([1])
            MNN.expr.save([one + one], smallest)
            session = MnnSession(smallest, precision=precision, threads=threads)
            return session.precision, session.threads

    def feed(self, arrays: Mapping[str, Array]) -> None:
        """Set the values that every following run starts from; see ``Session``."""
        self._arrays = [fitted(arrays, spec) for spec in self._specs]
        self._feeds = [
            (_capsule_of(array.ctypes.data, None, None), list(array.shape), _KINDS[spec.dtype])
            for spec, array in zip(self._specs, self._arrays, strict=True)
        ]

    def run(self) -> None:
        """Copy the input in, compute, copy the output out."""
        given = [
            MNN.expr.const(pointer, shape, MNN.expr.NCHW, kind)
            for pointer, shape, kind in self._feeds
        ]
        try:
            # What read() returns lies in MNN's memory, and dies with the variable.
            self._results = [np.array(_plain(made).read()) for made in self._module.forward(given)]
        except Exception as error:  # MNN raises nothing more specific
            raise EngineError(f"MNN's module stopped: {error}") from error
        if len(self._results) != len(self._names):
            raise EngineError("MNN's module stopped: it gives no output")

    def outputs(self) -> Arrays:
        """Return what the last run computed, by name."""
        return dict(zip(self._names, self._results, strict=True))


def module_ends(model: str) -> tuple[tuple[TensorSpec, ...], tuple[str, ...]]:
    """Return the inputs of an .mnn file and its outputs' names, in the order of the file.

    An axis without a fixed size is 0. Raises EngineError where MNN can't load the file.
    """
    try:
        info = MNN.nn.load_module_from_file(model, [], []).get_info()
    except Exception as error:  # MNN raises nothing more specific
        raise EngineError(f"{_NOT_LOADED} it is damaged or no .mnn file") from error
    specs: list[TensorSpec] = []
    for name, found in zip(info["inputNames"], info["inputs"], strict=True):
        dtype = next((name for name, kind in _KINDS.items() if kind == found.dtype), None)
        if dtype is None:
            raise EngineError(f"MNN can't run the model: its input {name!r} has no type of ours")
        specs.append(TensorSpec(name, tuple(max(0, size) for size in found.shape), dtype))
    return tuple(specs), tuple(info["outputNames"])


def _why_not_loaded(model: str, inputs: Sequence[TensorSpec], outputs: Sequence[str]) -> str:
    """Return what a file that didn't load with these ends lacks, if that is why."""
    try:
        info = MNN.nn.load_module_from_file(model, [], []).get_info()
    except Exception:  # MNN raises nothing more specific
        return f"{_NOT_LOADED} it is damaged or no .mnn file"
    for what, asked, there in (
        ("input", [spec.name for spec in inputs], info["inputNames"]),
        ("output", outputs, info["outputNames"]),
    ):
        for name in asked:
            if name not in there:
                return f"{_NOT_LOADED} it has no {what} {name!r}"
    return f"{_NOT_LOADED} MNN refuses these inputs and outputs of it"


def _plain(made: Any) -> Any:
    """Return a result in the plain order: MNN's own may be packed by channels."""
    if made.data_format == MNN.expr.NC4HW4:
        return MNN.expr.convert(made, MNN.expr.NCHW)
    return made


def _kept(dtype: str) -> str:
    """Return the type that MNN keeps an input of type ``dtype`` in."""
    if dtype in _KINDS:
        return dtype
    return "float32" if dtype.startswith("float") else "int32"
