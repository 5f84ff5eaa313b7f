"""`asymm-deploy`, with what passes through a Dask scheduler counted.

``python counted_scheduler.py FILE lab scheduler ...`` writes the figures to FILE twice a second.
What is really written to and read from sockets counts, so what Dask puts together counts once.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

_PERIOD_S = 0.5
_counts: Counter[str] = Counter()


def main(path: Path, argv: list[str]) -> int:
    """Run the command, and count from the beginning."""
    from asymm_deploy import cli
    from asymm_deploy.lab.joining.dask_settings import settle_dask

    settle_dask()
    from distributed.comm.tcp import TCP

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
    threading.Thread(target=_tell, args=(path,), daemon=True).start()
    return cli.run(argv)


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


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
