"""Both versions of each model, timed in blocks by the same runner, on one device."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench import flags, launch, measure, store
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.store import Runs
from asymm_deploy.check import plausibility
from asymm_deploy.check.findings import Discarded
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live import procedure
from asymm_deploy.check.live.block_store import NAME as BLOCKS
from asymm_deploy.check.live.block_store import BlockLine, Blocks
from asymm_deploy.check.live.decision import Block
from asymm_deploy.check.live.procedure import Lost, Outcome, Place, Stopped
from asymm_deploy.check.policy import Policy
from asymm_deploy.errors import ExitCode

Arm = Literal["A", "B"]
ORDERS = ("ABBA", "BAAB")
_LAUNCHES = 4
"""Either has both arms at the same time on average, so that a drift falls on both alike."""
_TRIES = 3
"""Of a block: a spoilt one is done again twice at most, as AndroidX Microbenchmark does."""
_NAMES: dict[Arm, str] = {"A": "baseline", "B": "candidate"}


@dataclass(frozen=True, slots=True)
class Resumed:
    """Launches that an earlier check finished are kept."""

    kept: int


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A block doesn't count; ``redone`` says whether it is done again."""

    discarded: Discarded
    redone: bool


Event: TypeAlias = Resumed | Spoilt | procedure.Event
_Launched: TypeAlias = "list[tuple[Arm, LaunchRecord]]"


@dataclass(frozen=True, slots=True)
class Launches:
    """Those of one model's blocks that count, in one series; two of each block in either arm."""

    baseline: tuple[LaunchRecord, ...]
    candidate: tuple[LaunchRecord, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it, by model."""

    bench: Bench
    outcomes: dict[str, Outcome]
    launches: dict[str, tuple[Launches, ...]]
    """By series: one, or two where a regression was to be confirmed."""
    discarded: tuple[Discarded, ...]
    """Those of earlier checks too, of blocks that are in use or were taken again."""
    notes: tuple[str, ...]
    """What people should know beside it, in sentences."""


def run(
    device: Device,
    pairs: Sequence[Pair],
    plan: Plan,
    policy: Policy,
    runs: Runs,
    folder: Path,
    on_event: Callable[[Event], None],
) -> Comparison:
    """Time both arms of every pair until each has its verdict.

    ``runs`` are those of ``folder``, which this process holds; what is finished there is kept,
    on Ctrl-C too. Raises UsageError for a core that can't be had or files that somebody damaged,
    and HarnessError where the device or the results folder fails.
    """
    plausibility.refuse_impossible(runs.records, folder / store.NAME)
    bench = measure.prepare(device, plan, runs)
    taker = _Taker(bench, pairs, policy.seed, runs, Blocks(folder), on_event)
    if taker.kept:
        on_event(Resumed(taker.kept))
    files = list(dict.fromkeys(a.path for pair in pairs for a in (pair.baseline, pair.candidate)))
    with device.held(bench.cpus, [path for path in files if path.is_file()]):
        models = [pair.model for pair in pairs]
        outcomes = procedure.compare(models, policy, taker.take, on_event)
    launches = {
        model: tuple(taker.launches_of(model, n) for n in range(1 if outcome.first is None else 2))
        for model, outcome in outcomes.items()
    }
    return Comparison(bench, outcomes, launches, tuple(taker.discarded), taker.notes)


@dataclass(slots=True)
class _Side:
    """One arm of one model."""

    artifact: Artifact
    path: str | None = None
    """On the device, once it was put there."""
    first: LaunchRecord | None = None
    """The finished launch whose output was compared with the reference, or the first."""


@dataclass(slots=True)
class _Contest:
    """One model's two arms."""

    sides: dict[Arm, _Side]
    comparison: str
    attempt: int
    kept: dict[tuple[Place, int], _Launched] = field(default_factory=dict)
    """What earlier checks measured, by how often the block was spoilt before."""
    counted: dict[Place, _Launched] = field(default_factory=dict)


class _Taker:
    """Takes blocks: from disk where an earlier check left them, and by launches where not."""

    def __init__(
        self,
        bench: Bench,
        pairs: Sequence[Pair],
        seed: int,
        runs: Runs,
        blocks: Blocks,
        on_event: Callable[[Event], None],
    ) -> None:
        self._bench = bench
        self._circumstances = (bench.plan_id, bench.cpus)
        self._records = runs.records
        """Those of earlier checks."""
        self._seed = seed
        self._runs = runs
        self._blocks = blocks
        self._on_event = on_event
        self.discarded: list[Discarded] = []
        self._misfits = 0
        self._contests = {pair.model: self._contest(pair) for pair in pairs}

    @property
    def kept(self) -> int:
        """How many launches earlier checks finished."""
        blocks = [x for contest in self._contests.values() for x in contest.kept.values()]
        return sum(map(len, blocks))

    @property
    def notes(self) -> tuple[str, ...]:
        mended = (f"{self._blocks.mended}.",) if self._blocks.mended else ()
        if not self._misfits:
            return mended
        what = "1 block" if self._misfits == 1 else f"{self._misfits} blocks"
        return (
            *mended,
            f"{what} in {BLOCKS} did not fit the lines of {store.NAME} and did not count.",
        )

    def _contest(self, pair: Pair) -> _Contest:
        bench = self._bench
        circumstances = [bench.plan_id, bench.cpus, self._seed]
        files = [pair.model, pair.baseline.sha256, pair.candidate.sha256]
        text = msgspec.json.encode([circumstances, files])
        comparison = hashlib.sha256(text).hexdigest()[:16]
        attempt = self._blocks.attempt(comparison)
        if attempt is None:
            attempt = 0
        elif bench.plan.fresh:
            attempt += 1
        sides: dict[Arm, _Side] = {"A": _Side(pair.baseline), "B": _Side(pair.candidate)}
        contest = _Contest(sides, comparison, attempt)
        misfits = set()
        for line in self._blocks.of(comparison, attempt):
            key = Place(line.model, line.series, line.block), line.redone
            launched = self._measured(sides, line)
            if launched is None:
                misfits.add(key)
            else:
                contest.kept[key] = launched
        self._misfits += len(misfits - contest.kept.keys())
        return contest

    def _measured(self, sides: dict[Arm, _Side], line: BlockLine) -> _Launched | None:
        """Return the launches of a block; None if runs.jsonl has others where they should be."""
        if line.order not in ORDERS or not 0 < len(line.launches) <= len(line.order):
            return None
        launched: _Launched = []
        for arm, number in zip(_arms(line.order), line.launches, strict=False):
            if not 0 <= number < len(self._records):
                return None
            record = self._records[number]
            found = (record.launch, record.model, record.artifact_sha256)
            wanted = (number, line.model, sides[arm].artifact.sha256)
            if (*found, record.plan_id, record.cpus) != (*wanted, *self._circumstances):
                return None
            launched.append((arm, record))
        cut_short = len(launched) < _LAUNCHES and launched[-1][1].valid
        return None if cut_short or len(set(line.launches)) < len(launched) else launched

    def launches_of(self, model: str, series: int) -> Launches:
        """Return the launches of the blocks that count in a series."""
        counted = [
            launched
            for place, block in self._contests[model].counted.items()
            if place.series == series
            for launched in block
        ]
        return Launches(
            tuple(record for arm, record in counted if arm == "A"),
            tuple(record for arm, record in counted if arm == "B"),
        )

    def take(self, place: Place) -> Block | Lost | Stopped:
        """Return a block that counts, or why there is none.

        A block that was lost in an earlier check gets its tries anew: what spoilt it may be gone.
        """
        contest = self._contests[place.model]
        spoiler: LaunchRecord | None = None
        for redone in itertools.count():
            kept = self._kept(contest, place, redone)
            if kept is None and spoiler is not None and verdicts.worth_repeating(spoiler):
                self._bench.device.cool_down(is_hot=verdicts.heat_was_seen(spoiler))
            launched = kept or self._launched(contest, place, redone)
            failure = _failure(launched)
            if failure is not None:
                return failure
            spoilt = _spoilt(launched, self._bench.plan.allow)
            if spoilt is None:
                contest.counted[place] = launched
                return _block(launched)
            arm, spoiler, why = spoilt
            is_lost = kept is None and (redone + 1) % _TRIES == 0
            self._discard(place, f"{_NAMES[arm]}: {why}", again=not is_lost)
            if is_lost:
                break
        return Lost(
            f"Block {place.block} was spoilt {_TRIES} times, at last by {why}; when it is quiet, "
            "give the same command again, or --fresh."
        )

    def _discard(self, place: Place, reason: str, *, again: bool) -> None:
        reason = f"{reason}, while confirming" if place.series else reason
        discarded = Discarded(model=place.model, block=place.block, reason=reason)
        self.discarded.append(discarded)
        self._on_event(Spoilt(discarded, again))

    def _kept(self, contest: _Contest, place: Place, redone: int) -> _Launched | None:
        """Return what an earlier check measured here; None if nothing that can be used."""
        allow = self._bench.plan.allow
        launched = [
            (arm, launch.allowing(record, allow))
            for arm, record in contest.kept.get((place, redone), ())
        ]
        if len(launched) < _LAUNCHES and _spoilt(launched, allow) is None:
            return None  # nothing, or what ended it early is allowed now
        for arm, record in launched:
            _remember(contest.sides[arm], record)
        return launched

    def _launched(self, contest: _Contest, place: Place, redone: int) -> _Launched:
        """Launch both arms; stop at the first launch that spoils the block."""
        order = self._order(place)
        numbers = []
        launched: _Launched = []
        for arm in _arms(order):
            numbers.append(len(self._runs.records))
            record = self._launch(contest.sides[arm], numbers[-1], place.model)
            self._runs.append(record)
            launched.append((arm, record))
            _remember(contest.sides[arm], record)
            if not record.valid:
                break
        if _failure(launched) is None:  # what failed is done again by the next check
            self._blocks.add(
                BlockLine(
                    comparison=contest.comparison,
                    attempt=contest.attempt,
                    model=place.model,
                    series=place.series,
                    block=place.block,
                    redone=redone,
                    order=order,
                    launches=tuple(numbers),
                )
            )
        return launched

    def _order(self, place: Place) -> str:
        """Return the same order for the same block and seed, in whatever turn it is taken.

        Blocks 0 and 1, 2 and 3 and so on have one order each, so that at every look there are as
        many of the one as of the other: a drift that is no straight line falls on both arms alike.
        """
        text = f"{self._seed} {place.model} {place.series} {place.block // 2}"
        drawn = random.Random(text).sample(ORDERS, 2)  # noqa: S311  no secret
        return drawn[place.block % 2]

    def _launch(self, side: _Side, number: int, model: str) -> LaunchRecord:
        blank = launch.blank(self._bench, side.artifact, 0, number)
        blank = msgspec.structs.replace(blank, model=model)
        if side.path is None:
            reason = artifacts.changed(side.artifact)
            if reason is not None:
                return launch.failed(blank, reason)
            side.path = self._bench.device.put(side.artifact.path)
        return launch.launch(self._bench, blank, side.artifact, side.path, side.first)


def _arms(order: str) -> list[Arm]:
    return ["A" if letter == "A" else "B" for letter in order]


def _remember(side: _Side, record: LaunchRecord) -> None:
    if record.error is None and (side.first is None or side.first.output_error is None):
        side.first = record


def _failure(launched: Sequence[tuple[Arm, LaunchRecord]]) -> Stopped | None:
    """Return why an arm can't be timed at all; None if at worst the timing was disturbed."""
    for arm, record in launched:
        code = ExitCode(record.exit_code)
        if code not in (ExitCode.OK, ExitCode.UNSTABLE):
            why = record.error or _meaning(record, record.allowed)
            return Stopped("failed", f"The {_NAMES[arm]} failed: {why}", code)
    return None


def _spoilt(
    launched: Sequence[tuple[Arm, LaunchRecord]], allow: Sequence[str]
) -> tuple[Arm, LaunchRecord, str] | None:
    """Return the first launch that doesn't count, and why; its time alone is never a reason."""
    for arm, record in launched:
        if not flags.valid(record.flags, allow):
            return arm, record, _meaning(record, allow)
    return None


def _meaning(record: LaunchRecord, allow: Sequence[str]) -> str:
    found = [flags.FLAGS[name] for name in record.flags if name not in allow]
    return "; ".join(f"{flag.name} ({flag.meaning})" for flag in found if flag.invalidates)


def _block(launched: Sequence[tuple[Arm, LaunchRecord]]) -> Block:
    def medians(wanted: Arm) -> tuple[float, ...]:
        records = [record for arm, record in launched if arm == wanted]
        return tuple(float(median) for median in verdicts.launch_medians_ns(records))

    return Block(medians("A"), medians("B"))
