"""Values into a tensor that MNN keeps in 8 bits: the wheel can read one, but not write it.

Where the values lie, and what the numbers stand for, is found from what the tensor holds: MNN says
neither. On x86 the numbers have no sign, on ARM they have one.
"""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Array

_PACKS = (1, 4, 8, 16, 32, 64)
"""Channels that lie together; 1 is the plain order."""
_FITS = 1e-2
"""Share of a step by which a value may differ from what its number stands for."""


def write_in_8_bits(address: int, held: Array, wanted: Array) -> bool:
    """Write ``wanted``, rounded to its steps, to the tensor at ``address``, which holds ``held``.

    Both are in the plain order, and have the tensor's shape. Returns False where the memory can't
    be made out, and leaves it unchanged: a tensor whose values are all equal doesn't tell its step.
    """
    if not address or held.size == 0:
        return False
    for kind in (np.uint8, np.int8):
        for pack in _PACKS:
            memory = _Memory(address, held.shape, pack, kind)
            fitted = _steps(memory.read(), held)
            if fitted is not None:
                step, zero = fitted
                bounds = np.iinfo(kind)
                numbers = np.rint((wanted.astype(np.float64).ravel() - zero) / step)
                memory.write(np.clip(numbers, bounds.min, bounds.max).astype(kind))
                return True
    return False


class _Memory:
    """The numbers of a tensor of ``shape`` at an address, where ``pack`` channels lie together."""

    def __init__(
        self, address: int, shape: tuple[int, ...], pack: int, kind: type[np.integer[Any]]
    ) -> None:
        self._number, self._channels = (*shape, 1, 1)[:2]
        plane = prod(shape[2:])
        outer = -(-self._channels // pack)
        size = self._number * outer * pack * plane
        raw = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(kind)
        self._packed = raw.reshape(outer, self._number, plane, pack)

    def read(self) -> npt.NDArray[Any]:
        """Return the numbers in the plain order."""
        return self._plain()[:, : self._channels].ravel()

    def write(self, numbers: npt.NDArray[Any]) -> None:
        """Replace the numbers, given in the plain order; what fills up the last pack stays."""
        padded = self._plain().copy()
        padded[:, : self._channels] = numbers.reshape(self._number, self._channels, -1)
        outer, _, plane, pack = self._packed.shape
        self._packed[...] = padded.reshape(self._number, outer, pack, plane).transpose(1, 0, 3, 2)

    def _plain(self) -> npt.NDArray[Any]:
        outer, _, plane, pack = self._packed.shape
        ordered = self._packed.transpose(1, 0, 3, 2)
        return ordered.reshape(self._number, outer * pack, plane)


def _steps(numbers: npt.NDArray[Any], held: Array) -> tuple[float, float] | None:
    """Return step and zero such that step * number + zero is what is held; None if none are."""
    flat, values = numbers.astype(np.float64), held.ravel().astype(np.float64)
    low, high = int(flat.argmin()), int(flat.argmax())
    if flat[low] == flat[high]:
        return None
    step = (values[high] - values[low]) / (flat[high] - flat[low])
    zero = values[low] - step * flat[low]
    if step <= 0 or np.abs(step * flat + zero - values).max() > _FITS * step:
        return None
    return float(step), float(zero)
