"""What a user's code imports, reads and asks for while it makes a module."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from asymm_deploy.export.freshness import (
    Dependencies,
    belongs_to_python,
    found_here,
    names_sha256,
    variable_sha256,
)
from asymm_deploy.export.reading.user_questions import questions_told
from asymm_deploy.files import sha256_of


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
        with (
            _native_opens_told(),
            questions_told(opened.look_for, opened.look_through, opened.look_up),
        ):
            yield found
    finally:
        recording = False
    modules = dict.fromkeys((name for name in asked - set(sys.modules) if "." not in name), "")
    for name in set(sys.modules) - before:
        origin = getattr(sys.modules[name], "__file__", None)
        if isinstance(origin, str):
            opened.places[origin] = origin
            if "." not in name or not belongs_to_python(Path(origin)):
                modules[name] = os.path.realpath(origin)
        elif hasattr(sys.modules[name], "__path__"):
            modules[name] = ""
    found.folders.update(sorted(opened.folders.items()))
    found.environment.update(sorted(opened.variables.items()))
    found.modules.update(sorted(found_here(modules).items()))  # others' importers have own ways
    for text, place in sorted(opened.places.items()):
        path = Path(place)
        if path.parent.name == "__pycache__" or belongs_to_python(path):
            continue
        is_as_named = path == Path(text).absolute()
        if not path.exists():
            found.absent.append(text if is_as_named else place)
            continue
        if path.is_file():
            found.files[place] = opened.hashes.get(place) or sha256_of(path)
        if (path.is_file() or place in found.folders) and not Path(text).is_absolute():
            found.relative.update({text: place} if is_as_named else {})


class _Opened:
    """Files that were opened, as they were then: somebody may edit them while we go on."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        """Each by its name: where that was, as folders may be changed."""
        self.hashes: dict[str, str] = {}
        """By place. Those are missing that were not there, or that this process writes to."""
        self.folders: dict[str, str] = {}
        """Those that were looked through, by place: ``names_sha256`` of then."""
        self.variables: dict[str, str] = {}
        """``variable_sha256`` of each that was asked for, of then."""
        self._busy: set[Path] = set()

    def look_for(self, text: str) -> None:
        """Take a file that was not there."""
        self.places.setdefault(text, os.path.abspath(text))  # noqa: PTH100

    def look_through(self, text: str) -> None:
        """Take a folder."""
        place = os.path.abspath(text)  # noqa: PTH100
        self.places[text] = place
        if place not in self.folders and not belongs_to_python(Path(place)):
            with suppress(OSError):  # then it is not there
                self.folders[place] = names_sha256(place)

    def look_up(self, name: str) -> None:
        """Take an environment variable."""
        self.variables.setdefault(name, variable_sha256(name))

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
        if str(path) in self.hashes or path in self._busy or belongs_to_python(path):
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
