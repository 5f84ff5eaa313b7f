"""The end of what serves until it is told not to: by Ctrl-C, SIGTERM or a closed terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from asymm_deploy.signals import ENDING


@contextmanager
def told_to_end(loop: asyncio.AbstractEventLoop) -> Iterator[asyncio.Event]:
    """Yield what is set by a signal that would end the program. For the main thread.

    asyncio's own handlers would take the place of what hears a second Ctrl-C. A signal that is
    ignored, as under nohup, stays ignored.
    """
    told = asyncio.Event()

    def tell(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(told.set)

    before = {
        number: signal.signal(number, tell)
        for number in ENDING
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
