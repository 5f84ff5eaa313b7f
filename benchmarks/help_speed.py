"""How long ``asymm-deploy --help`` takes, beside what Python takes to do nothing.

Exits 1 where the median is beyond 0.25 s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

from asymm_deploy.errors import ExitCode

_LIMIT_S = 0.25
_STARTS = 20
_HELP = (str(Path(sysconfig.get_path("scripts")) / "asymm-deploy"), "--help")
_NOTHING = (sys.executable, "-c", "pass")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--report-only", action="store_true", help="exit 0 beyond the limit, for noisy machines"
    )
    options = parser.parse_args(argv)
    try:
        for command in (_HELP, _NOTHING):
            _seconds(command)  # fills the file cache
        # In turns, so that whatever else the machine does falls on both alike.
        pairs = [(_seconds(_HELP), _seconds(_NOTHING)) for _ in range(_STARTS)]
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    ours, nothing = zip(*pairs, strict=True)
    print(f"{f'{_STARTS} starts':20} {'best s':>8} {'median s':>8}")
    print(_row("asymm-deploy --help", ours) + f"  at most {_LIMIT_S}")
    print(_row("python -c pass", nothing))
    return 1 if statistics.median(ours) > _LIMIT_S and not options.report_only else 0


def _seconds(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def _row(label: str, seconds: Sequence[float]) -> str:
    return f"{label:20} {min(seconds):8.3f} {statistics.median(seconds):8.3f}"


if __name__ == "__main__":
    sys.exit(main())
