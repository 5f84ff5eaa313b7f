"""Decide whether an export is stale, without importing torch."""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

import msgspec

import asymm_deploy
from asymm_deploy.files import sha256_of

_LOOKING = threading.Lock()
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
    folders: dict[str, str] = field(default_factory=dict)
    """Folders that code looked through: absolute path and ``names_sha256``."""
    environment: dict[str, str] = field(default_factory=dict)
    """Environment variables that code asked for: ``variable_sha256`` of each."""


def unchanged(recorded: Dependencies, folder: Path) -> bool:
    """Whether every name means the same from here, and every file has its SHA-256.

    Relative paths begin at ``folder``. A copy of a checkout has other files, whatever is in them.
    Nothing is imported.
    """
    try:
        return (
            all(str((folder / name).absolute()) == path for name, path in recorded.relative.items())
            and not any((folder / name).exists() for name in recorded.absent)
            and found_here(recorded.modules) == recorded.modules
            and all(names_sha256(path) == sha for path, sha in recorded.folders.items())
            and all(variable_sha256(x) == sha for x, sha in recorded.environment.items())
            and all(sha256_of(Path(path)) == sha for path, sha in recorded.files.items())
        )
    except OSError:
        return False


def names_sha256(folder: str) -> str:
    """Return the SHA-256 of the names in a folder but hidden ones; raise OSError if there is none.

    Python makes ``__pycache__`` whenever it likes.
    """
    names = {path.name for path in Path(folder).iterdir()} - {"__pycache__"}
    told = "\0".join(sorted(name for name in names if not name.startswith(".")))
    return hashlib.sha256(os.fsencode(told)).hexdigest()


def variable_sha256(name: str) -> str:
    """Return the SHA-256 of an environment variable, which may be a secret; empty if not set."""
    value = os.environ.get(name)
    return "" if value is None else hashlib.sha256(os.fsencode(value)).hexdigest()


def found_here(modules: Mapping[str, str]) -> dict[str, str]:
    """Return those of the modules whose name would be imported from that file here and now.

    The current folder comes first, as it does when a callable is loaded.
    """
    with _LOOKING:  # threads ask for several models at once, and Python's own caches mind that
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


def belongs_to_python(path: Path) -> bool:
    """Whether a file is of Python, of an installed package, of the system or of this program."""
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
    for room in ("models", "engines", "images", "export"):
        for path in sorted((package / room).rglob("*.py")):
            name = path.relative_to(package).as_posix()
            code.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return code.hexdigest()
