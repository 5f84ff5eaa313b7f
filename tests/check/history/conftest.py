"""Launches of many commits, and what the check makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.history.creep import check_history
from asymm_deploy.check.policy import GatePolicy

Write = Callable[..., list[Path]]


def commit(number: int) -> str:
    return f"abc{number:05x}"


@pytest.fixture
def write(tmp_path: Path, good: LaunchRecord) -> Write:
    """Write a file for each latency, in ms: three launches of it; ``more`` changes the records."""

    def written(latencies_ms: Sequence[float], model: str = "net", **more: object) -> list[Path]:
        paths = []
        for number, latency_ms in enumerate(latencies_ms):
            path = tmp_path / f"2026-01-01-{number:03}-{commit(number)}.jsonl"
            with path.open("ab") as file:
                for launch in range(3):
                    ns = round(latency_ms * 1e6) + launch * 100
                    record = msgspec.structs.replace(
                        good,
                        model=model,
                        launch=launch,
                        runs=5,
                        samples_ns=tuple(ns + step for step in (-2, -1, 0, 1, 2)),
                        started_at=f"2026-01-{number // 24 + 1:02}T{number % 24:02}:00:0{launch}Z",
                    )
                    file.write(msgspec.json.encode(msgspec.structs.replace(record, **more)) + b"\n")
            paths.append(path)
        return paths

    return written


@pytest.fixture
def judged() -> Callable[..., GateReport]:
    """Check a history with the usual policy."""

    def check(files: Sequence[Path], **more: Any) -> GateReport:
        return check_history(files, GatePolicy(), **more)

    return check


@pytest.fixture
def only() -> Callable[[GateReport], Change]:
    """Return the only change of a report."""

    def change_of(report: GateReport) -> Change:
        (change,) = report.changes
        return change

    return change_of


@pytest.fixture
def replaced() -> Callable[..., None]:
    """Change all launches in a file."""

    def replace(path: Path, **more: object) -> None:
        records = [
            msgspec.json.decode(line, type=LaunchRecord) for line in path.read_bytes().splitlines()
        ]
        lines = [msgspec.json.encode(msgspec.structs.replace(record, **more)) for record in records]
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    return replace
