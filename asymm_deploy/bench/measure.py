"""Time models on one device: each launch is on disk as soon as it ends; launches make rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.backends.nothing_there import (
    in_place_of_the_newest,
    is_to_be_tried_again,
    refuse_nothing_there,
)
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.paired.pair_row import (
    PairedSubjects,
    PairRow,
    resumed_pair,
    spoilt_by_heat,
)
from asymm_deploy.bench.paired.paired_launch import NoPairsHereError
from asymm_deploy.bench.plan import Plan, plan_id
from asymm_deploy.bench.records import Command, LaunchRecord, RecordPair, RowSummary
from asymm_deploy.bench.store import Journal, KnownLaunches
from asymm_deploy.errors import ExitCode, UsageError


@dataclass(frozen=True, slots=True)
class BenchResumed:
    """Launches that an earlier bench finished are kept."""

    kept: int


@dataclass(frozen=True, slots=True)
class LaunchStarted:
    """A launch begins; ``done`` of ``total`` have ended."""

    model: str
    launch: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class LaunchFinished:
    """A launch ended, and its record is on disk."""

    record: LaunchRecord
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class LaunchDiscarded:
    """Heat spoilt a launch; its record is on disk, and the launch is repeated."""

    record: LaunchRecord


@dataclass(frozen=True, slots=True)
class PairFinished:
    """A paired launch ended, and both of its records are on disk."""

    records: RecordPair
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PairsGivenUp:
    """No more paired launches of ``pairs`` are made in this bench, because of ``why``."""

    pairs: tuple[str, ...]
    """Each in words."""
    why: str
    done: int
    total: int


BenchEvent: TypeAlias = (
    BenchResumed | LaunchStarted | LaunchFinished | LaunchDiscarded | PairFinished | PairsGivenUp
)

REPEATED_AT_MOST = 2
"""How often a launch is repeated at most; the same as in AndroidX Microbenchmark."""


def time_models(
    device: Device,
    subjects: Sequence[Artifact | Missing],
    plan: Plan,
    runs: Journal,
    on_event: Callable[[BenchEvent], None],
    pairs: Sequence[PairedSubjects] = (),
) -> list[RowSummary]:
    """Time every artifact as ``plan`` says and return a row for each subject, in order.

    ``pairs``, each of a subject and any other model, are timed in turns besides: the rows have
    their ratios. Where that can't be done, the rows are as they are without.

    Models take turns launch by launch, so that drift falls on all alike. Launches of the same
    plan that ``runs`` already holds are kept; failed ones are repeated. A model whose launch fails
    is not launched again; the others go on. Finished launches are kept, even on Ctrl-C.

    Raises UsageError if a core is not available or two models have the same name, and HarnessError
    if the device or the results folder fails.
    """
    refuse_same_names(subjects)
    bench = prepare(device, plan, runs, "bench")
    rows = {subject.model: _resume(subject, bench, runs) for subject in subjects}
    pair_rows = [resumed_pair(pair, bench, runs) for pair in pairs]
    work = _Work(bench, runs, on_event, [*rows.values()], pair_rows)
    kept = sum(len(row.finished) for row in rows.values())
    kept += sum(len(row.finished) for row in pair_rows)
    if kept:
        on_event(BenchResumed(kept))
    for pair_row in pair_rows:
        missing = pair_row.subjects.missing
        if missing is not None:
            work.give_up([pair_row], f"there is no {missing.model}", missing.exit_code)
    models = [*subjects, *(pair.base for pair in pairs)]
    files = [
        path
        for subject in models
        if isinstance(subject, Artifact)
        for path in subject.files
        if path.is_file()
    ]
    with device.held(bench.cpus, list(dict.fromkeys(files))):
        for number in range(plan.launches):
            for row in rows.values():
                if number in row.to_do(plan):
                    work.take(row, number)
            for pair_row in pair_rows:
                own = [rows.get(name) for name in pair_row.subjects.names]
                if any(row is not None and row.broken for row in own):
                    work.give_up([pair_row], "one of them failed alone")
                for late in pair_row.due(number, plan.launches):
                    work.take_pair(pair_row, late)
    return [
        msgspec.structs.replace(
            row.summary(), paired=tuple(x.ratio() for x in pair_rows if x.subjects.names[0] == name)
        )
        for name, row in rows.items()
    ]


@dataclass(slots=True)
class _Work:
    """What is to be launched in a bench, and how much of it is done."""

    bench: Bench
    runs: Journal
    on_event: Callable[[BenchEvent], None]
    rows: Sequence[_Row]
    pair_rows: Sequence[PairRow]
    done: int = 0
    in_vain: bool = False
    """Whether the last launch was spoilt by heat for good: such pauses would add up to hours."""

    @property
    def total(self) -> int:
        """What is done and what is left to do."""
        plan = self.bench.plan
        own = sum(len(row.to_do(plan)) for row in self.rows)
        return self.done + own + sum(len(row.to_do()) for row in self.pair_rows)

    def take(self, row: _Row, number: int) -> None:
        """Make a model's launch."""
        self.on_event(LaunchStarted(row.subject.model, number, self.done, self.total))
        (record,) = self._cool(lambda: (_measure(row, number, self.bench),))
        row.add(record)
        self.done += 1
        self.on_event(LaunchFinished(record, self.done, self.total))
        refuse_nothing_there(record, row.records.values())

    def take_pair(self, row: PairRow, number: int) -> None:
        """Make a paired launch; if the runner knows none, that was the last one."""
        if number not in row.to_do():
            return
        self.on_event(LaunchStarted(str(row.subjects), number, self.done, self.total))
        try:
            one, other = self._cool(lambda: row.measure(number, self.bench))
        except NoPairsHereError as error:
            why = f"the runner can't time two models in turns ({error})"
            self.give_up(self.pair_rows, why)
            return
        row.add(number, (one, other))
        self.done += 1
        self.on_event(PairFinished((one, other), self.done, self.total))

    def give_up(
        self, rows: Sequence[PairRow], why: str, exit_code: ExitCode = ExitCode.HARNESS
    ) -> None:
        """Make no more launches of these pairs, and say so once."""
        left = [row for row in rows if row.to_do()]
        for row in left:
            row.give_up(why, exit_code)
        if left:
            named = tuple(str(row.subjects) for row in left)
            self.on_event(PairsGivenUp(named, why, self.done, self.total))

    def _cool(self, measure: Callable[[], tuple[LaunchRecord, ...]]) -> tuple[LaunchRecord, ...]:
        """Launch, and once more after a pause if heat spoilt it; put all records on disk."""
        records = measure()
        for _ in range(0 if self.in_vain else REPEATED_AT_MOST):
            spoilt = spoilt_by_heat(records)
            if spoilt is None:
                break
            self._write_down(records)
            self.on_event(LaunchDiscarded(spoilt))
            self.bench.device.cool_down(is_hot=verdicts.heat_was_seen(spoilt))
            records = measure()
        self.in_vain = spoilt_by_heat(records) is not None
        self._write_down(records)
        return records

    def _write_down(self, records: Sequence[LaunchRecord]) -> None:
        for record in records:
            self.runs.append(record)


@dataclass(slots=True)
class _Row:
    """A subject and its launches so far."""

    subject: Artifact | Missing
    attempt: int
    records: dict[int, LaunchRecord] = field(default_factory=dict)
    placed: Placed | None = None
    """Where its files are on the device, once they were put there."""
    broken: bool = False
    """A launch failed in this bench."""

    @property
    def finished(self) -> list[int]:
        return [number for number, record in self.records.items() if record.error is None]

    def to_do(self, plan: Plan) -> set[int]:
        if self.broken:
            return set()
        planned = 1 if isinstance(self.subject, Missing) else plan.launches
        return set(range(planned)) - set(self.finished)

    def add(self, record: LaunchRecord) -> None:
        self.records[record.launch] = record
        self.broken = self.broken or record.error is not None

    def verified_by(self) -> LaunchRecord | None:
        """Return the finished launch whose output was compared, or else the first finished one."""
        return verdicts.vouching([self.records[number] for number in sorted(self.finished)])

    def summary(self) -> RowSummary:
        return stats.summarise([self.records[number] for number in sorted(self.records)])


def refuse_same_names(subjects: Sequence[Artifact | Missing]) -> None:
    """Raise UsageError if two models have one name: they would share a row."""
    names = [subject.model for subject in subjects]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"two of the models are called {name}, and would share one row",
                "time them into different folders, or rename one of the files",
            )


def prepare(
    device: Device, plan: Plan, runs: KnownLaunches, written_by: Command, other: Plan | None = None
) -> Bench:
    """Return what all launches have in common, on the cores of an earlier bench of this plan.

    Those of the ``other`` plan are as good. Raises UsageError if a core is not available,
    HarnessError if there is no runner.
    """
    runner = device.runner(plan.engine)
    identity, *more = (
        plan_id(each, device.facts(()), runner.identity) for each in (plan, other) if each
    )
    same_plan = [record for record in runs.records if record.plan_id in {identity, *more}]
    earlier = same_plan[-1].cpus if same_plan else ()
    cpus = device.choose_cpus(plan.cpu, plan.threads, earlier)
    return Bench(device, plan, identity, device.facts(cpus), cpus, runner.command, written_by)


def with_plan(bench: Bench, plan: Plan) -> Bench:
    """Return the bench with another plan, on the same cores."""
    runner = bench.device.runner(plan.engine)
    identity = plan_id(plan, bench.device.facts(()), runner.identity)
    return replace(bench, plan=plan, plan_id=identity)


def _resume(subject: Artifact | Missing, bench: Bench, runs: Journal) -> _Row:
    """Return the subject's row with those launches of its latest attempt that can be kept."""
    known = subject if isinstance(subject, Artifact) else None
    files = (known.sha256, known.inputs_sha256) if known else ("", None)
    of_plan = [
        record
        for record in stats.alone(runs.records)
        if record.plan_id == bench.plan_id and record.model == subject.model
    ]
    if not of_plan:
        return _Row(subject, attempt=0)
    attempt = max(record.attempt for record in of_plan)
    row = _Row(subject, attempt)
    if bench.plan.fresh:
        return _Row(subject, attempt + 1)
    for record in of_plan:
        if record.attempt == attempt:
            # Measured with another file or input, or on another core: not part of this row.
            if (record.artifact_sha256, record.inputs_sha256) != files or (
                record.cpus != bench.cpus
            ):
                return _Row(subject, attempt + 1)
            row.records[record.launch] = record
    tried = Counter(record.launch for record in of_plan if record.attempt == attempt)
    for number in row.finished:
        record = launch.allowing(row.records[number], bench.plan.allow)
        in_pause = verdicts.worth_repeating(record) and tried[number] <= REPEATED_AT_MOST
        if in_pause or is_to_be_tried_again(record):  # a driver may have been installed since
            del row.records[number]
    row.records = {each.launch: each for each in in_place_of_the_newest(row.records.values())}
    for number in row.finished:
        record = row.records[number]
        if record.allowed != bench.plan.allow:
            # Judged again and written down: the last line for a launch counts.
            row.records[number] = launch.allowing(record, bench.plan.allow)
            runs.append(row.records[number])
    return row


def _measure(row: _Row, number: int, bench: Bench) -> LaunchRecord:
    subject = row.subject
    blank = launch.blank(bench, subject, row.attempt, number)
    if isinstance(subject, Missing):
        return launch.failed(blank, subject.reason, subject.exit_code)
    record, row.placed = launch.put_and_launch(bench, blank, subject, row.placed, row.verified_by())
    return record
