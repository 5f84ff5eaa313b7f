"""What ``torch.save`` wrote: a zip archive since torch 1.6, a run of pickles before."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asymm_deploy.errors import UsageError
from asymm_deploy.export.reading.other_formats import archive_format, hint_for
from asymm_deploy.export.weights.inert_pickle import (
    Pickled,
    RefusedGlobalError,
    Storage,
    StoredTensor,
    read_pickle,
)
from asymm_deploy.export.weights.weight_sets import arrays_for_tensors
from asymm_deploy.files import opened_regular

if TYPE_CHECKING:
    import torch

MAGIC_OF_OLD_FILES = 0x1950A86A20F9469CFC6C
_BROKEN = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, struct.error, EOFError, RuntimeError),
    *(ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError),
    *(NotImplementedError, AssertionError),
)
"""What reading a damaged pickle or archive may raise."""
_SHOWN_NAMES = 3
_LOCAL_HEADER = struct.Struct("<26x2H")
"""Of an entry of a zip archive: it ends with the lengths of the name and of the extra field."""
_TYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
}


@dataclass
class TorchFile:
    """What a file of ``torch.save`` holds; its tensors are read when they are asked for."""

    path: Path
    content: object
    left_aside: tuple[str, ...]
    bytes_of: Callable[[str], bytearray]
    _read: dict[str, bytearray] = field(default_factory=dict)

    def tensor(self, stored: object) -> torch.Tensor | None:
        """Return the tensor, on the CPU; None for one that no layer could hold.

        Tensors of one storage share its memory. Raises UsageError if the file is too short for it.
        """
        import torch

        if not isinstance(stored, StoredTensor) or stored.storage.type_name not in _TYPES:
            return None
        try:
            dtype = stored.dtype or getattr(torch, _TYPES[stored.storage.type_name])
            if 0 in stored.shape:
                return torch.empty(stored.shape, dtype=dtype)
            key, first = stored.storage.key, stored.storage.first
            if key not in self._read:
                self._read[key] = self.bytes_of(key)
            flat = torch.frombuffer(self._read[key], dtype=dtype)
            last = sum((n - 1) * step for n, step in zip(stored.shape, stored.stride, strict=True))
            if first + stored.offset + last >= len(flat):
                raise ValueError("a tensor is larger than its data")
            return flat.as_strided(stored.shape, stored.stride, first + stored.offset)
        except _BROKEN as error:
            raise damaged(self.path, error) from error


def read_archive(path: Path) -> TorchFile:
    """Read the zip archive at ``path``; raises UsageError if ``torch.save`` did not write it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
        is_stored = all(e.compress_type == zipfile.ZIP_STORED for e in entries.values())
        other = archive_format(entries, is_stored=is_stored)
        if other is not None:
            raise UsageError(f"{path} is {other.what}", hint_for(other.advice, "weights"))
        root = next(n.removesuffix("data.pkl") for n in entries if n.endswith("/data.pkl"))

        def entry_bytes(name: str) -> bytearray:
            return _stored_bytes(path, entries[name])

        order = f"{root}byteorder"
        if order in entries and entry_bytes(order) != sys.byteorder.encode():
            raise UsageError(
                f"{path} was written on a machine of the other byte order",
                "load it with torch.load there, or anywhere, and save it as .safetensors",
            )
        pickled = _unpickled(path, io.BytesIO(entry_bytes(f"{root}data.pkl")))
    except _BROKEN as error:
        raise damaged(path, error) from error
    return TorchFile(
        path, pickled.content, pickled.left_aside, lambda key: entry_bytes(f"{root}data/{key}")
    )


def read_old_file(path: Path) -> TorchFile:
    """Read a file that torch before 1.6 wrote; raises UsageError for any other pickle."""
    try:
        with opened_regular(path) as file:
            first = _unpickled(path, file).content
            if first != MAGIC_OF_OLD_FILES:
                raise arrays_for_tensors(
                    path, first, "numpy.load(path, allow_pickle=True)"
                ) or UsageError(
                    f"{path} is a plain pickle, which torch.save did not write",
                    "load it in Python, then write it with torch.save(module.state_dict(), path)",
                )
            _version, system = _unpickled(path, file).content, _unpickled(path, file).content
            if isinstance(system, dict) and system.get("little_endian") is not True:
                raise ValueError("it was written on a machine of the other byte order")
            pickled = _unpickled(path, file)
            keys = _unpickled(path, file).content
            places = _places(file, keys, pickled.storages)
    except _BROKEN as error:
        raise damaged(path, error) from error

    def run_of(key: str) -> bytearray:
        start, length = places[key]
        with opened_regular(path) as file:
            file.seek(start)
            return bytearray(file.read(length))

    return TorchFile(path, pickled.content, pickled.left_aside, run_of)


def damaged(path: Path, error: BaseException) -> UsageError:
    """Return the failure of a file that begins as one of weights and can't be read to its end."""
    reason = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
    return UsageError(
        f"{path} is not a file of weights, or it is cut short: {reason}", "save it again"
    )


def _unpickled(path: Path, file: IO[bytes]) -> Pickled:
    try:
        return read_pickle(file)
    except RefusedGlobalError as error:
        raise carries_code(path, str(error)) from error


def carries_code(path: Path, *names: str) -> UsageError:
    """Return the refusal of a pickle of whole objects, or of one that means harm."""
    return UsageError(
        f"{path} carries code: it names {', '.join(names[:_SHOWN_NAMES])}, and loading such "
        "a pickle runs what it names",
        "save only the weights: torch.save(module.state_dict(), path), or as .safetensors",
    )


def _stored_bytes(path: Path, entry: zipfile.ZipInfo) -> bytearray:
    """Return an entry's bytes; zipfile would compare a checksum that torch need not write."""
    with opened_regular(path) as file:
        file.seek(entry.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        name_length, extra_length = _LOCAL_HEADER.unpack(header)[-2:]
        file.seek(name_length + extra_length, os.SEEK_CUR)
        return _read_exactly(path, file, entry.file_size)


def _places(
    file: IO[bytes], keys: object, storages: Iterable[Storage]
) -> dict[str, tuple[int, int]]:
    """Return where the numbers of each storage begin and how many bytes they are."""
    import torch

    types = {storage.key: storage.type_name for storage in storages}
    end = os.fstat(file.fileno()).st_size
    places: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else ():
        (count,) = struct.unpack("<q", file.read(8))
        dtype = getattr(torch, _TYPES.get(types[key], "uint8"))
        places[key] = file.tell(), count * dtype.itemsize
        if not 0 <= sum(places[key]) <= end or count < 0:
            raise EOFError("it ends before the data of its tensors")
        file.seek(sum(places[key]))
    return places


def _read_exactly(path: Path, file: IO[bytes], length: int) -> bytearray:
    if length > path.stat().st_size:
        raise EOFError("it ends before the data of its tensors")
    found = bytearray(file.read(length))
    if len(found) < length:
        raise EOFError("it ends before the data of its tensors")
    return found
