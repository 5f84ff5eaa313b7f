"""What a sweep costs beyond the runs that it times: wall time over the sum of its samples.

The models are exported before the clock starts. Exits 1 where the wall time is more than 1.75 times
the timed runs.
"""

from __future__ import annotations

import argparse
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench import store
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import ExitCode

_LARGEST_RATIO = 1.75
_TIMEOUT_S = 4 * 3600.0
_NS_PER_S = 1e9
_COMMAND = str(Path(sysconfig.get_path("scripts")) / "asymm-deploy")


class FailedError(Exception):
    """A command or a launch failed, so the sweep's cost is not known."""


@dataclass(frozen=True)
class Cost:
    """Where a sweep's wall time went, in seconds."""

    wall_s: float
    timed_s: float
    warmup_s: float
    """The runs before the timed ones, taken to be as long as these."""
    init_s: float
    """Loading models and creating sessions."""
    launches: int

    @property
    def ratio(self) -> float:
        """Wall time over the timed runs."""
        return self.wall_s / self.timed_s

    @property
    def rest_s(self) -> float:
        """Processes, imports, hashes, calibration, writing: all that is neither run nor load."""
        return self.wall_s - self.timed_s - self.warmup_s - self.init_s


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help="only these, instead of all of Table 5"
    )
    parser.add_argument("--runs", type=int, default=1000, help="as of bench")
    parser.add_argument("--launches", type=int, default=10, help="as of bench")
    parser.add_argument("--artifacts", type=Path, help="exports to use, completed if need be")
    parser.add_argument(
        "--report-only", action="store_true", help="exit 0 beyond the limit, for noisy machines"
    )
    options = parser.parse_args(argv)
    try:
        with ExitStack() as stack:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-overhead-"))
            )
            cost = _measure(
                options.models or ("--table", "5"),
                ("--runs", str(options.runs), "--launches", str(options.launches)),
                options.artifacts or folder / "artifacts",
                folder / "results",
            )
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except FailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.HARNESS
    print(_table(cost))
    return 1 if cost.ratio > _LARGEST_RATIO and not options.report_only else 0


def _measure(what: Sequence[str], plan: Sequence[str], artifacts: Path, out: Path) -> Cost:
    folders = ("--artifacts", str(artifacts))
    _timed([_COMMAND, "export", *what, "--out", str(artifacts)])
    # A noisy machine, exit code 4, costs no more time than a quiet one.
    wall_s = _timed(
        [_COMMAND, "bench", *what, *plan, *folders, "--out", str(out)], good=(0, ExitCode.UNSTABLE)
    )
    return _cost(wall_s, store.load(out))


def _cost(wall_s: float, records: Sequence[LaunchRecord]) -> Cost:
    for record in records:
        if record.error is not None:
            raise FailedError(f"{record.model}, launch {record.launch}: {record.error}")
    return Cost(
        wall_s=wall_s,
        timed_s=sum(sum(record.samples_ns) for record in records) / _NS_PER_S,
        warmup_s=sum(
            sum(record.samples_ns) / len(record.samples_ns) * record.warmup for record in records
        )
        / _NS_PER_S,
        init_s=sum(record.init_ns or 0 for record in records) / _NS_PER_S,
        launches=len(records),
    )


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


def _table(cost: Cost) -> str:
    rest_ms = 1e3 * cost.rest_s / cost.launches
    rows = (
        ("wall time of bench", cost.wall_s, f"{cost.launches} launches"),
        ("timed runs", cost.timed_s, ""),
        ("warm-up runs, about", cost.warmup_s, ""),
        ("loading models", cost.init_s, ""),
        ("everything else", cost.rest_s, f"{rest_ms:.0f} ms a launch"),
    )
    facts = HostDevice(None).facts(())
    lines = [f"{facts.soc or facts.abi}, {facts.cores} cores, {facts.os}"]
    lines.append(f"{'':20} {'seconds':>8}")
    lines += [f"{label:20} {value:8.2f}  {remark}".rstrip() for label, value, remark in rows]
    lines.append(f"{'wall / timed runs':20} {cost.ratio:7.2f}x  at most {_LARGEST_RATIO}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
