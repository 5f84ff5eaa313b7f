"""Launches of commits that nobody made, and stores to add them to."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.history.adding import Added, add_rows
from asymm_deploy.history.found.commit_facts import CommitFacts
from asymm_deploy.history.found.result_rows import result_rows

Launches = Callable[..., list[LaunchRecord]]
Add = Callable[..., Added]


def facts_of(number: int, **changes: object) -> CommitFacts:
    """Return commit 1, 2, ...: an hour after the one before."""
    facts = CommitFacts(
        commit=f"{number:040x}",
        branch="main",
        commit_time=datetime.datetime(2026, 1, 1) + datetime.timedelta(hours=number),
        dirty=False,
    )
    values = {name: getattr(facts, name) for name in CommitFacts.__slots__} | changes
    return CommitFacts(**values)


@pytest.fixture
def launches(good: LaunchRecord) -> Launches:
    """Make launches of a commit: their samples are those of no other commit."""

    def make(
        number: int = 1, count: int = 3, ms: float = 10.0, **changes: object
    ) -> list[LaunchRecord]:
        found = []
        for launch in range(count):
            first = round(ms * 1e6) + 1000 * launch + number
            record = msgspec.structs.replace(
                good,
                launch=launch,
                runs=5,
                samples_ns=tuple(first + 7 * run for run in range(5)),
                started_at=f"2026-02-{number % 27 + 1:02}T00:{launch:02}:00+00:00",
            )
            found.append(msgspec.structs.replace(record, **changes))
        return found

    return make


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write records as the runs.jsonl of a results folder."""

    def write(records: Sequence[LaunchRecord], name: str = "results") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        (folder / "runs.jsonl").write_bytes(lines)
        return folder

    return write


@pytest.fixture
def add(tmp_path: Path, written: Callable[..., Path]) -> Add:
    """Add records to a store, ``tmp_path / "store"`` unless another is named."""

    def added(
        records: Sequence[LaunchRecord], number: int = 1, store: str = "store", **changes: object
    ) -> Added:
        found = result_rows(written(records), tmp_path / "artifacts")
        return add_rows(tmp_path / store, found.rows, facts_of(number, **changes), "results", print)

    return added
