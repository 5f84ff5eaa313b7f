"""Decide whether an export is stale, without importing torch."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

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


def unchanged(sources: dict[str, str]) -> bool:
    """Return whether each file still has the SHA-256 that was recorded for it."""
    try:
        return all(sha256_of(Path(path)) == sha for path, sha in sources.items())
    except OSError:
        return False


@contextmanager
def recorded_files() -> Iterator[dict[str, str]]:
    """Record the files that are read inside the block: path and SHA-256, in the yielded dict.

    They are what a user's callable depends on: its modules and the weights it loads. The dict is
    filled when the block ends. Files of Python itself and of installed packages are left out; after
    an upgrade of those, ``--force`` exports again.
    """
    opened: set[str] = set()
    recording = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if recording and event == "open" and isinstance(arguments[0], str):
            mode = arguments[1]
            if mode is None or not set(str(mode)) & set("wax+"):
                opened.add(arguments[0])

    sys.addaudithook(hook)  # it can't be removed, hence the switch
    files: dict[str, str] = {}
    before = set(sys.modules)
    try:
        yield files
    finally:
        recording = False
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if isinstance(origin, str):
            opened.add(origin)
    for text in sorted(opened):
        path = Path(text).absolute()
        if path.is_file() and path.suffix != ".pyc" and not _belongs_to_python(path):
            files[str(path)] = sha256_of(path)


def _belongs_to_python(path: Path) -> bool:
    roots = {sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(asymm_deploy.__file__).parent)}
    system = ("/proc", "/dev", "/sys", "/usr/lib", "/usr/share", "/etc")
    return any(path.is_relative_to(root) for root in (*roots, *system))


@functools.cache
def _code_sha256() -> str:
    package = Path(asymm_deploy.__file__).parent
    code = hashlib.sha256()
    for room in ("models", "engines", "export"):
        for path in sorted((package / room).rglob("*.py")):
            name = path.relative_to(package).as_posix()
            code.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return code.hexdigest()
