"""The user's own inputs: a file of arrays named as the model's inputs, one sample or several."""

from __future__ import annotations

import re
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.files import opened_regular
from asymm_deploy.models.input_shape import INPUT_TYPES, InputShape
from asymm_deploy.models.source import OnnxFile

if TYPE_CHECKING:
    import onnx

_Held = TypeVar("_Held")
_HOW = "save the arrays with np.savez('samples.npz', NAME=array, ...), each named as its input"
_ONE = "array"
"""What the array of an .npy file is called, which has no name."""
_MOST_BYTES = 2**33
_MOST_SAMPLES = 10_000
"""Each is run by the definition and by every step that is proven; more would take hours."""
_MOST_NAMED = 20
_DAMAGED = (
    *(ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, OverflowError, TypeError),
    *(SyntaxError, tokenize.TokenError),  # of headers, which numpy reads as Python
)


def load_samples(path: Path, specs: Sequence[TensorSpec]) -> list[Arrays]:
    """Return the samples in ``path``, each an array for every input, of its shape and type.

    The file is an .npz whose arrays are named as the inputs in ``specs``; for a single input it
    may also be an .npz with one array of any name, or an .npy. An array has the input's shape, or
    one more axis in front, along which the samples lie: every input has as many, or one that
    stands in all of them. Types are changed where no value is: floats to floats, integers to types
    that hold them. Raises UsageError for anything else, for values that are NaN or infinite, and
    for a file that is damaged or holds Python objects, which are never loaded.
    """
    names = [spec.name for spec in specs]
    held = _named(path, shapes_in(path), names)  # before any value is: a few bytes may be GiBs
    counts: dict[str, int] = {}
    for spec in specs:
        count = _count(path, spec, held[spec.name][0])
        if count is not None:
            counts[spec.name] = count
    if len(set(counts.values())) > 1:
        several = ", ".join(f"{count} of {name}" for name, count in counts.items())
        raise UsageError(
            f"{path} has {several}: not as many samples of one input as of another",
            "give as many of each, or one array of the input's own shape, which stands in all",
        )
    arrays = _named(path, _arrays(path), names)
    ready = {
        spec.name: _of_type(path, spec, arrays[spec.name], several=spec.name in counts)
        for spec in specs
    }
    return [
        {
            name: np.asarray(array[index]) if name in counts else array
            for name, array in ready.items()
        }
        for index in range(next(iter(counts.values()), 1))
    ]


def shapes_in(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Return shape and type of each array in a file of samples, by name; read no values.

    The array of an .npy file is called ``array``. Raises UsageError as ``load_samples`` does.
    """
    with _readable(path):
        return {name: _header(path, name, file) for name, file in _members(path)}


def completed_by_samples(shapes: Sequence[InputShape], path: Path) -> tuple[InputShape, ...]:
    """Return what samples and user tell of the inputs of a callable's module, in order.

    Without ``shapes``, each array in the file is one sample of the input that it is named after,
    in the file's order. Where a shape has no type, it is the array's. float64 is taken for
    float32, since numpy makes it of everything: only the user can ask for it. Raises UsageError if
    the file can't be read, or several arrays have no names.
    """
    held = shapes_in(path)
    if shapes:
        only = len(shapes) == len(held) == 1
        return tuple(
            replace(given, dtype=given.dtype or _usual(held[name][1]))
            if (name := next(iter(held)) if only else given.name) in held
            else given
            for given in shapes
        )
    unnamed = [name for name in held if _is_unnamed(name)]
    if unnamed and len(held) > 1:
        raise UsageError(
            f"{path} doesn't say which inputs {', '.join(unnamed)} are for",
            f"{_HOW}: an argument of forward",
        )
    return tuple(
        InputShape(None if _is_unnamed(name) else name, shape, _usual(dtype))
        for name, (shape, dtype) in held.items()
    )


def shaped_by_samples(model: onnx.ModelProto, source: OnnxFile, path: Path | None) -> OnnxFile:
    """Return ``source`` with the shapes of its open axes taken from the samples in ``path``.

    Shapes that the user gave stay. An array of the graph's rank is one sample; with one axis more,
    the first is that of the samples. Raises UsageError if the file can't be read.
    """
    if path is None:
        return source
    constants = {tensor.name for tensor in model.graph.initializer}
    entries = [entry for entry in model.graph.input if entry.name not in constants]
    held = shapes_in(path)
    if len(entries) == len(held) == 1:
        held = {entries[0].name: next(iter(held.values()))}
    given = {shape.name for shape in source.input_shapes}
    if None in given:  # it is that of the only input
        return source
    taken = []
    for entry in entries:
        tensor = entry.type.tensor_type
        is_open = not tensor.HasField("shape") or any(d.dim_value <= 0 for d in tensor.shape.dim)
        if entry.name in given or entry.name not in held or not is_open:
            continue
        shape = held[entry.name][0]
        if tensor.HasField("shape") and len(shape) == len(tensor.shape.dim) + 1:
            shape = shape[1:]
        taken.append(InputShape(entry.name, shape))
    return replace(source, input_shapes=(*source.input_shapes, *taken))


def _named(path: Path, held: Mapping[str, _Held], names: Sequence[str]) -> Mapping[str, _Held]:
    """Return the arrays by the inputs' names; raise UsageError if the two don't agree."""
    if len(names) == len(held) == 1:
        return {names[0]: next(iter(held.values()))}
    if set(held) == set(names):
        return held
    wanted, found = (_listed(sorted(each)) or "none" for each in (names, held))
    raise UsageError(f"{path} has the arrays {found}, and the model has the inputs {wanted}", _HOW)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _count(path: Path, spec: TensorSpec, shape: tuple[int, ...]) -> int | None:
    """Return how many samples lie along the first axis; None for one sample without that axis."""
    if shape == spec.shape:
        return None
    if shape[1:] == spec.shape and len(shape) == len(spec.shape) + 1:
        if shape[0] > _MOST_SAMPLES:
            raise UsageError(
                f"{path} holds {shape[0]} samples of {spec.name}, and at most {_MOST_SAMPLES} are "
                "taken",
                "give fewer: a few that differ much show more than many that are alike",
            )
        if shape[0]:
            return shape[0]
        raise UsageError(f"{path} holds no sample of {spec.name}", "give at least one")
    same_but_batch = len(shape) == len(spec.shape) and shape[1:] == spec.shape[1:]
    if same_but_batch and shape[0] and spec.shape[0] == 1:
        raise UsageError(
            f"{path}: {spec.name} has shape {_shown(shape)}, and the input {_shown(spec.shape)}",
            f"for {shape[0]} samples give each an axis of its own: "
            f"{spec.name}[:, None] has shape {_shown((shape[0], *spec.shape))}",
        )
    raise UsageError(
        f"{path}: {spec.name} has shape {_shown(shape)}, and the input {_shown(spec.shape)}",
        "give one sample of the input's shape, or several along an axis in front of it; "
        "another shape of the input is given with --input-shape",
    )


def _of_type(path: Path, spec: TensorSpec, array: Array, *, several: bool) -> Array:
    """Return ``array`` in the input's type; raise UsageError if that changes a value."""
    what = f"{path}: {spec.name}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        where = _first(~np.isfinite(array))
        sample = f"in sample {where[0]}, " if several else ""
        raise UsageError(
            f"{what} holds {array[where]} ({sample}at {_shown(where)})",
            "give samples of finite numbers: nothing can be compared for others",
        )
    wanted = np.dtype(spec.dtype)
    if array.dtype.kind == "f" and wanted.kind != "f":
        raise UsageError(
            f"{what} has type {array.dtype.name}, and the input takes {wanted.name}",
            f"convert it where you know what is meant: array.astype({wanted.name!r})",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        changed = np.array(array, dtype=wanted, order="C")
    off = _not_held(array, changed)
    if off.any():
        where = _first(off)
        raise UsageError(
            f"{what} holds {array[where]} at {_shown(where)}, which its type, {wanted.name}, "
            "can't hold",
            "give values that it can, or another type with --input-shape",
        )
    return changed


def _not_held(array: Array, changed: Array) -> npt.NDArray[np.bool_]:
    """Return where a value of ``array`` was lost in ``changed``, the same in another type."""
    if array.dtype.kind == "f":  # rounding is not a loss
        return ~np.isfinite(changed)
    if changed.dtype.kind == "f":
        return np.asarray(changed.astype(np.float64) != array.astype(np.float64))
    (least, most), (own_least, own_most) = _limits(changed.dtype), _limits(array.dtype)
    numbers: npt.NDArray[np.integer] = np.asarray(
        array, np.uint8 if array.dtype.kind == "b" else array.dtype
    )
    return np.asarray((numbers < max(least, own_least)) | (numbers > min(most, own_most)))


def _limits(dtype: np.dtype[np.generic]) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype.name)
    return int(limits.min), int(limits.max)


def _first(where: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(axis) for axis in np.argwhere(where)[0])


def _shown(numbers: Sequence[int]) -> str:
    return f"[{', '.join(map(str, numbers))}]" if numbers else "[] (a scalar)"


def _is_unnamed(name: str) -> bool:
    return name == _ONE or re.fullmatch(r"arr_[0-9]+", name) is not None


def _usual(dtype: str) -> str:
    return "float32" if dtype == "float64" else dtype


def _arrays(path: Path) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    with _readable(path):
        for name, file in _members(path):
            _header(path, name, file)
            file.seek(0)
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _header(path: Path, name: str, file: IO[bytes]) -> tuple[tuple[int, ...], str]:
    """Return the shape and the type of an array; raise UsageError if it is none of numbers."""
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise UsageError(
            f"{path}: {name} holds Python objects, and loading them would run code",
            "save plain arrays of numbers, all rows of one length",
        )
    if dtype.name not in INPUT_TYPES:
        raise UsageError(
            f"{path}: {name} has type {dtype.name}, which no input has",
            f"convert it to one of {', '.join(INPUT_TYPES)}",
        )
    if any(type(size) is not int or size < 0 for size in shape):
        raise UsageError(f"{path}: {name} has no shape of whole numbers", f"save it again; {_HOW}")
    if prod(shape) * dtype.itemsize > _MOST_BYTES:
        raise UsageError(f"{path}: {name} is larger than 8 GiB", "give fewer samples")
    return shape, dtype.name


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each array of an .npz or .npy file by name, as the file that it is."""
    with opened_regular(path) as file:
        start = file.read(len(np.lib.format.MAGIC_PREFIX))
        file.seek(0)
        if start == np.lib.format.MAGIC_PREFIX:
            yield _ONE, file
            return
        if not start.startswith(b"PK"):
            raise UsageError(f"{path} is no .npz file, nor an .npy file", _HOW)
        with zipfile.ZipFile(file) as archive:
            counts = Counter(archive.namelist())
            for member, count in counts.items():
                if count > 1:
                    raise UsageError(f"{path} has several arrays named {member}", _HOW)
                with archive.open(member) as array:
                    yield member.removesuffix(".npy"), array


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise UsageError for what goes wrong when a file of arrays is read."""
    try:
        with warnings.catch_warnings():
            # Python 2 wrote headers that numpy reads, and then asks to have the file saved again.
            warnings.filterwarnings("ignore", "Reading `.npy`", UserWarning)
            yield
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error
    except _DAMAGED as error:
        reason = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        raise UsageError(f"{path} is damaged: {reason}", f"save it again; {_HOW}") from error
