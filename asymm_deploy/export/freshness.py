"""Decide whether an export is stale, without importing torch."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

import msgspec

import asymm_deploy
from asymm_deploy.files import sha256_of

_TOOLS = ("torch", "onnx", "onnx-ir", "onnxsim", "onnxruntime", "MNN", "numpy")


def tool_versions() -> dict[str, str]:
    """Return the version of every package that shapes an artifact, ours included."""
    versions = {tool: metadata.version(tool) for tool in _TOOLS}
    return {"asymm-deploy": asymm_deploy.__version__, **versions}


def fingerprint(facts: dict[str, object]) -> str:
    """Return the SHA-256 of ``facts``, the tools' versions and our own code that exports.

    Our code counts as well as its version, so that a developer who edits a block or a pass never
    times yesterday's model.
    """
    everything = {"facts": facts, "tools": tool_versions(), "code": _code_sha256()}
    return hashlib.sha256(msgspec.json.encode(everything, order="sorted")).hexdigest()


@dataclass(frozen=True)
class Dependencies:
    """What a definition is made of beyond what a request names, and how each part was found."""

    files: dict[str, str] = field(default_factory=dict)
    """Absolute path and SHA-256 of its code and data."""
    relative: dict[str, str] = field(default_factory=dict)
    """Data that was named by a relative path: that path, and the absolute one that it meant."""
    modules: dict[str, str] = field(default_factory=dict)
    """Modules that were imported: name and path, with all links resolved.

    Of installed packages it has the topmost module alone, without which none can be found. The path
    is empty for a package without a file of its own, and for a topmost module that was asked for
    and not there: a file of that name would be taken now.
    """
    absent: list[str] = field(default_factory=list)
    """Files that were asked for and not there, as they were named."""


def unchanged(recorded: Dependencies, folder: Path) -> bool:
    """Whether every name still means the same file from here, and every file has its SHA-256.

    Relative paths begin at ``folder``. A copy of a checkout has other files, whatever is in them.
    Nothing is imported.
    """
    try:
        return (
            all(str((folder / name).absolute()) == path for name, path in recorded.relative.items())
            and not any((folder / name).exists() for name in recorded.absent)
            and _found_here(recorded.modules) == recorded.modules
            and all(sha256_of(Path(path)) == sha for path, sha in recorded.files.items())
        )
    except OSError:
        return False


@contextmanager
def recorded_files() -> Iterator[Dependencies]:
    """Record what is imported and read inside the block, in what it yields.

    That is what a user's callable depends on: its modules and the weights it loads, each as it was
    when it was first read. It is filled when the block ends. Files of Python itself and of
    installed packages are left out; after an upgrade of those, ``--force`` exports again.
    """
    opened = _Opened()
    asked: set[str] = set()
    recording = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if not recording:
            return
        if event == "open":
            opened.tell(*arguments)
        elif event == "sqlite3.connect":
            opened.tell(arguments[0], "r", os.O_RDWR)
        elif event == "import" and isinstance(arguments[0], str):
            asked.add(arguments[0])

    sys.addaudithook(hook)  # it can't be removed, hence the switch
    found = Dependencies()
    before = set(sys.modules)
    try:
        with _native_opens_told():
            yield found
    finally:
        recording = False
    modules = dict.fromkeys((name for name in asked - set(sys.modules) if "." not in name), "")
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if isinstance(origin, str):
            opened.places[origin] = origin
            if "." not in name or not _belongs_to_python(Path(origin)):
                modules[name] = os.path.realpath(origin)
        elif hasattr(sys.modules[name], "__path__"):
            modules[name] = ""
    found.modules.update(sorted(_found_here(modules).items()))  # others' importers have own ways
    for text, place in sorted(opened.places.items()):
        path = Path(place)
        if path.parent.name == "__pycache__" or _belongs_to_python(path):
            continue
        if not path.exists():
            found.absent.append(text if path == Path(text).absolute() else place)
        elif path.is_file():
            found.files[str(path)] = opened.hashes.get(str(path)) or sha256_of(path)
            if not Path(text).is_absolute() and path == Path(text).absolute():
                found.relative[text] = str(path)


class _Opened:
    """Files that were opened, as they were then: somebody may edit them while we go on."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        """Each by its name: where that was, as folders may be changed."""
        self.hashes: dict[str, str] = {}
        """By place. Those are missing that were not there, or that this process writes to."""
        self._busy: set[Path] = set()

    def tell(self, named: object, mode: object, flags: object) -> None:
        """Take the arguments of Python's audit event ``open``, which comes before the opening."""
        if not isinstance(named, str | bytes):
            return
        text = os.fsdecode(named)
        place = os.path.abspath(text)  # noqa: PTH100  Path's follows no ".."
        writes = bool(set(str(mode or "")) & set("wax"))
        if not writes:
            self.places[text] = place
        if writes or (isinstance(flags, int) and flags & os.O_ACCMODE != os.O_RDONLY):
            self.hashes.pop(place, None)
        else:
            self._hash(Path(place))

    def _hash(self, path: Path) -> None:
        if path.suffix == ".pyc":
            with suppress(ValueError):  # one without a source
                path = Path(importlib.util.source_from_cache(str(path)))
        if str(path) in self.hashes or path in self._busy or _belongs_to_python(path):
            return
        self._busy.add(path)  # hashing opens it, too
        try:
            if path.is_file():
                self.hashes[str(path)] = sha256_of(path)
        except OSError:
            pass  # whoever asked for it is told
        finally:
            self._busy.discard(path)


@contextmanager
def _native_opens_told() -> Iterator[None]:
    """Raise an audit event for files that native code opens: torch's own and safetensors'."""
    import safetensors
    import safetensors.torch
    import torch

    def telling(function: Callable[..., object], position: int) -> Callable[..., object]:
        def tell(*arguments: object, **more: object) -> object:
            named = arguments[position] if len(arguments) > position else more.get("filename")
            if isinstance(named, str | os.PathLike):
                sys.audit("open", os.fspath(named), "r", 0)
            return function(*arguments, **more)

        return tell

    places: tuple[tuple[Any, str, int], ...] = (
        (torch._C, "import_ir_module", 1),
        (torch, "from_file", 0),
        (safetensors, "safe_open", 0),
        (safetensors.torch, "safe_open", 0),
    )
    reader = torch._C.PyTorchFileReader

    class TellingReader(reader):  # type: ignore[misc, valid-type]
        """A class, as others ask whether what they have is one."""

        def __init__(self, named: object) -> None:
            if isinstance(named, str | os.PathLike):
                sys.audit("open", os.fspath(named), "r", 0)
            super().__init__(named)

    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    before.append((torch._C, "PyTorchFileReader", reader))
    for place, name, position in places:
        setattr(place, name, telling(getattr(place, name), position))
    setattr(torch._C, "PyTorchFileReader", TellingReader)  # noqa: B010  mypy knows a class there
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _found_here(modules: Mapping[str, str]) -> dict[str, str]:
    """Return those of the modules whose name would be imported from that file here and now.

    The current folder comes first, as it does when a callable is loaded.
    """
    importlib.invalidate_caches()  # files may have come since Python last looked
    here = str(Path.cwd())
    start = sys.path if here in sys.path else [here, *sys.path]
    return {name: path for name, path in modules.items() if (_origin(name, start) or "") == path}


def _origin(name: str, start: Sequence[str]) -> str | None:
    """Return the path of the module that ``name`` means now; None if there is none.

    Unlike ``importlib.util.find_spec`` this imports no parent package.
    """
    where: Sequence[str] | None = start
    spec = None
    for part in name.split("."):
        if where is None:
            return None
        spec = _spec(part, where, is_topmost=where is start)
        if spec is None:
            return None
        inside = spec.submodule_search_locations
        where = None if inside is None else list(inside)
    return os.path.realpath(spec.origin) if spec is not None and spec.origin else None


def _spec(part: str, where: Sequence[str], *, is_topmost: bool) -> ModuleSpec | None:
    # A name with dots would ask for its parent, imported.
    spec = PathFinder.find_spec(part, where)
    if spec is not None or not is_topmost:
        return spec
    for finder in sys.meta_path:  # of packages that were installed for editing, for example
        if finder is not PathFinder and (spec := finder.find_spec(part, None)) is not None:
            return spec
    return None


def _belongs_to_python(path: Path) -> bool:
    system = ("/proc", "/dev", "/sys", "/usr/lib", "/usr/share", "/etc")
    ours = str(Path(asymm_deploy.__file__).parent)
    return any(path.is_relative_to(root) for root in (ours, *_library_folders(), *system))


@functools.cache
def _library_folders() -> frozenset[str]:
    """Return where Python keeps itself and installed packages.

    Their common prefix won't do: an environment may be made in the very folder of a project, and
    the system's prefix, /usr, has /usr/src.
    """
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    found = {sysconfig.get_path(kind, vars=x) for kind in kinds for x in (None, base)}
    return frozenset({*found, *site.getsitepackages(), site.getusersitepackages()} - {None})


@functools.cache
def _code_sha256() -> str:
    package = Path(asymm_deploy.__file__).parent
    code = hashlib.sha256()
    for room in ("models", "engines", "export"):
        for path in sorted((package / room).rglob("*.py")):
            name = path.relative_to(package).as_posix()
            code.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return code.hexdigest()
