"""What a lab of phones gains, and what it costs: twelve phones over one, with the same launches.

Three hosts with four simulated phones each run on this machine. Their launches last as long as they
are told to and need little of this machine's processors, so that those are not what limits it.
Prints the ratio of wall times, and the constants from which docs/lab.md reckons larger labs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))  # for tests.lab

from asymm_deploy.bench import store
from asymm_deploy.errors import ExitCode
from tests.lab.bed import LabBed, make_models
from tests.phone.fixtures import missing

_RUNS = 5
"""Timed runs a launch."""
_IDLE_S = 10.0
_COUNTED_S = 1.5
"""By then the scheduler has written down what it counted."""


class FailedError(Exception):
    """A bench failed, so there is nothing to compare."""


@dataclass(frozen=True)
class Constants:
    """What one bench over the lab came to."""

    phones: int
    launches: int
    wall_s: float
    timed_s: float
    """All that the runners lived, over the phones: what no harness could save."""
    client_cpu_s: float
    client_mb: float
    agents_cpu_s: float
    scheduler_cpu_s: float
    counts: Counter[str]
    """What passed through the scheduler meanwhile."""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=3)
    parser.add_argument("--phones", type=int, default=4, help="of each host")
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--launches", type=int, default=2, help="of each model on each phone")
    parser.add_argument("--launch-s", type=float, default=3.0, help="how long each lasts")
    parser.add_argument("--model-mb", type=float, default=5.0)
    options = parser.parse_args(argv)
    if reason := missing():
        print(f"error: {reason}", file=sys.stderr)
        return ExitCode.USAGE
    try:
        with tempfile.TemporaryDirectory(prefix="lab-") as name:
            _measure(options, Path(name))
    except FailedError as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.HARNESS
    return 0


def _measure(options: argparse.Namespace, folder: Path) -> None:
    models = make_models(folder / "models", options.models, round(1e6 * options.model_mb))
    counted = folder / "messages.json"
    count = options.hosts * options.phones
    with LabBed(
        folder,
        hosts=options.hosts,
        phones=options.phones,
        launch_s=options.launch_s,
        counted=counted,
    ) as bed:
        bed.await_phones()
        before = _counts(counted)
        agents_s = sum(host.agent.cpu_s() for host in bed.hosts)
        time.sleep(_IDLE_S)
        idle = _counts(counted) - before
        agents_s = sum(host.agent.cpu_s() for host in bed.hosts) - agents_s
        many = _bench(bed, options, models, count, options.launches, counted)
        sent = [sum(_sizes(bed, index)) for index in range(len(bed.hosts))]
        one = _bench(bed, options, models, 1, options.launches * count, counted)
        memory = [host.agent.peak_mb() for host in bed.hosts]
        scheduler_mb = bed.scheduler.peak_mb()
    print(f"{count} phones on {options.hosts} hosts; launches of {options.launch_s:g} s")
    print("| | 1 phone | all phones |\n|---|--:|--:|")
    rows: tuple[tuple[str, Callable[[Constants], str]], ...] = (
        ("launches", lambda side: f"{side.launches}"),
        ("wall time (s)", lambda side: f"{side.wall_s:.1f}"),
        ("overhead a launch and phone (ms)", lambda side: f"{_overhead_ms(side):.0f}"),
        ("messages into the scheduler, a launch", lambda side: _each(side, "in")),
        ("messages out of it, a launch", lambda side: _each(side, "out")),
        ("bytes out of it, a launch", lambda side: _each(side, "bytes out")),
        ("scheduler's CPU a launch (ms)", lambda side: _ms(side.scheduler_cpu_s, side)),
        ("agents' CPU with workers, a launch (ms)", lambda side: _ms(side.agents_cpu_s, side)),
        ("client's CPU (s)", lambda side: f"{side.client_cpu_s:.1f}"),
        ("client's memory (MB)", lambda side: f"{side.client_mb:.0f}"),
    )
    for what, figure in rows:
        print(f"| {what} | {figure(one)} | {figure(many)} |")
    print(f"\nwall time of one over all: {one.wall_s / many.wall_s:.2f}")
    print(
        f"idle: {idle['in'] / _IDLE_S:.1f} messages a second into the scheduler, "
        f"{idle['out'] / _IDLE_S:.1f} out, of {count} workers; "
        f"agents with workers use {100 * agents_s / _IDLE_S:.0f} % of a core"
    )
    print(f"bytes of artifacts on each host: {', '.join(map(str, sent))}")
    print(f"memory: an agent {max(memory):.0f} MB, the scheduler {scheduler_mb:.0f} MB")
    print("what came in and went out with all phones, in all:")
    for what, times in sorted(many.counts.items()):
        print(f"  {what}: {times}")


def _bench(
    bed: LabBed,
    options: argparse.Namespace,
    models: Sequence[Path],
    phones: int,
    launches: int,
    counted: Path,
) -> Constants:
    results = bed.folder / f"results-{phones}"
    plan = ("--runs", str(_RUNS * launches), "--launches", str(launches))
    argv = bed.bench(models, results, "--device", "any", "--count", str(phones), *plan)
    client = bed.client(argv, results.with_suffix(".log"))
    agents_s = sum(host.agent.cpu_s() for host in bed.hosts)
    time.sleep(_COUNTED_S)
    before, start = _counts(counted), time.monotonic()
    client.start()
    code, usage = client.wait_for_usage()
    wall_s = time.monotonic() - start
    time.sleep(_COUNTED_S)
    counts = _counts(counted)
    agents_s = sum(host.agent.cpu_s() for host in bed.hosts) - agents_s
    if code != 0:
        raise FailedError(f"bench ended with {code}: {client.printed()[-500:]}")
    records = store.load(results)
    scheduler_s = (counts["cpu us"] - before["cpu us"]) / 1e6
    return Constants(
        phones=phones,
        launches=len(records),
        wall_s=wall_s,
        timed_s=len(records) * options.launch_s,
        client_cpu_s=usage.ru_utime + usage.ru_stime,
        client_mb=usage.ru_maxrss / 1024,
        agents_cpu_s=agents_s,
        scheduler_cpu_s=scheduler_s,
        counts=counts - before,
    )


def _counts(path: Path) -> Counter[str]:
    return Counter(json.loads(path.read_bytes()))


def _sizes(bed: LabBed, index: int) -> list[int]:
    host = bed.hosts[index]
    return [(host.folder / "cache" / name).stat().st_size for name in host.cached()]


def _overhead_ms(side: Constants) -> float:
    """Return what a launch takes on its phone besides its own life."""
    return 1e3 * (side.wall_s * side.phones - side.timed_s) / side.launches


def _each(side: Constants, what: str) -> str:
    return f"{side.counts[what] / side.launches:.1f}"


def _ms(seconds: float, side: Constants) -> str:
    return f"{1e3 * seconds / side.launches:.0f}"


if __name__ == "__main__":
    sys.exit(main())
