"""The paired launches of two models in a bench: those that are kept, and those to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.paired_ratio import paired_ratio, whole_pairs
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired.pair_order import drawn_order
from asymm_deploy.bench.paired.paired_launch import PairSide, launch_pair
from asymm_deploy.bench.records import LaunchRecord, PairedRatio, RecordPair
from asymm_deploy.bench.store import Journal
from asymm_deploy.errors import ExitCode

PAIRED_LAUNCHES = 8
"""Of each pair: each order in which two models are loaded and run comes up twice."""


@dataclass(frozen=True, slots=True)
class PairedSubjects:
    """Two models to time in turns, to see how long ``model`` takes relative to ``base``."""

    model: Artifact | Missing
    base: Artifact | Missing

    @property
    def names(self) -> tuple[str, str]:
        """Those of the model and of its base."""
        return self.model.model, self.base.model

    @property
    def missing(self) -> Missing | None:
        """The one of them that there is no file of."""
        return next((x for x in (self.model, self.base) if isinstance(x, Missing)), None)

    def __str__(self) -> str:
        return f"{self.model.model} in turns with {self.base.model}"


@dataclass(slots=True)
class PairRow:
    """Two models and their paired launches so far."""

    subjects: PairedSubjects
    attempt: int
    records: dict[int, RecordPair] = field(default_factory=dict)
    sides: tuple[PairSide, ...] = ()
    """Of the model and the base, once they were launched."""
    given_up: str | None = None
    """Why no more launches are made in this bench."""
    exit_code: ExitCode = ExitCode.OK
    """Of giving up."""

    @property
    def finished(self) -> list[int]:
        """The launches that ended."""
        return [number for number, pair in self.records.items() if not _failed(pair)]

    def to_do(self) -> set[int]:
        """Return the launches to make."""
        if self.given_up is not None:
            return set()
        return set(range(PAIRED_LAUNCHES)) - set(self.finished)

    def due(self, number: int, launches: int) -> list[int]:
        """Return what to make after each model's launch ``number`` of so many: spread evenly."""
        return sorted(x for x in self.to_do() if x * launches // PAIRED_LAUNCHES == number)

    def give_up(self, why: str, exit_code: ExitCode) -> None:
        """Make no more launches."""
        self.given_up, self.exit_code = why, exit_code

    def measure(self, number: int, bench: Bench) -> RecordPair:
        """Make a launch; raise NoPairsHereError if the runner knows no pairs."""
        subjects = self.subjects
        one, other = subjects.model, subjects.base
        assert isinstance(one, Artifact)
        assert isinstance(other, Artifact)
        self.sides = self.sides or (PairSide(one), PairSide(other))
        for index, side in enumerate(self.sides):
            side.first = self._verified_by(index)
        blanks = [
            msgspec.structs.replace(
                launch.blank(bench, artifact, self.attempt, number),
                launches_planned=PAIRED_LAUNCHES,
            )
            for artifact in (one, other)
        ]
        about = f"{bench.plan_id} {one.model} {other.model} {self.attempt}"
        return launch_pair(bench, (blanks[0], blanks[1]), self.sides, drawn_order(about, number))

    def add(self, number: int, pair: RecordPair) -> None:
        """Take note of a launch; after one that failed there are no more."""
        self.records[number] = pair
        failed = next((record for record in pair if record.error is not None), None)
        if failed is not None:
            self.give_up(str(failed.error), ExitCode(failed.exit_code))

    def ratio(self) -> PairedRatio:
        """Return what the launches say."""
        made = [self.records[number] for number in sorted(self.records)]
        if made:
            found = paired_ratio(made)
            code = found.exit_code if found.exit_code != ExitCode.OK else self.exit_code
            return msgspec.structs.replace(
                found, reason=found.reason or self.given_up, exit_code=code
            )
        return PairedRatio(
            partner=self.subjects.base.model, reason=self.given_up, exit_code=self.exit_code
        )

    def _verified_by(self, side: int) -> LaunchRecord | None:
        """Return the side's launch whose output was compared, or else its first one."""
        return verdicts.vouching([self.records[number][side] for number in sorted(self.finished)])


def resumed_pair(subjects: PairedSubjects, bench: Bench, runs: Journal) -> PairRow:
    """Return those launches of the pair's latest attempt that can be kept.

    What was allowed otherwise is judged again and written down. What heat spoilt is made again.
    """
    of_plan = [
        pair
        for pair in whole_pairs(runs.records)
        if tuple(record.model for record in pair) == subjects.names
        and pair[0].plan_id == bench.plan_id
    ]
    attempt = max((pair[0].attempt for pair in of_plan), default=0)
    row = PairRow(subjects, attempt)
    latest = [pair for pair in of_plan if pair[0].attempt == attempt]
    if of_plan and (bench.plan.fresh or not all(_fits(pair, subjects, bench) for pair in latest)):
        row = PairRow(subjects, attempt + 1)
        latest = []
    for pair in latest:
        now = _allowed_as_now(pair, bench, runs)
        if spoilt_by_heat(now) is None:
            row.records[now[0].launch] = now
    return row


def _fits(pair: RecordPair, subjects: PairedSubjects, bench: Bench) -> bool:
    """Whether a launch was made of these files and inputs, on these cores."""
    return all(
        isinstance(artifact, Artifact)
        and (record.artifact_sha256, record.inputs_sha256, record.cpus)
        == (artifact.sha256, artifact.inputs_sha256, bench.cpus)
        for record, artifact in zip(pair, (subjects.model, subjects.base), strict=True)
    )


def _allowed_as_now(pair: RecordPair, bench: Bench, runs: Journal) -> RecordPair:
    allowed = bench.plan.allow
    if _failed(pair) or all(record.allowed == allowed for record in pair):
        return pair
    one, other = (launch.allowing(record, allowed) for record in pair)
    runs.append(one)
    runs.append(other)
    return one, other


def _failed(pair: Sequence[LaunchRecord]) -> bool:
    return any(record.error is not None for record in pair)


def spoilt_by_heat(pair: Sequence[LaunchRecord]) -> LaunchRecord | None:
    """Return the record that is worth repeating the launch for, after a pause."""
    return next((record for record in pair if verdicts.worth_repeating(record)), None)
