"""What adb costs: a bench over adb to the simulated phone, over the same bench on this machine.

Both time all models of Table 5 in ten short launches each, on the same core of this machine with
the same engine, one after the other in one run. Files are pushed within the time that is taken.
Exits 1 where adb's side takes more than 1.25 times as long.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tests.phone

from asymm_deploy.bench import store
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.errors import ExitCode
from tests.phone.fixtures import missing
from tests.phone.phone import Phone
from tests.phone.runner import make_runner
from tests.phone.server import AdbServer

_LARGEST_RATIO = 1.25
_TIMEOUT_S = 3600.0
_COMMAND = str(Path(sysconfig.get_path("scripts")) / "asymm-deploy")
# Unlike a phone's, this machine's core is never quiet, and a launch that is done again isn't adb's.
_NOISE = ("--allow", "throttled", "--allow", "capped-clock")


class FailedError(Exception):
    """A command or a launch failed, so there is nothing to compare."""


@dataclass(frozen=True)
class Side:
    """A bench on one device."""

    wall_s: float
    timed_s: float
    launches: int

    @property
    def rest_ms(self) -> float:
        """All but the timed runs, a launch."""
        return 1e3 * (self.wall_s - self.timed_s) / self.launches


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="only these, not Table 5's")
    parser.add_argument("--runs", type=int, default=100, help="as of bench")
    parser.add_argument("--launches", type=int, default=10, help="as of bench")
    parser.add_argument("--artifacts", type=Path, help="exports to use, completed if need be")
    parser.add_argument("--report-only", action="store_true", help="exit 0 beyond the limit")
    options = parser.parse_args(argv)
    if reason := missing():
        print(f"error: {reason}", file=sys.stderr)
        return ExitCode.USAGE
    what = options.models or ["--table", "5"]
    plan = ["--runs", str(options.runs), "--launches", str(options.launches), *_NOISE]
    try:
        with tempfile.TemporaryDirectory(prefix="adb-overhead-") as name:
            host, phone = _measure(what, plan, options.artifacts, Path(name))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except FailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.HARNESS
    ratio = phone.wall_s / host.wall_s
    facts = HostDevice(None).facts(())
    print(f"{facts.soc or facts.abi}, {facts.cores} cores, {facts.os}; {host.launches} launches")
    print(f"{'':24} {'wall (s)':>9} {'timed (s)':>9} {'rest, a launch (ms)':>20}")
    for label, side in (("this machine", host), ("simulated phone by adb", phone)):
        print(f"{label:24} {side.wall_s:9.1f} {side.timed_s:9.1f} {side.rest_ms:20.0f}")
    print(f"{'phone / machine':24} {ratio:8.2f}x  at most {_LARGEST_RATIO}")
    return 1 if ratio > _LARGEST_RATIO and not options.report_only else 0


def _measure(
    what: Sequence[str], plan: Sequence[str], artifacts: Path | None, folder: Path
) -> tuple[Side, Side]:
    artifacts = artifacts or folder / "artifacts"
    _timed([_COMMAND, "export", *what, "--out", str(artifacts)])
    bench = [_COMMAND, "bench", *what, *plan, "--artifacts", str(artifacts)]
    core = max(os.sched_getaffinity(0))
    with AdbServer() as server, Phone() as phone:
        os.environ.update(server.env)
        server.connect(phone)
        sides = (
            ["--device", "host", "--cpu", str(core)],
            ["--device", phone.serial, "--runner", str(make_runner(folder / "runner"))],
        )
        host, over_adb = (
            _side([*bench, *device, "--out", str(folder / str(number))], folder / str(number))
            for number, device in enumerate(sides)
        )
    return host, over_adb


def _side(command: Sequence[str], results: Path) -> Side:
    # A noisy machine, exit code 4, costs no more time than a quiet one.
    wall_s = _timed(command, good=(0, ExitCode.UNSTABLE))
    records = store.load(results)
    for record in records:
        if record.error is not None:
            raise FailedError(f"{record.model}, launch {record.launch}: {record.error}")
    timed_ns = sum(sum(record.samples_ns) for record in records)
    return Side(wall_s, timed_ns / 1e9, len(records))


def _timed(command: Sequence[str], good: Sequence[int] = (0,)) -> float:
    """Run ``command`` and return its wall seconds; Ctrl-C ends it whole."""
    start = time.perf_counter()
    completed = HostDevice(None).run(command, timeout_s=_TIMEOUT_S)
    seconds = time.perf_counter() - start
    if completed.returncode not in good:
        raise FailedError(
            f"{' '.join(command)}\nended with {completed.returncode}:\n"
            + completed.stderr.decode(errors="replace")[-4000:]
        )
    return seconds


if __name__ == "__main__":
    sys.exit(main())
