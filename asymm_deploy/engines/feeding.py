"""What a caller gives for an input -> the array that the engine takes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Array, TensorSpec


def fitted(arrays: Mapping[str, Array], spec: TensorSpec) -> Array:
    """Return a copy of the array for ``spec``, of its type, in row-major order.

    Axes of length one may differ from the shape in ``spec``, and where that has a 0 any length is
    right. Raises EngineError where the array is missing, has another shape, or holds integers that
    the type can't.
    """
    if spec.name not in arrays:
        raise EngineError(f"no array was given for the input {spec.name!r}")
    given = np.asarray(arrays[spec.name])
    if not _fits(given.shape, spec.shape):
        raise EngineError(f"the input {spec.name!r} has shape {spec.shape}, not {given.shape}")
    array = np.array(given, dtype=spec.dtype, order="C")
    if given.dtype.kind in "iu" and array.dtype != given.dtype and (array != given).any():
        raise EngineError(f"the input {spec.name!r} has values that {spec.dtype} can't hold")
    return array if 0 in spec.shape else array.reshape(spec.shape)


def in_32_bits(array: Array) -> Array:
    """Return integers of 64 bits, or of 32 without a sign, as a cast to MNN's int32 leaves them."""
    return array.astype("int32") if array.dtype.name in ("int64", "uint64", "uint32") else array


def _fits(given: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    if 0 in wanted:
        return len(given) == len(wanted) and all(
            size in (0, found) for found, size in zip(given, wanted, strict=True)
        )
    return [size for size in given if size != 1] == [size for size in wanted if size != 1]
