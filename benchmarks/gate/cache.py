"""Do two versions that run in turns differ as two that run alone? A table for docs/gate.md.

    python -m benchmarks.gate.cache [--minutes 10] [--out cache.json]
    python -m benchmarks.gate.cache --table cache.json       prints the table alone

In turns, each version finds the other's weights in the caches, where alone it would find its own.
So the ratio of two networks is taken both ways, in turns with each other: by a paired launch, and
by four launches of their own, A B B A or B A A B. The networks are those of the paper's Table 5,
and chains of layers whose weights nearly fill a second-level cache of 1 MiB, or more than that.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy import stats
from tabulate import tabulate
from torch import nn

from asymm_deploy.bench import artifact, launch, measure, store
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge.pair_difference import pair_difference
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.paired.paired_launch import PairSide, launch_pair
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord

_ROOT = Path(__file__).parent.parent.parent
_HERE = "benchmarks.gate.cache"
_WIDTH = 256
_ORDERS = (PairOrder(0, 0), PairOrder(1, 1), PairOrder(0, 1), PairOrder(1, 0))


def three_layers() -> nn.Module:
    """Return 0.79 MB of weights: they fit into a cache of 1 MiB, but not twice."""
    return nn.Sequential(*_chain(3))


def three_layers_and_a_bit() -> nn.Module:
    """Return 0.85 MB of weights."""
    narrow = _WIDTH // 8
    return nn.Sequential(
        *_chain(3), nn.Conv2d(_WIDTH, narrow, 1), nn.ReLU(), nn.Conv2d(narrow, _WIDTH, 1)
    )


def six_layers() -> nn.Module:
    """Return 1.6 MB of weights: they don't fit, even alone."""
    return nn.Sequential(*_chain(6))


def _chain(count: int) -> list[nn.Module]:
    return [layer for _ in range(count) for layer in (nn.Conv2d(_WIDTH, _WIDTH, 1), nn.ReLU())]


class Ratio(msgspec.Struct):
    """Differences of logs that each round found, of the second model over the first."""

    first: str
    second: str
    megabytes: tuple[float, float]
    """Of the models' files, which are weights for the most part."""
    pairs: list[float] = []
    """By processor time, as paired launches are judged."""
    pairs_wall: list[float] = []
    alone: list[float] = []
    """By medians of wall times, as blocks are judged."""
    alone_cpu: list[float] = []
    """By the processor time of the whole loop."""


@dataclass(frozen=True)
class _Contest:
    ratio: Ratio
    sides: tuple[PairSide, PairSide]
    runs: int


def main() -> int:
    """Export, time and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="without the exports")
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("cache.json"))
    parser.add_argument("--table", type=Path, help="print the table of this file")
    given = parser.parse_args()
    if given.table is None:
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), given.minutes, given.runs, given.out)
    found = msgspec.json.decode((given.table or given.out).read_bytes(), type=list[Ratio])
    print(table(found))
    return 0


def _measure(folder: Path, minutes: float, runs: int, out: Path) -> None:
    contests = _contests(folder, runs)
    device = HostDevice()
    with store.opened(folder / "results", print, "check") as kept:
        bench = measure.prepare(device, Plan(runs=runs, launches=1), kept, "check")
    draw = random.Random(0)
    with device.held(bench.cpus, []):
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < 60 * minutes:
            for contest in draw.sample(contests, len(contests)):
                _round(bench, contest, number, draw)
            number += 1
            out.write_bytes(msgspec.json.encode([contest.ratio for contest in contests]))
    print(f"{number} rounds in {time.monotonic() - began:.0f} s", file=sys.stderr)


def _contests(folder: Path, runs: int) -> list[_Contest]:
    wanted = [
        (f"mbv3_{scale}_{width}", f"asymmnet_{scale}_{width}", runs)
        for scale in ("small", "large")
        for width in ("035", "050", "075", "100", "125")
    ]
    chains = [
        f"{_HERE}:{each.__name__}" for each in (three_layers, three_layers_and_a_bit, six_layers)
    ]
    wanted += [(chains[0], chains[1], 10 * runs), (chains[0], chains[2], 10 * runs)]
    _export([name for pair in wanted[:-2] for name in pair[:2]], [], folder)
    _export(chains, ["--input-shape", f"1,{_WIDTH},1,1"], folder)
    contests = []
    for first, second, of_launch in wanted:
        both = [
            artifact.exported(folder / name.replace(":", "."), "mnn") for name in (first, second)
        ]
        names = [
            name.removeprefix(f"{_HERE}:").replace("_", " ") if ":" in name else name
            for name in (first, second)
        ]
        megabytes = [each.path.stat().st_size / 1e6 for each in both]
        ratio = Ratio(names[0], names[1], (megabytes[0], megabytes[1]))
        contests.append(_Contest(ratio, (PairSide(both[0]), PairSide(both[1])), of_launch))
    return contests


def _export(models: Sequence[str], options: Sequence[str], folder: Path) -> None:
    command = [sys.executable, "-m", "asymm_deploy.cli", "export", *models, *options]
    subprocess.run(
        [*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL, cwd=_ROOT
    )


def _round(bench: Bench, contest: _Contest, number: int, draw: random.Random) -> None:
    """Add a paired launch and a block of four; a launch that fails leaves its design out."""
    if draw.random() < 0.5:
        _in_turns(bench, contest, number)
        _alone(bench, contest, number)
    else:
        _alone(bench, contest, number)
        _in_turns(bench, contest, number)


def _in_turns(bench: Bench, contest: _Contest, number: int) -> None:
    blanks = [_blank(bench, side, contest.runs) for side in contest.sides]
    order = _ORDERS[number % len(_ORDERS)]
    first, second = launch_pair(bench, (blanks[0], blanks[1]), contest.sides, order)
    if first.error is not None:
        print(first.error, file=sys.stderr)
        return
    found = pair_difference(first, second)
    contest.ratio.pairs.append(found.by("cpu"))
    contest.ratio.pairs_wall.append(found.wall)


def _alone(bench: Bench, contest: _Contest, number: int) -> None:
    wall: list[list[float]] = [[], []]
    cpu: list[list[float]] = [[], []]
    for side in (0, 1, 1, 0) if number % 2 else (1, 0, 0, 1):
        each = contest.sides[side]
        record, each.placed = launch.put_and_launch(
            bench, _blank(bench, each, contest.runs), each.artifact, each.placed, each.first
        )
        if record.error is not None:
            print(record.error, file=sys.stderr)
            return
        wall[side].append(float(np.log(np.median(record.samples_ns))))
        cpu[side].append(float(np.log(_cpu_of_a_run(record))))
    contest.ratio.alone.append(float(np.mean(wall[1]) - np.mean(wall[0])))
    contest.ratio.alone_cpu.append(float(np.mean(cpu[1]) - np.mean(cpu[0])))


def _blank(bench: Bench, side: PairSide, runs: int) -> LaunchRecord:
    return msgspec.structs.replace(
        launch.blank(bench, side.artifact, 0, 0), runs=runs, warmup=max(10, runs // 5)
    )


def _cpu_of_a_run(record: LaunchRecord) -> float:
    assert record.wall_ns is not None
    assert record.off_core_ns is not None
    return (record.wall_ns - record.off_core_ns) / record.runs


def table(ratios: Sequence[Ratio]) -> str:
    """Return a row for each pair of networks; intervals hold the truth in 95 %."""
    rows = []
    for ratio in ratios:
        rows.append(
            [
                f"{ratio.second} over {ratio.first}",
                " and ".join(f"{size:.1f}" for size in reversed(ratio.megabytes)),
                len(ratio.pairs),
                *(_interval(logs) for logs in (ratio.pairs, ratio.pairs_wall)),
                *(_interval(logs) for logs in (ratio.alone, ratio.alone_cpu)),
                _apart(ratio.alone, ratio.pairs_wall),
                _apart(ratio.alone_cpu, ratio.pairs),
            ]
        )
    headers = [
        "networks",
        "MB",
        "rounds",
        "in turns, processor, %",
        "in turns, wall, %",
        "alone, wall, %",
        "alone, processor, %",
        "alone minus in turns, wall",
        "the same, processor",
    ]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def _interval(logs: Sequence[float]) -> str:
    values = np.asarray(logs)
    reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return f"{100 * values.mean():+.1f} ± {100 * reach:.1f}"


def _apart(alone: Sequence[float], pairs: Sequence[float]) -> str:
    """Return Welch's interval of the difference."""
    found = stats.ttest_ind(alone, pairs, equal_var=False).confidence_interval(0.95)
    return f"{50 * (found.low + found.high):+.1f} ± {50 * (found.high - found.low):.1f}"


if __name__ == "__main__":
    sys.exit(main())
