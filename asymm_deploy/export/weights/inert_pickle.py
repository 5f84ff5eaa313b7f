"""Read a pickle without running anything that it names.

A pickle gets hold of what exists through ``find_class`` alone, and the one here never imports: it
gives out functions that note down which bytes a tensor is made of, plain dicts, and placeholders
that ignore what is done to them. What a checkpoint keeps beside its tensors (options, paths, NumPy
scalars, objects of the user's own classes) becomes placeholders. Names that no checkpoint needs
are refused instead, so that a file meant to do harm is not used at all.
"""

from __future__ import annotations

import _compat_pickle
import pickle
import struct
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import torch


class Storage(NamedTuple):
    """A run of numbers in the file, which one or several tensors look at."""

    type_name: str
    """torch's name: ``FloatStorage``."""
    key: str
    first: int
    """Index of its first number in what ``key`` names; older files cut one storage into views."""
    length: int


class StoredTensor(NamedTuple):
    """A tensor that has not been read yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype | None = None
    """Where the storage has none of its own."""


class OddTensor(NamedTuple):
    """A tensor that no layer could hold: quantized, sparse, nested or without data."""

    made_by: str


class StoredArray(NamedTuple):
    """A NumPy array, of which nothing is kept."""


class Pickled(NamedTuple):
    """What a pickle held."""

    content: object
    """Dicts, lists, tuples, numbers, text, tensors of the kinds above, and placeholders."""
    left_aside: tuple[str, ...]
    """Names of classes whose objects became placeholders and that are not everyday ones."""
    storages: tuple[Storage, ...]


class RefusedGlobalError(Exception):
    """The pickle names something that weights have no use for; the text is that name."""


_EVERYDAY: dict[str, tuple[str, ...]] = {
    "argparse": ("Namespace",),
    "types": ("SimpleNamespace",),
    "builtins": (
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("object", "range", "set", "slice", "str", "tuple", "xrange"),
        "getattr",  # how an Enum inside a class is saved
    ),
    "_codecs": ("encode",),
    "copyreg": ("_reconstructor",),
    "collections": ("deque",),
    "datetime": ("date", "datetime", "time", "timedelta", "timezone"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "uuid": ("UUID",),
    "pathlib": (
        *("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"),
    ),
    "numpy": ("dtype", "ndarray"),
    "numpy.core.multiarray": ("scalar",),
    "torch": ("device", "Generator"),
    "torch.serialization": ("_get_layout",),
}
"""What checkpoints commonly hold beside tensors, by module."""
_NEW_NAMES = {
    "pathlib._local": "pathlib",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}
"""The same modules in other versions of Python and NumPy; pickle itself knows those of Python 2."""
_MOST_IN_A_TUPLE = 1_000_000
"""Values in a tuple and the tuples in it. Sharing lets a few bytes stand for more than can ever be
hashed, and a dict hashes its keys.
"""
_DEEPEST_TUPLE = 1000
_TORCH_OBJECTS = ("torch.nn.", "torch.optim.", "torch.amp.", "torch.cuda.amp.")
"""Layers, losses, optimisers and schedulers that somebody saved beside the weights."""
_DICTS = frozenset({"collections.OrderedDict", "collections.defaultdict", "collections.Counter"})
_NO_PLAIN_TENSOR = frozenset(
    f"torch._utils._rebuild_{kind}"
    for kind in (
        "qtensor",
        "sparse_tensor",
        "sparse_csr_tensor",
        "nested_tensor",
        "meta_tensor_no_storage",
        "wrapper_subclass",
        "device_tensor_from_numpy",
        "device_tensor_from_cpu_tensor",
    )
)


def read_pickle(file: IO[bytes]) -> Pickled:
    """Read one pickle from ``file``, which then stands behind it.

    Raises RefusedGlobalError for a name that no checkpoint needs, and pickle.UnpicklingError,
    EOFError, or another of Python's own errors for a pickle that is damaged.
    """
    reader = _InertUnpickler(file)
    return Pickled(reader.load(), tuple(reader.left_aside), tuple(reader.storages))


class _StorageType(NamedTuple):
    name: str


class _Nested(NamedTuple):
    made: tuple[object, ...]
    """Kept, so that no other tuple takes its place in memory."""
    size: int
    depth: int


def _then(first: Callable[[Any], None], second: Callable[[Any], None]) -> Callable[[Any], None]:
    def both(reader: Any) -> None:
        first(reader)
        second(reader)

    return both


# Python's unpickler and not the one in C, which reserves memory for as many objects as a pickle
# says that it will remember.
class _InertUnpickler(pickle._Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="utf-8", errors="replace")
        self.left_aside: dict[str, None] = {}
        self.storages: list[Storage] = []
        self._nested: dict[int, _Nested] = {}
        self._placeholder = _placeholder_type()
        self._dict = _dict_type()
        self._makers: dict[str, Callable[..., object]] = {
            "torch._utils._rebuild_tensor": self._tensor,
            "torch._utils._rebuild_tensor_v2": self._tensor,
            "torch._utils._rebuild_tensor_v3": self._tensor_of_dtype,
            "torch._utils._rebuild_parameter": self._parameter,
            "torch._utils._rebuild_parameter_with_state": self._parameter,
            "torch.nn.parameter.Parameter": self._parameter,
            "torch._tensor._rebuild_from_type_v2": self._subclass,
            "torch.Size": self._size,
            "numpy.core.multiarray._reconstruct": lambda *_arguments: StoredArray(),
            "numpy.core.numeric._frombuffer": lambda *_arguments: StoredArray(),
        }

    stack: list[Any]

    def _drop_state(self) -> None:
        """Leave an object as it is when the pickle would set its attributes."""
        del self.stack[-1]

    def _take_bytearray(self) -> None:
        """Reserve no more memory than there are bytes to fill it with."""
        (length,) = struct.unpack("<Q", self.read(8))
        found = self.read(length) if length <= sys.maxsize else b""
        if len(found) < length:
            raise EOFError("it ends before its data")
        self.append(bytearray(found))

    def _measure_tuple(self) -> None:
        """Refuse a tuple that is too large to be hashed, or too deep."""
        made = self.stack[-1]
        inside = [value for value in made if type(value) is tuple]
        if not inside:
            return
        known = [self._nested.get(id(value), _Nested(value, len(value), 1)) for value in inside]
        size = len(made) + sum(each.size for each in known)
        depth = 1 + max(each.depth for each in known)
        if size > _MOST_IN_A_TUPLE or depth > _DEEPEST_TUPLE:
            raise pickle.UnpicklingError("a tuple in it stands for more values than any file holds")
        self._nested[id(made)] = _Nested(made, size, depth)

    read: Callable[[int], bytes]
    append: Callable[[object], None]
    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    dispatch[pickle.BUILD[0]] = _drop_state
    dispatch[pickle.BYTEARRAY8[0]] = _take_bytearray
    for _code in (pickle.TUPLE[0], pickle.TUPLE1[0], pickle.TUPLE2[0], pickle.TUPLE3[0]):
        dispatch[_code] = _then(dispatch[_code], _measure_tuple)

    def get_extension(self, code: int) -> None:
        """Refuse the short codes that a program may have registered for its own classes."""
        raise pickle.UnpicklingError(f"it refers to extension {code}, which no checkpoint has")

    def find_class(self, module: str, name: str) -> Any:
        """Return something inert for the name, or raise RefusedGlobalError."""
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        module = _NEW_NAMES.get(module, module)
        full = f"{module}.{name}"
        if full in self._makers:
            return self._makers[full]
        if full in _NO_PLAIN_TENSOR:
            return lambda *_arguments: OddTensor(full)
        if full in _DICTS:
            return self._dict
        if module in {"torch", "torch.cuda", "torch.storage"} and name.endswith("Storage"):
            return _StorageType(name)
        if module == "torch" and (dtype := _dtype(name)) is not None:
            return dtype
        if name not in _EVERYDAY.get(module, ()) and module != "numpy.dtypes":
            _refuse_what_no_checkpoint_needs(full)
            self.left_aside[full] = None
        return self._placeholder

    def persistent_load(self, pid: Any) -> object:
        """Return the storage, or in an old file of a whole module the class, that is meant."""
        match pid:
            case ("storage", _StorageType(name), str(key), _, length, *view) if _is_count(length):
                first = 0
                match view:
                    case [(_, offset, size)] if _is_count(offset) and _is_count(size):
                        first, length = offset, size
                self.storages.append(Storage(name, key, first, length))
                return self.storages[-1]
            case ("module", made, *_):
                return made
        raise pickle.UnpicklingError("it refers to something that is no storage of a tensor")

    def _tensor(self, *arguments: object) -> StoredTensor:
        match arguments:
            case (Storage() as storage, int(offset), tuple(shape), tuple(stride), *_):
                if (
                    _is_count(offset)
                    and len(shape) == len(stride)
                    and all(map(_is_count, (*shape, *stride)))
                ):
                    return StoredTensor(storage, offset, tuple(shape), tuple(stride))
        raise pickle.UnpicklingError("a tensor in it is not described as torch describes one")

    def _tensor_of_dtype(self, *arguments: object) -> StoredTensor:
        import torch

        dtype = arguments[6] if len(arguments) > 6 else None
        if not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError("a tensor in it has no type")
        return self._tensor(*arguments[:4])._replace(dtype=dtype)

    @staticmethod
    def _parameter(*arguments: object) -> object:
        return arguments[0] if arguments else None

    @staticmethod
    def _subclass(*arguments: object) -> object:
        """Rebuild the tensor that a subclass of Tensor wraps, without its class or its state."""
        match arguments:
            case (make, _, tuple(parts), *_) if callable(make):
                return make(*parts)
        raise pickle.UnpicklingError("a tensor in it is not described as torch describes one")

    @staticmethod
    def _size(*arguments: Any) -> tuple[object, ...]:
        match arguments:
            case (tuple(sizes) | list(sizes), *_) if all(map(_is_count, sizes)):
                return tuple(sizes)
        return ()


def _refuse_what_no_checkpoint_needs(full: str) -> None:
    """Let through the classes of users and of other packages; nothing of Python's own."""
    package = full.partition(".")[0]
    known = sys.stdlib_module_names | {"torch", "numpy", "asymm_deploy", "pip", "setuptools"}
    if package in known and package != "__main__" and not full.startswith(_TORCH_OBJECTS):
        raise RefusedGlobalError(full)


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 0


def _dtype(name: str) -> torch.dtype | None:
    import torch

    found = torch.__dict__.get(name)
    return found if isinstance(found, torch.dtype) else None


def _dict_type() -> type:
    """Return a new kind of dict that takes an OrderedDict's or a defaultdict's arguments."""

    class Items(dict[Any, Any]):
        def __init__(self, *arguments: Any) -> None:
            items = arguments[0] if arguments else ()
            super().__init__(items if isinstance(items, dict | list | tuple) else ())

    return Items


def _placeholder_type() -> type:
    """Return a new class that can be made, called and filled with anything, to no effect."""

    class Placeholder:
        def __new__(cls, *_arguments: object, **_named: object) -> Placeholder:
            return object.__new__(cls)

        def __call__(self, *_arguments: object, **_named: object) -> Placeholder:
            return self

        def __setitem__(self, key: object, value: object) -> None: ...
        def append(self, item: object) -> None: ...
        def extend(self, items: object) -> None: ...
        def add(self, item: object) -> None: ...

    return Placeholder
