"""Refuses edited files: lines that are not in the order of time, or that contradict themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asymm_deploy.bench import flags, store
from asymm_deploy.bench.judge import rows
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.copied_launches import LaunchFile, launch_place
from asymm_deploy.errors import ExitCode, UsageError

_CLOCK_STEP = timedelta(milliseconds=500)
"""What a clock that is set right may jump back."""
_AHEAD = timedelta(hours=1)
"""How far another machine's clock may be ahead of ours."""


def refuse_edited(file: LaunchFile) -> None:
    """Raise UsageError if these can't be the lines that a bench wrote."""
    refuse_contradictions(file.records, file.path)
    refuse_disorder(file)


def refuse_disorder(file: LaunchFile) -> None:
    """Raise UsageError unless these can be the lines of a bench, in the order of the file.

    Each launch starts after the one before it on its device has ended, and those of a row are
    numbered in that order. Lines that bench wrote again, to judge another way, are the same launch.
    Paired launches, which nothing is compared with, have numbers of their own.
    """
    latest: dict[str, _Placed] = {}
    highest: dict[tuple[object, ...], _Placed] = {}
    numbers: set[tuple[object, ...]] = set()
    for found in file.first_lines.values():
        record = found.record
        if record.paired is not None:
            continue
        placed = _Placed(record, found.place, _started(record, found.place))
        before = latest.get(record.device)
        if before is not None:
            _refuse_overlap(before, placed)
        latest[record.device] = placed
        row = (*rows.row_key(record), *rows.circumstances_key(record))
        top = highest.get(row)
        if (
            top is not None
            and record.launch < top.record.launch
            and (*row, record.launch) not in numbers
        ):
            raise _edited(
                f"{top.place} comes before {placed.place}: bench takes them by number",
                "restore the numbers",
            )
        if top is None or record.launch > top.record.launch:
            highest[row] = placed
        numbers.add((*row, record.launch))


def refuse_contradictions(records: Sequence[LaunchRecord], path: Path) -> None:
    """Raise UsageError for a record whose parts don't agree, or that a check wrote."""
    for line, record in enumerate(records, start=1):
        place = launch_place(record, path, line)
        store.refuse_of_check(
            [record], path, "give a folder that bench wrote, or compare the models live"
        )
        if not 0 <= record.launch < record.launches_planned:
            raise _edited(
                f"{place} is none of the {record.launches_planned} that were planned",
                "restore the numbers",
            )
        wrong = _contradiction(record)
        if wrong is not None:
            raise _edited(f"{place} {wrong}", "restore the file as it was")


@dataclass(frozen=True, slots=True)
class _Placed:
    """A launch, its line and when it started."""

    record: LaunchRecord
    place: str
    started: datetime

    @property
    def lived(self) -> timedelta:
        """How long its process lived, at least."""
        record = self.record
        known = record.process_ns or (record.wall_ns or 0) + (record.init_ns or 0)
        return timedelta(microseconds=known / 1000)


def _started(record: LaunchRecord, place: str) -> datetime:
    try:
        started = datetime.fromisoformat(record.started_at)
    except ValueError:
        started = None
    if started is None or started.tzinfo is None:
        raise _edited(
            f"{place} started at {record.started_at[:40]!r}, which is no time with a zone",
            "restore the file as it was",
        )
    if started > datetime.now(UTC) + _AHEAD:
        raise _edited(
            f"{place} started at {record.started_at}, which is yet to come",
            "restore the file as it was, or set this machine's clock",
        )
    return started


def _refuse_overlap(before: _Placed, placed: _Placed) -> None:
    if placed.started >= before.started + before.lived - _CLOCK_STEP:
        return
    times = f"{before.record.started_at} and {placed.record.started_at}"
    if placed.started < before.started:
        what = f"started at {times}: times run backwards"
    else:
        lived = before.lived.total_seconds()
        what = f"started at {times}, and the first took {lived:.3g} s: they overlap"
    raise _edited(
        f"{before.place} and {placed.place} {what}", "put the lines in the order of their times"
    )


def _contradiction(record: LaunchRecord) -> str | None:
    if record.error is not None:
        if record.valid or record.exit_code == ExitCode.OK or flags.FAILED not in record.flags:
            return "failed, and its flags, 'valid' or 'exit_code' say that it did not"
        return None
    if flags.FAILED in record.flags:
        return "is flagged failed, and has no error"
    valid = flags.leave_valid(record.flags, record.allowed)
    code = flags.exit_code_for(record.flags, record.allowed)
    if (record.valid, record.exit_code) == (valid, code):
        return None
    named = f"the flags {' '.join(record.flags)}" if record.flags else "no flags"
    return (
        f"has {named}, which go with valid {str(valid).lower()} and exit_code {int(code)}, not "
        f"with {str(record.valid).lower()} and {record.exit_code}"
    )


def _edited(what: str, restore: str) -> UsageError:
    return UsageError(what, f"{restore}, or bench again with another --out; nothing was changed")
