"""An exception raised in another thread, which arrives though Python may swallow it once.

What is raised while a thread is in a ``__del__`` or in a callback of the garbage collector goes to
``sys.unraisablehook`` and no further. Then it is raised anew, a moment later.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_PAUSE_S = 0.02
"""By then the thread has left the hook, which would swallow the next one as well."""
_wanted: dict[int, tuple[type[BaseException], Callable[[], None]]] = {}
_hooks: list[Callable[[Any], object]] = []


def raise_in(thread: threading.Thread, kind: type[BaseException]) -> None:
    """Have a thread raise a ``kind`` as soon as it executes Python code."""
    number = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(kind))


@contextmanager
def raised_anew(kind: type[BaseException], again: Callable[[], None]) -> Iterator[None]:
    """Have ``again`` called, by another thread, wherever a ``kind`` is swallowed in this one."""
    if sys.unraisablehook is not _hook:
        _hooks[:] = [sys.unraisablehook]
        sys.unraisablehook = _hook
    own = threading.get_ident()
    _wanted[own] = (kind, again)
    try:
        yield
    finally:
        del _wanted[own]


def _hook(unraisable: Any) -> None:
    kind, again = _wanted.get(threading.get_ident(), (None, None))
    if kind is not None and again is not None and issubclass(unraisable.exc_type, kind):
        threading.Timer(_PAUSE_S, again).start()
    else:
        _hooks[0](unraisable)
