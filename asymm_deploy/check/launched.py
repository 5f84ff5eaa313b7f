"""Launches that were read from a file: which count, which were repeated, which are others'."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import rows, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import ExitCode

LaunchIdentity: TypeAlias = tuple[object, ...]
_MADE_UP = frozenset({"repeated-samples", "no-variance"})
"""Flags of a row whose launches nothing can have measured."""


@dataclass(frozen=True, slots=True)
class RowFailure:
    """Why a row can't be compared, whatever its other launches say."""

    why: str
    code: ExitCode


def identity(record: LaunchRecord) -> LaunchIdentity:
    """Return what no two launches have in common, whichever files they are in."""
    return (record.started_at, record.model, record.plan_id, record.launch, record.samples_ns)


def measured(record: LaunchRecord) -> bytes:
    """Return all that was measured, without what was judged: equal for lines of one launch."""
    unjudged = msgspec.structs.replace(record, flags=(), allowed=(), valid=False, exit_code=0)
    return msgspec.json.encode(unjudged)


def is_valid(record: LaunchRecord, allow: Sequence[str]) -> bool:
    """Whether the launch ended and nothing spoils it, apart from flags that bench or we allow."""
    return record.error is None and flags.leave_valid(record.flags, (*record.allowed, *allow))


def row_failure(row: Sequence[LaunchRecord], allow: Sequence[str]) -> RowFailure | None:
    """Return what failed among a row's launches; None if at worst the timing was disturbed."""
    failed = next((record for record in row if record.error is not None), None)
    names = {name for record in row for name in {*record.flags}.difference(record.allowed, allow)}
    code = flags.exit_code_for(
        names, (), ExitCode.HARNESS if failed is None else ExitCode(failed.exit_code)
    )
    if code in (ExitCode.OK, ExitCode.UNSTABLE):
        return None
    if failed is not None:
        return RowFailure(str(failed.error), code)
    return RowFailure(flags.FLAGS[flags.gravest_first(names)[0]].meaning, code)


def judged_together(row: Sequence[LaunchRecord], allow: Sequence[str]) -> list[LaunchRecord]:
    """Return a row's launches; those that count are flagged if nothing can have measured them."""
    counting = [record for record in row if is_valid(record, allow)]
    found = _MADE_UP.intersection(verdicts.row_flags(counting))
    return [
        verdicts.judged_with(record, {*record.flags, *found}) if is_valid(record, allow) else record
        for record in row
    ]


def retried(
    row: Sequence[LaunchRecord], records: Sequence[LaunchRecord], allow: Sequence[str]
) -> tuple[LaunchRecord, ...]:
    """Return launches that don't count and that bench repeated later, in another process."""
    started = {(rows.circumstances_key(record), record.launch): record.started_at for record in row}
    return tuple(
        record
        for record in records
        if record.started_at
        != started.get((rows.circumstances_key(record), record.launch), record.started_at)
        and not is_valid(record, allow)
    )


def left_out(row: Sequence[LaunchRecord], records: Sequence[LaunchRecord]) -> int:
    """Return how many launches of ``records`` belong to other files or plans than ``row``'s."""
    mine = rows.circumstances_key(row[-1])
    others = {
        (rows.circumstances_key(record), record.launch)
        for record in records
        if rows.circumstances_key(record) != mine and record.error is None
    }
    return len(others)
