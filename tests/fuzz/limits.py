"""How an example is tried: with bounds on the memory and the processor time of a single one."""

from __future__ import annotations

import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.fuzz.parsers import Parser

MOST_SECONDS = 5.0
"""Of processor time for one example; a machine's noise doesn't count."""
_MORE_BYTES = 2**30
"""That the process may reserve while parsers are tried."""


class TooLongError(BaseException):
    """An example took longer than ``MOST_SECONDS``; no parser may catch it."""


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the memory of this process, where the system can, and hear when time is up."""
    before = signal.signal(signal.SIGPROF, _too_long)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            allowed = pages * resource.getpagesize() + _MORE_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGPROF, before)


def try_one(parser: Parser, example: bytes, folder: Path) -> None:
    """Give ``parser`` one example in an empty ``folder``; raises what it should not have raised."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        parser.call(example, folder)
    except parser.raises:
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TooLongError(f"over {MOST_SECONDS:g} s of processor time")
