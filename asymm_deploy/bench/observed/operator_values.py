"""What the operators of a model make, and the files in which a runner takes and gives that."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.wire import WireError

_Floats: TypeAlias = npt.NDArray[np.float32]
OperatorInputs: TypeAlias = Mapping[tuple[int, int], _Floats]
"""What inputs of operators are to hold: by the operator's index in the order in which they run, and
the input's."""
_MOST_AXES = 16


@dataclass(frozen=True)
class OperatorValues:
    """One operator and what it made in one run."""

    name: str
    type: str
    outputs: tuple[_Floats, ...] = field(repr=False)
    """In float32, whatever the engine keeps."""
    kept: tuple[int, ...] = ()
    """Inputs that should have held other values, and that the engine lets nobody write."""


def inputs_bytes(inputs: OperatorInputs) -> bytes:
    """Return the content of a runner's file ``--operator-inputs``."""
    parts = []
    for (operator, at), values in inputs.items():
        given = np.asarray(values, "<f4", order="C")
        assert given.ndim <= _MOST_AXES
        parts.append(struct.pack(f"<3i{given.ndim}i", operator, at, given.ndim, *given.shape))
        parts.append(given.tobytes())
    return b"".join(parts)


def values_in(
    raw: bytes,
    operators: Sequence[tuple[str, str]],
    shapes: Sequence[Sequence[tuple[int, ...]]],
    kept: Sequence[tuple[int, ...]] = (),
) -> tuple[OperatorValues, ...]:
    """Return what a runner wrote to its file ``--operator-values``.

    ``operators`` are the names and types that it told, ``shapes`` those of the outputs of each,
    ``kept`` the inputs of each that could not be given, if there were any. Raises WireError if the
    file doesn't have exactly their size.
    """
    sizes = [[int(np.prod(shape, dtype=np.int64)) for shape in each] for each in shapes]
    wanted = 4 * sum(map(sum, sizes))
    if kept and len(kept) != len(operators):
        raise WireError(f"the runner told the inputs of {len(kept)} operators of {len(operators)}")
    if len(raw) != wanted or len(shapes) != len(operators):
        raise WireError(
            f"the runner wrote {len(raw)} bytes of operators' values, where {wanted} belong"
        )
    flat = np.frombuffer(raw, "<f4").astype(np.float32)
    made, start = [], 0
    all_kept = kept or [()] * len(operators)
    for (name, kind), own_shapes, own_sizes, own_kept in zip(
        operators, shapes, sizes, all_kept, strict=True
    ):
        outputs = []
        for shape, size in zip(own_shapes, own_sizes, strict=True):
            outputs.append(flat[start : start + size].reshape(shape))
            start += size
        made.append(OperatorValues(name, kind, tuple(outputs), own_kept))
    return tuple(made)
