"""One run of a model in MNN, watched: every operator in order, what it read and what it made.

Importing it prints on stdout, from C++: a program whose stdout is data turns that away first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeAlias

import MNN
import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.feeding import fitted
from asymm_deploy.engines.int8_tensors import write_in_8_bits
from asymm_deploy.engines.mnn_session import (
    WINOGRAD_MEMORY_LEVEL,
    cpu_config,
    empty_host_tensor,
    host_tensor,
    host_values,
    pointer_to,
    tensor_dtype,
    tensor_shape,
)
from asymm_deploy.engines.observation import GRAPH_INPUT, ObservedOperator, ValueSource
from asymm_deploy.engines.tensors import Array, TensorSpec

Overwriting: TypeAlias = Callable[[int, int], Array | None]
"""(operator's index, input's index) -> what that input is to hold before the operator runs."""

_Step: TypeAlias = Callable[[list[Any], Any], None]


class MnnWatched:
    """A model in MNN's debug mode on the CPU. Raises EngineError where it can't be loaded."""

    def __init__(self, model: str, *, precision: str = "fp32") -> None:
        try:
            self._interpreter = MNN.Interpreter(model)  # in its debug mode, where callbacks work
            self._interpreter.setSessionHint(WINOGRAD_MEMORY_LEVEL, 0)
            self._session = self._interpreter.createSession(cpu_config(precision, 1))
        except Exception as error:  # MNN raises nothing more specific
            raise EngineError("MNN can't load the model: it is damaged or no .mnn file") from error
        self._tensors: dict[str, Any] = self._interpreter.getSessionInputAll(self._session)
        self.kept: frozenset[tuple[int, int]] = frozenset()
        """Operator and input: what the last run should have overwritten, and couldn't."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The inputs in byte order of their names."""
        return tuple(
            TensorSpec(name, tensor_shape(tensor), tensor_dtype(tensor).name)
            for name, tensor in self._tensors.items()
        )

    def run(
        self, arrays: Mapping[str, Array], overwriting: Overwriting | None = None
    ) -> tuple[ObservedOperator, ...]:
        """Run on ``arrays``; ``overwriting`` may replace inputs of operators before they run.

        With ``overwriting`` it is not looked where inputs come from: an unchanged run tells that.
        Raises EngineError where MNN stops, or doesn't reach its operators.
        """
        watch = _Watch(overwriting)
        for position, spec in enumerate(self.inputs):
            tensor = self._tensors[spec.name]
            values = fitted(arrays, spec)
            tensor.copyFrom(host_tensor(tensor, values))
            watch.made(values, ValueSource(GRAPH_INPUT, position))
        code = self._interpreter.runSessionWithCallBackInfo(self._session, watch.begin, watch.end)
        if watch.failure is not None:
            raise watch.failure
        if code != 0:
            raise EngineError(f"MNN's session stopped with error {code}")
        if not watch.operators:
            raise EngineError("MNN ran no operator")
        self.kept = frozenset(watch.kept)
        return tuple(watch.operators)


class _Watch:
    """What MNN calls before and after each operator."""

    def __init__(self, overwriting: Overwriting | None) -> None:
        self.operators: list[ObservedOperator] = []
        self.failure: Exception | None = None
        self.kept: set[tuple[int, int]] = set()
        self._overwriting = overwriting
        self._makers: dict[bytes, ValueSource] = {}
        self._shapes: tuple[tuple[int, ...], ...] = ()
        self._sources: tuple[ValueSource | None, ...] = ()
        self._digests: list[bytes] = []

    def made(self, values: Array, by: ValueSource) -> None:
        """Remember who made these values: an input that holds them comes from there."""
        self._makers[_digest(values)] = by

    def begin(self, tensors: list[Any], _info: Any) -> bool:
        """Take down what the operator reads, and replace what is to be replaced."""
        return self._guarded(self._begin, tensors, _info)

    def end(self, tensors: list[Any], info: Any) -> bool:
        """Take down what the operator made."""
        return self._guarded(self._end, tensors, info)

    def _guarded(
        self, step: Callable[[list[Any], Any], None], tensors: list[Any], info: Any
    ) -> bool:
        if self.failure is not None:
            return True
        try:
            step(tensors, info)
        except Exception as error:  # MNN would swallow it
            self.failure = error
        return True

    def _begin(self, tensors: list[Any], info: Any) -> None:
        index = len(self.operators)
        self._shapes = tuple(map(tensor_shape, tensors))
        if self._overwriting is None:
            self._digests = [_digest(read_tensor(each)) for each in tensors]
            self._sources = tuple(map(self._makers.get, self._digests))
            return
        for position, tensor in enumerate(tensors):
            values = self._overwriting(index, position)
            if values is not None and not _write(tensor, values, info.getType()):
                self.kept.add((index, position))

    def _end(self, tensors: list[Any], info: Any) -> None:
        index = len(self.operators)
        outputs = tuple(map(read_tensor, tensors))
        digests = list(map(_digest, outputs)) if self._overwriting is None else []
        self._makers |= {each: ValueSource(index, place) for place, each in enumerate(digests)}
        self.operators.append(
            ObservedOperator(
                index,
                info.getName(),
                info.getType(),
                self._shapes,
                self._sources,
                bool(digests) and digests[:1] == self._digests[:1],
                outputs,
            )
        )


def read_tensor(tensor: Any) -> Array:
    """Return a copy of a tensor's values in the plain order."""
    shape = tensor_shape(tensor)
    dtype = tensor_dtype(tensor)
    if 0 in shape:
        return np.empty(shape, dtype)
    host = empty_host_tensor(tensor)
    tensor.copyToHostTensor(host)
    return host_values(host).reshape(shape)


def _write(tensor: Any, values: Array, operator: str) -> bool:
    """Put values into a tensor that an operator of this type is about to read."""
    shape, dtype = tensor_shape(tensor), tensor_dtype(tensor)
    if "INT8" in operator.replace("FloatToInt8 [ DT_INT8 ]", "") or operator == "Int8ToFloat":
        return write_in_8_bits(pointer_to(tensor), read_tensor(tensor), values)
    if 0 not in shape:
        shaped = np.ascontiguousarray(values, dtype).reshape(shape)
        tensor.copyFrom(host_tensor(tensor, shaped))
    return True


def _digest(values: Array) -> bytes:
    return blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16).digest()
