"""Counts what passes through a Dask scheduler: `DASK_DISTRIBUTED__SCHEDULER__PRELOAD` names it.

It counts what is really written to and read from sockets, so what Dask puts together counts once.
Figures go to the file that $ASYMM_LAB_MESSAGES names, twice a second.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from distributed.comm.tcp import TCP

_PERIOD_S = 0.5
_counts: Counter[str] = Counter()


def dask_setup(_scheduler: object) -> None:
    """Count from now on; Dask calls this as the scheduler starts."""
    tcp: Any = TCP
    read, write = tcp.read, tcp.write

    async def counted_read(self: Any, *arguments: Any, **named: Any) -> Any:
        message = await read(self, *arguments, **named)
        _note("in", message)
        return message

    async def counted_write(self: Any, message: Any, *arguments: Any, **named: Any) -> Any:
        sent = await write(self, message, *arguments, **named)
        _note("out", message)
        _counts["bytes out"] += sent if isinstance(sent, int) else 0
        return sent

    tcp.read, tcp.write = counted_read, counted_write
    path = Path(os.environ["ASYMM_LAB_MESSAGES"])
    threading.Thread(target=_tell, args=(path,), daemon=True).start()


def _note(direction: str, message: object) -> None:
    """Count a message, and what it asks for: a stream's come as a list, several at once."""
    _counts[direction] += 1
    for one in message if isinstance(message, list | tuple) else [message]:
        if isinstance(one, dict) and "op" in one:
            _counts[f"{direction} {one['op']}"] += 1


def _tell(path: Path) -> None:
    aside = path.with_suffix(".part")
    while True:
        aside.write_text(json.dumps({"cpu us": round(1e6 * time.process_time()), **_counts}))
        aside.replace(path)
        time.sleep(_PERIOD_S)
