"""Launches that were read from a file: which count, which were repeated, which are others'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import rows
from asymm_deploy.bench.records import LaunchRecord

LaunchIdentity: TypeAlias = tuple[object, ...]


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
