"""MXNet's ``.params``: arrays one after the other, then their names. All little endian."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.errors import UsageError
from asymm_deploy.files import opened_regular

if TYPE_CHECKING:
    import torch

MXNET_MAGIC = struct.pack("<Q", 0x112)
"""What a file begins with."""
_DENSE_V1, _DENSE_V2, _NUMPY_V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
"""What an array begins with, by MXNet's version; the first has no storage type after it."""
_TYPES = {0: "<f4", 1: "<f8", 2: "<f2", 3: "u1", 4: "<i4", 5: "i1", 6: "<i8", 7: "?"}
_MOST_DIMENSIONS = 32


def read_params(path: Path) -> dict[str, torch.Tensor]:
    """Return the arrays by name, in the file's order; raises UsageError if they can't be read.

    ``arg:`` and ``aux:``, which the Module API puts before names, are dropped. Arrays without names
    are called by their number.
    """
    import torch

    try:
        with opened_regular(path) as file:
            arrays = _named_arrays(_Bytes(file, path.stat().st_size))
    except (struct.error, ValueError) as error:
        raise UsageError(
            f"{path} is not a whole .params file of MXNet: {error}", "copy or save it again"
        ) from error
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _named_arrays(left: _Bytes) -> dict[str, np.ndarray[Any, Any]]:
    left.take("<QQ")
    (count,) = left.take("<Q")
    arrays = [_array(left) for _ in range(count)]
    (named,) = left.take("<Q")
    names = [left.text().removeprefix("arg:").removeprefix("aux:") for _ in range(named)]
    names = names or [str(number) for number in range(count)]
    if not len(names) == len(arrays) == len(set(names)):
        raise ValueError(f"it has {len(arrays)} arrays and {len(set(names))} names")
    return dict(zip(names, arrays, strict=True))


class _Bytes:
    """The rest of a file; asking for more than there is raises ValueError before any is read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size

    def read(self, length: int) -> bytes:
        if not 0 <= length <= self._left:
            raise ValueError("it is cut short")
        self._left -= length
        return self._file.read(length)

    def take(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.read(struct.calcsize(layout)))

    def text(self) -> str:
        (length,) = self.take("<Q")
        return self.read(length).decode()


def _array(left: _Bytes) -> np.ndarray[Any, Any]:
    (magic,) = left.take("<I")
    if magic in (_DENSE_V2, _NUMPY_V3):
        (storage,) = left.take("<i")
        if storage > 0:
            raise ValueError("it has a sparse array")
    elif magic != _DENSE_V1:
        raise ValueError(f"an array in it begins with {magic:#x}")
    (dimensions,) = left.take("<i")
    if not 0 <= dimensions <= _MOST_DIMENSIONS or (dimensions == 0 and magic != _NUMPY_V3):
        raise ValueError("an array in it has no shape")
    shape = left.take(f"<{dimensions}q")
    _device, _id, kind = left.take("<iii")
    if kind not in _TYPES:
        raise ValueError(f"it has numbers of MXNet's type {kind}")
    dtype = np.dtype(_TYPES[kind])
    if min(shape, default=1) < 0:
        raise ValueError("an array in it has no shape")
    data = left.read(math.prod(shape) * dtype.itemsize)
    return np.frombuffer(data, dtype).reshape(shape).copy()
