"""Record launches of both designs in turn, for judge_pairs.py; in about 60 minutes.

python -m benchmarks.gate.paired.record_pairs       writes benchmarks/gate/data/paired.npz
python -m benchmarks.gate.paired.record_pairs --minutes 1 --out /tmp/try.npz
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from asymm_deploy.bench import launch, measure, store
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.pair_difference import split_share
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.paired.paired_launch import (
    PairSide,
    launch_pair,
)
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord, RecordPair
from benchmarks.gate.paired.pair_recording import (
    ARMS,
    DISTURBED,
    UNDISTURBED,
    PairedLaunches,
    PairedRecording,
    SeparateLaunches,
    save_pairs,
)
from benchmarks.gate.paired.small_variants import INPUT_SHAPE, MODULE, NETWORK
from benchmarks.gate.record import disturbed, exported, invalid

_PAIRED = ("again", "again", "plus3", "plus5", "plus10")
"""The paired launches of a round."""
_ROUNDS_TO_SEPARATE = 3
"""Separate launches are made in one round of so many."""
_SHARES = {**dict.fromkeys(UNDISTURBED, 0.5), **dict.fromkeys(DISTURBED, 0.25)}
_ORDERS = (PairOrder(0, 0), PairOrder(1, 1), PairOrder(0, 1), PairOrder(1, 0))
_MOST_FAILED = 20
_OUT = Path(__file__).parent.parent / "data" / "paired.npz"


def main() -> int:
    """Export, record and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--runs", type=int, default=100, help="of a launch")
    parser.add_argument("--out", type=Path, default=_OUT)
    parser.add_argument("--cpu", type=int, default=None)
    parser.add_argument("--others", action="store_true", help="other people use the machine")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        modules = {arm: arm for arm in ARMS} | {"again": "base"}
        arms = exported(MODULE, modules, INPUT_SHAPE, folder / "artifacts")
        device = HostDevice()
        with store.opened(folder / "results", print, "check") as runs:
            plan = Plan(runs=given.runs, launches=1, cpu=given.cpu)
            bench = measure.prepare(device, plan, runs, "check")
        recordings = []
        with device.held(bench.cpus, []):
            for scenario in (UNDISTURBED[given.others], *DISTURBED):
                with disturbed(scenario, bench.cpus[0]):
                    taken = Taken(bench, arms, random.Random(scenario))
                    taken.take(60 * given.minutes * _SHARES[scenario])
                recordings.append(taken.recording(scenario, others=given.others))
                save_pairs(recordings, given.out)
                print(f"{scenario}: {len(taken.pairs)} paired launches", flush=True)
    print(f"{given.out}: {given.out.stat().st_size / 1e3:.0f} kB")
    return 0


@dataclass(frozen=True)
class _Pair:
    """One paired launch."""

    arm: str
    load: float
    seconds: float
    base: LaunchRecord
    other: LaunchRecord

    @property
    def both(self) -> RecordPair:
        return self.base, self.other


class Taken:
    """The launches of one scenario, as they are made."""

    def __init__(self, bench: Bench, arms: dict[str, Artifact], draw: random.Random) -> None:
        self._bench = bench
        self._arms = arms
        self._draw = draw
        self._sides = {arm: PairSide(artifact) for arm, artifact in arms.items()}
        self._orders = {arm: self._cycle() for arm in ARMS}
        self._began = datetime.now(UTC)
        self._failed: list[str] = []
        self.pairs: list[_Pair] = []
        self._rounds: list[dict[str, list[tuple[float, LaunchRecord]]]] = []
        self._short_s: list[float] = []

    def take(self, seconds: float) -> None:
        """Make launches for so long; a round that has begun is ended."""
        began = time.monotonic()
        for number in itertools.count():
            if time.monotonic() - began > seconds:
                return
            steps = [("paired", arm) for arm in self._draw.sample(_PAIRED, len(_PAIRED))]
            if number % _ROUNDS_TO_SEPARATE == 0:
                self._rounds.append({arm: [] for arm in ARMS})
                half = self._draw.sample(ARMS, len(ARMS))
                for arm in (*half, *reversed(half)):
                    steps.insert(self._place(steps), ("separate", arm))
            for design, arm in steps:
                if design == "paired":
                    self._pair(arm)
                else:
                    self._rounds[-1][arm].append(self._alone(arm))
            self._short_s.append(self._alone("base", runs=1)[0])

    def recording(self, scenario: str, *, others: bool) -> PairedRecording:
        """Return all that was taken."""
        rounds = [
            of for of in self._rounds if all(r.error is None for x in of.values() for _, r in x)
        ]
        facts = self._bench.facts
        loads = [pair.load for pair in self.pairs]
        return PairedRecording(
            scenario,
            _paired(self.pairs, self._bench.plan.runs),
            SeparateLaunches(
                np.array([[[r.samples_ns for _, r in of[arm]] for arm in ARMS] for of in rounds]),
                np.array([[[invalid(r) for _, r in of[arm]] for arm in ARMS] for of in rounds]),
                np.array([[[s for s, _ in of[arm]] for arm in ARMS] for of in rounds]),
            ),
            np.array(self._short_s),
            {
                "network": NETWORK,
                "machine": f"{facts.soc}, {facts.cores} cores, {platform.platform()}",
                "recorded": self._began.isoformat(timespec="seconds"),
                "until": datetime.now(UTC).isoformat(timespec="seconds"),
                "others": "at work on the machine" if others else "none on this machine",
                "load": " to ".join(f"{np.percentile(loads, q):.1f}" for q in (5, 50, 95)),
                "failed": "; ".join(self._failed),
            },
        )

    def _cycle(self) -> Iterator[PairOrder]:
        """Return orders so that any four in a row have each version first as often."""
        start = self._draw.randrange(len(_ORDERS))
        return itertools.islice(itertools.cycle(_ORDERS), start, None)

    def _place(self, steps: list[tuple[str, str]]) -> int:
        """Return a random place behind the separate launches that are there."""
        last = max((i for i, (design, _) in enumerate(steps) if design == "separate"), default=-1)
        return self._draw.randint(last + 1, len(steps))

    def _pair(self, arm: str) -> None:
        sides = [self._sides["base"], self._sides[arm]]
        load, began = os.getloadavg()[0], time.monotonic()
        blanks = [launch.blank(self._bench, side.artifact, 0, 0) for side in sides]
        base, other = launch_pair(
            self._bench, (blanks[0], blanks[1]), sides, next(self._orders[arm])
        )
        seconds = time.monotonic() - began
        if base.error is not None:
            self._note_failure(f"paired {arm}: {base.error}")
            return
        self.pairs.append(_Pair(arm, load, seconds, base, other))
        for side, record in zip(sides, (base, other), strict=True):
            if side.first is None or side.first.output_error is None:
                side.first = record

    def _alone(self, arm: str, runs: int | None = None) -> tuple[float, LaunchRecord]:
        blank = launch.blank(self._bench, self._arms[arm], 0, 0)
        if runs is not None:
            blank = msgspec.structs.replace(blank, runs=runs, warmup=1)
        began = time.monotonic()
        side = self._sides[arm]
        record, side.placed = launch.put_and_launch(
            self._bench, blank, side.artifact, side.placed, side.first
        )
        if record.error is not None:
            self._note_failure(f"{arm}: {record.error}")
        return time.monotonic() - began, record

    def _note_failure(self, what: str) -> None:
        self._failed.append(what)
        if len(self._failed) > _MOST_FAILED:
            raise SystemExit("; ".join(self._failed))


def _paired(pairs: list[_Pair], runs: int) -> PairedLaunches:
    times = np.zeros((len(pairs), 2, 2, runs), dtype=np.int64)
    for number, pair in enumerate(pairs):
        for side, record in enumerate(pair.both):
            assert record.paired is not None
            assert record.paired.cpu_ns is not None
            for clock, values in enumerate((record.samples_ns, record.paired.cpu_ns)):
                times[number, side, clock, : len(values)] = values
    return PairedLaunches(
        arm=np.array([pair.arm for pair in pairs]),
        times_ns=times,
        flags=np.array([_words(invalid(record) for record in pair.both) for pair in pairs]),
        alone=np.array([_words(_flags_alone(record) for record in pair.both) for pair in pairs]),
        split=np.array([split_share(*pair.both) for pair in pairs]),
        stolen=np.array([_stolen(pair.base) for pair in pairs]),
        load=np.array([pair.load for pair in pairs]),
        seconds=np.array([pair.seconds for pair in pairs]),
    )


def _flags_alone(record: LaunchRecord) -> str:
    """Return what the launch would be flagged with if it had held this version alone."""
    alone = msgspec.structs.replace(record, paired=None)
    return " ".join(set(verdicts.pooled_flags([alone])) - set(record.flags))


def _words(texts: Iterable[str]) -> str:
    """Return the words of all texts, each once."""
    return " ".join(sorted({word for text in texts for word in text.split()}))


def _stolen(record: LaunchRecord) -> float:
    assert record.wall_ns
    return ((record.waited_ns or 0) + (record.steal_ns or 0)) / record.wall_ns


if __name__ == "__main__":
    sys.exit(main())
