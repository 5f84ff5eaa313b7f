"""MNN through the wheel's Module API, which runs the loops and branches that a Session can't.

Importing it prints on stdout, from C++: a program whose stdout is data turns that away first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import MNN.expr
import MNN.nn
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import fitted
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec

_HELD = {"float32": "float32", "uint8": "uint8", "int8": "int8"}
_FLOATS = frozenset({"float16", "float64"})


class MnnModule:
    """A model in MNN's Module API on the CPU; a ``Session``.

    ``inputs`` and ``outputs`` name what the file has; of the types, MNN keeps float32, int32, uint8
    and int8.
    """

    def __init__(
        self,
        model: str,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[str],
        *,
        precision: str = "fp32",
        threads: int = 1,
    ) -> None:
        kinds = MNN.expr.PrecisionMode
        try:
            self._module = MNN.nn.load_module_from_file(
                model,
                [spec.name for spec in inputs],
                list(outputs),
                precision_mode=kinds.Low if precision == "fp16" else kinds.High,
                thread_num=threads,
            )
        except Exception as error:  # MNN raises nothing more specific
            raise EngineError("MNN can't load the model: it is damaged or no .mnn file") from error
        self._specs = tuple(TensorSpec(s.name, s.shape, _held(s.dtype)) for s in inputs)
        self._names = tuple(outputs)
        self._precision = precision
        self._threads = threads
        self._arrays: list[tuple[Array, list[int], Any]] = []
        self._found: list[Any] = []

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
        """The precision asked for."""
        return self._precision

    @property
    def threads(self) -> int:
        """The threads asked for."""
        return self._threads

    def feed(self, arrays: Mapping[str, Array]) -> None:
        """Set the values that every following run starts from; see ``Session``."""
        self._arrays = [
            (fitted(arrays, spec), list(spec.shape), getattr(MNN.expr, _EXPR_TYPES[spec.dtype]))
            for spec in self._specs
        ]

    def run(self) -> None:
        """Copy the input in, compute, copy the output out."""
        given = [
            MNN.expr.const(array, shape, MNN.expr.NCHW, kind) for array, shape, kind in self._arrays
        ]
        try:
            self._found = [np.array(_plain(made).read()) for made in self._module.forward(given)]
        except Exception as error:
            raise EngineError(f"MNN's module stopped: {error}") from error

    def outputs(self) -> Arrays:
        """Return what the last run computed, by name."""
        if len(self._found) != len(self._names):
            raise EngineError("MNN's module gives no output: it can't run an operator")
        return dict(zip(self._names, self._found, strict=True))


def _plain(made: Any) -> Any:
    """Return a result in the plain order: MNN's own may be packed by channels."""
    if made.data_format == MNN.expr.NC4HW4:
        return MNN.expr.convert(made, MNN.expr.NCHW)
    return made


_EXPR_TYPES = {"float32": "float", "int32": "int", "uint8": "uint8", "int8": "int8"}


def _held(dtype: str) -> str:
    """Return the type that MNN keeps an input of type ``dtype`` in."""
    if dtype in _FLOATS:
        return "float32"
    return _HELD.get(dtype, "int32")
