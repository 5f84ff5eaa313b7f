"""What a user's own code asks the system beside reading files: a module may depend on the answer.

Whether a file is there, which names a folder has, and what an environment variable says. Packages
ask for such things by the hundred, so only what the user's code asks for itself counts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asymm_deploy.export.freshness import belongs_to_python

_ASKED_THROUGH = frozenset(
    {"collections", "genericpath", "glob", "ntpath", "os", "pathlib", "posixpath"}
)
"""Modules of Python's library that ask on behalf of their callers."""
_Tell = Callable[[str], None]


@contextmanager
def questions_told(absent: _Tell, folder: _Tell, variable: _Tell) -> Iterator[None]:
    """Tell of files that are asked for in vain, of folders to look through, and of variables.

    Each as the user's code names it, before it has the answer. A copy of the whole environment, as
    for another program, is no question.
    """

    def of_files(function: Callable[..., Any]) -> Callable[..., Any]:
        def ask(path: object, *more: object, **options: object) -> Any:
            try:
                return function(path, *more, **options)
            except (FileNotFoundError, NotADirectoryError):
                if not options.get("dir_fd") and _is_the_users():
                    _tell(absent, path)
                raise

        return ask

    def of_folders(function: Callable[..., Any]) -> Callable[..., Any]:
        def ask(path: object = ".") -> Any:
            if _is_the_users():
                _tell(folder, path)
            return function(path)

        return ask

    kind = type(os.environ)
    get, names = kind.__getitem__, kind.__iter__
    copied: set[object] = set()

    def ask(environment: Any, name: Any) -> Any:
        if name in copied:
            copied.discard(name)
        elif _is_the_users():
            _tell(variable, name)
        return get(environment, name)

    def iterate(environment: Any) -> Iterator[Any]:
        found = list(names(environment))
        if _is_the_users():
            copied.update(found)
        return iter(found)

    places: tuple[tuple[Any, str, Callable[..., Any]], ...] = (
        (os, "stat", of_files(os.stat)),
        (os, "lstat", of_files(os.lstat)),
        (os, "listdir", of_folders(os.listdir)),
        (os, "scandir", of_folders(os.scandir)),
        (kind, "__getitem__", ask),
        (kind, "__iter__", iterate),
    )
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    for place, name, function in places:
        setattr(place, name, function)
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _tell(told: _Tell, named: object) -> None:
    if isinstance(named, str | bytes | os.PathLike):  # else the number of an open file
        told(os.fsdecode(named))


def _is_the_users() -> bool:
    """Whether the question that is being asked is one of the user's code."""
    frame = sys._getframe(2)
    while frame.f_globals.get("__name__", "").partition(".")[0] in _ASKED_THROUGH:
        if frame.f_back is None:
            return False
        frame = frame.f_back
    file = frame.f_code.co_filename
    return not file.startswith("<frozen") and not belongs_to_python(Path(file))
