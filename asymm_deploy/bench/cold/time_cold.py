"""Start models cold on one device: each launch is on disk as soon as it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import msgspec

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.cold.cold_launch import failed_cold, put_and_launch_cold
from asymm_deploy.bench.cold.cold_records import (
    COLD_RUNS,
    MEMORY_LAUNCHES,
    ColdPass,
    ColdRecord,
    ColdRow,
)
from asymm_deploy.bench.cold.cold_rows import cold_judged, launch_key, summarise_cold
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.measure import (
    REPEATED_AT_MOST,
    BenchResumed,
    LaunchDiscarded,
    LaunchStarted,
    prepare,
    refuse_same_names,
)
from asymm_deploy.bench.plan import MOST_LAUNCHES, Plan
from asymm_deploy.bench.records import LaunchRecord


class ColdJournal(Protocol):
    """Cold launches that can be read and added to."""

    @property
    def records(self) -> tuple[ColdRecord, ...]:
        """All records, in the order in which they were added."""
        ...

    def append(self, record: ColdRecord) -> None:
        """Add a record; return when it is on disk, raise HarnessError if that fails."""
        ...


@dataclass(frozen=True, slots=True)
class ColdFinished:
    """A cold launch ended, and its record is on disk."""

    record: ColdRecord
    done: int
    total: int


ColdEvent: TypeAlias = BenchResumed | LaunchStarted | LaunchDiscarded | ColdFinished


def cold_runs(launches: int) -> int:
    """Return the runs of a plan with so many launches; at most as many as a plan may have."""
    return COLD_RUNS * max(1, min(launches, MOST_LAUNCHES))


def cold_launches(plan: Plan) -> int:
    """Return how many launches a model has, those that read the memory included."""
    return plan.launches + min(MEMORY_LAUNCHES, plan.launches)


def time_cold(
    device: Device,
    runs: ColdJournal,
    on_event: Callable[[ColdEvent], None],
    *,
    subjects: Sequence[Artifact | Missing],
    plan: Plan,
) -> list[ColdRow]:
    """Start every artifact as often as ``plan`` says and return a row for each, in order.

    ``plan`` has ``cold_runs`` and COLD_WARMUP. Models take turns launch by launch; the launches
    that read the memory come last. Launches of the same plan that ``runs`` already holds are kept,
    as in ``measure.time_models``, which raises the same errors.
    """
    refuse_same_names(subjects)
    bench = prepare(device, plan, _Launches(runs), "bench")
    rows = [_resumed(subject, bench, runs) for subject in subjects]
    kept = sum(len(row.finished) for row in rows)
    if kept:
        on_event(BenchResumed(kept))
    work = _ColdWork(bench, runs, on_event, rows)
    files = [
        path
        for subject in subjects
        if isinstance(subject, Artifact)
        for path in subject.files
        if path.is_file()
    ]
    with device.held(bench.cpus, list(dict.fromkeys(files))):
        for kind, number in _in_order(plan):
            for row in rows:
                if (kind, number) in row.to_do(plan):
                    work.take(row, kind, number)
    return [row.summary() for row in rows]


class _Launches:
    """The launches alone, to find the cores of an earlier bench."""

    def __init__(self, runs: ColdJournal) -> None:
        self._runs = runs

    @property
    def records(self) -> tuple[LaunchRecord, ...]:
        return tuple(record.launch for record in self._runs.records)


def _in_order(plan: Plan) -> list[tuple[ColdPass, int]]:
    timed: list[tuple[ColdPass, int]] = [("times", number) for number in range(plan.launches)]
    reading = min(MEMORY_LAUNCHES, plan.launches)
    return [*timed, *(("memory", number) for number in range(reading))]


@dataclass(slots=True)
class _ColdRowSoFar:
    """A subject and its launches so far."""

    subject: Artifact | Missing
    attempt: int
    records: dict[tuple[ColdPass, int], ColdRecord] = field(default_factory=dict)
    placed: Placed | None = None
    """Where its files are on the device, once they were put there."""
    broken: bool = False
    """A launch failed in this bench."""

    @property
    def finished(self) -> list[tuple[ColdPass, int]]:
        return [key for key, record in self.records.items() if record.launch.error is None]

    def to_do(self, plan: Plan) -> set[tuple[ColdPass, int]]:
        if self.broken:
            return set()
        planned = _in_order(plan)
        if isinstance(self.subject, Missing):
            planned = planned[:1]
        return set(planned) - set(self.finished)

    def verified_by(self) -> LaunchRecord | None:
        """Return the finished launch whose output was compared, or else the first finished one."""
        return verdicts.vouching([record.launch for record in self._ordered() if _ended(record)])

    def summary(self) -> ColdRow:
        return summarise_cold(self._ordered())

    def _ordered(self) -> list[ColdRecord]:
        return sorted(self.records.values(), key=launch_key)


@dataclass(slots=True)
class _ColdWork:
    """What is to be launched in a bench, and how much of it is done."""

    bench: Bench
    runs: ColdJournal
    on_event: Callable[[ColdEvent], None]
    rows: Sequence[_ColdRowSoFar]
    done: int = 0
    in_vain: bool = False
    """Whether the last launch was spoilt by heat for good: such pauses would add up to hours."""

    def take(self, row: _ColdRowSoFar, kind: ColdPass, number: int) -> None:
        """Make a launch, and once more after a pause if heat spoilt it; put all records on disk."""
        self.on_event(LaunchStarted(row.subject.model, number, self.done, self._total()))
        record = _measured(row, kind, number, self.bench)
        for _ in range(0 if self.in_vain else REPEATED_AT_MOST):
            if not verdicts.worth_repeating(record.launch):
                break
            self.runs.append(record)
            self.on_event(LaunchDiscarded(record.launch))
            self.bench.device.cool_down(is_hot=verdicts.heat_was_seen(record.launch))
            record = _measured(row, kind, number, self.bench)
        self.in_vain = verdicts.worth_repeating(record.launch)
        self.runs.append(record)
        row.records[kind, number] = record
        row.broken = row.broken or not _ended(record)
        self.done += 1
        self.on_event(ColdFinished(record, self.done, self._total()))

    def _total(self) -> int:
        return self.done + sum(len(row.to_do(self.bench.plan)) for row in self.rows)


def _measured(row: _ColdRowSoFar, kind: ColdPass, number: int, bench: Bench) -> ColdRecord:
    blank = launch.blank(bench, row.subject, row.attempt, number)
    if kind == "memory":  # its times are not used
        blank = msgspec.structs.replace(blank, runs=1, warmup=0)
    cold = ColdRecord(kind=kind, launch=blank)
    if isinstance(row.subject, Missing):
        return failed_cold(cold, row.subject.reason, row.subject.exit_code)
    record, row.placed = put_and_launch_cold(
        bench, cold, row.subject, row.placed, row.verified_by()
    )
    return record


def _resumed(subject: Artifact | Missing, bench: Bench, runs: ColdJournal) -> _ColdRowSoFar:
    """Return the subject's row with those launches of its latest attempt that can be kept."""
    known = subject if isinstance(subject, Artifact) else None
    files = (known.sha256, known.inputs_sha256) if known else ("", None)
    of_plan = [
        record
        for record in runs.records
        if record.launch.plan_id == bench.plan_id and record.launch.model == subject.model
    ]
    if not of_plan:
        return _ColdRowSoFar(subject, attempt=0)
    attempt = max(record.launch.attempt for record in of_plan)
    if bench.plan.fresh:
        return _ColdRowSoFar(subject, attempt + 1)
    row = _ColdRowSoFar(subject, attempt)
    latest = [record for record in of_plan if record.launch.attempt == attempt]
    for record in latest:
        made = record.launch
        # Made of another file or input, or on another core: not part of this row.
        if (made.artifact_sha256, made.inputs_sha256) != files or made.cpus != bench.cpus:
            return _ColdRowSoFar(subject, attempt + 1)
        row.records[record.kind, made.launch] = record
    tried = Counter((record.kind, record.launch.launch) for record in latest)
    for key in row.finished:
        record = row.records[key]
        now = cold_judged(record, launch.allowing(record.launch, bench.plan.allow))
        if verdicts.worth_repeating(now.launch) and tried[key] <= REPEATED_AT_MOST:
            del row.records[key]  # the bench ended during the pause before the next try
        elif record.launch.allowed != bench.plan.allow:
            # Judged again and written down: the last line for a launch counts.
            row.records[key] = now
            runs.append(now)
    return row


def _ended(record: ColdRecord) -> bool:
    return record.launch.error is None
