"""The values of an ONNX graph that lie in files beside it."""

from __future__ import annotations

import errno
import math
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import external_data_helper

from asymm_deploy.errors import UsageError
from asymm_deploy.export.freshness import Dependencies
from asymm_deploy.export.reading.other_formats import hint_for, other_format
from asymm_deploy.files import opened_regular, sha256_of

_COPY_BOTH = "copy or save both files again: this one is cut short, or of another model"
_SAVE_AGAIN = (
    "save the model again with the program that wrote it; "
    "onnx.save(model, path, save_as_external_data=True) puts the values into one file beside it"
)


def external_tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """Yield every tensor of a model, or of a part of it, whose values are in another file.

    Constants have them as well as initializers do, sparse ones too, in the bodies of loops and
    branches and in the model's own functions.
    """
    if isinstance(message, onnx.TensorProto):
        if external_data_helper.uses_external_data(message):
            yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if hasattr(value, "__len__") else (value,):
                yield from external_tensors(part)


def load_external_data(path: Path, model: onnx.ModelProto) -> None:
    """Put the values that lie beside the .onnx file ``path`` into ``model``.

    Raises UsageError for a file that is not there or not as long as the graph says, and for one
    that no ONNX program reads: outside of the .onnx file's folder, or behind a link.
    """
    for tensor in external_tensors(model):
        _require(path, tensor)
        external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))


def external_files(path: Path, model: onnx.ModelProto) -> Dependencies:
    """Return the files beside ``path`` that ``model``, which is its content, has values in.

    Raises UsageError as ``load_external_data`` does.
    """
    locations = set()
    for tensor in external_tensors(model):
        _require(path, tensor)
        locations.add(_entries(tensor)["location"])
    files = {name: str((path.parent / name).absolute()) for name in sorted(locations)}
    return Dependencies({file: sha256_of(Path(file)) for file in files.values()}, files)


def _entries(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _require(path: Path, tensor: onnx.TensorProto) -> None:
    """Raise UsageError if the file with the values of ``tensor`` is not what it should be."""
    entries = _entries(tensor)
    location = entries.get("location", "")
    values = f"the values of {tensor.name or 'a constant'} in {path}"
    if not location:
        raise UsageError(f"{path} doesn't say which file has {values}", _SAVE_AGAIN)
    file = path.parent / location
    _require_beside(path, location, values)
    try:
        with opened_regular(file) as opened:
            found = os.fstat(opened.fileno())
    except OSError as error:
        raise UsageError(
            f"can't read {file}, which has {values}: {error.strerror or error}",
            _instead_of(file, error),
        ) from error
    if found.st_nlink > 1:
        raise UsageError(
            f"{file}, which has {values}, has other names too (hard links), and ONNX reads no "
            "such files",
            _copied(file),
        )
    _require_length(file, found.st_size, entries, tensor, values)


def _require_beside(path: Path, location: str, values: str) -> None:
    """Refuse locations that ONNX refuses, since a graph from elsewhere could read any file."""
    inside = Path(os.path.normpath(location))
    if inside.is_absolute() or ".." in inside.parts:
        raise UsageError(
            f"{location}, which should have {values}, is not in the folder of the .onnx file",
            _SAVE_AGAIN,
        )
    steps = [path.parent / part for part in (inside, *inside.parents)]
    links = [step for step in steps[:-1] if "\0" not in location and step.is_symlink()]
    if links:
        raise UsageError(
            f"{links[-1]}, which leads to {values}, is a link, and ONNX follows no links",
            _copied(links[-1]),
        )


def _copied(file: Path) -> str:
    name, copy = shlex.quote(str(file)), shlex.quote(f"{file}.copy")
    return f"put a copy in its place: cp -rL {name} {copy} && rm {name} && mv {copy} {name}"


def _instead_of(file: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "check the permissions of the file and its folder"
    if "\0" in str(file):
        return _SAVE_AGAIN
    if error.errno in (errno.EISDIR, errno.EINVAL):
        return "move it away, and put the file with the weights in its place"
    return "put the file with the weights beside the .onnx file, under the name that it had"


def _require_length(
    file: Path, size: int, entries: dict[str, str], tensor: onnx.TensorProto, values: str
) -> None:
    numbers = [entries.get(key) for key in ("offset", "length")]
    if not all(number is None or number.isdecimal() for number in numbers):
        raise UsageError(f"where in {file} {values} are is not a number of bytes", _SAVE_AGAIN)
    offset, length = (None if number is None else int(number) for number in numbers)
    needed = _bytes_of(tensor)
    if None not in (length, needed) and length != needed:
        raise UsageError(
            f"{values} are {needed} bytes by their shape, and {length} by the place in {file}",
            _SAVE_AGAIN,
        )
    end = (offset or 0) + (length or needed or 0)
    if end > size:
        other = other_format(file)
        if other is not None and other.advice in ("pull", "download"):
            raise UsageError(
                f"{file}, which should have {values}, is {other.what}",
                hint_for(other.advice, "graph"),
            )
        raise UsageError(
            f"{file} has {size} bytes, and {values} should lie behind its end", _COPY_BOTH
        )


def _bytes_of(tensor: onnx.TensorProto) -> int | None:
    """Return how many bytes the tensor's values take; None for types that NumPy doesn't have."""
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except KeyError:
        return None
    return math.prod(tensor.dims) * dtype.itemsize if dtype.isbuiltin == 1 else None
