"""A moment in which no signal may end us: what was changed elsewhere is put back then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A terminal's Ctrl-C, a CI system's cancel, a terminal that was closed."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore what would end us meanwhile; whatever is done here must be bounded in time.

    Does nothing in other threads than the main one, which no signal reaches.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
