"""Launches of many commits, and what the check makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change, GateReport
from asymm_deploy.check.history.creep import check_history
from asymm_deploy.check.policy import GatePolicy

Write = Callable[..., list[Path]]


def commit(number: int) -> str:
    return f"abc{number:05x}"


@pytest.fixture
def write(tmp_path: Path, good: LaunchRecord) -> Write:
    """Write a file for each latency, in ms: three launches with that median, 100 ns apart.

    ``more`` changes the records. What is written to a file later was launched later.
    """

    earlier: Counter[Path] = Counter()

    def written(latencies_ms: Sequence[float], model: str = "net", **more: Any) -> list[Path]:
        paths = []
        for number, latency_ms in enumerate(latencies_ms):
            path = tmp_path / f"2026-01-01-{number:03}-{commit(number)}.jsonl"
            rng = np.random.default_rng([number, earlier[path]])
            day, hour = divmod(number, 24)
            with path.open("ab") as file:
                for launch in range(3):
                    ns = round(latency_ms * 1e6) + launch * 100
                    below, above = rng.integers(1, ns // 1000, size=(2, 2))
                    record = msgspec.structs.replace(
                        good,
                        model=model,
                        launch=launch,
                        runs=5,
                        samples_ns=(*map(int, ns - below), ns, *map(int, ns + above)),
                        started_at=f"2026-01-{day + 1:02}T{hour:02}:{earlier[path]:02}:0{launch}Z",
                    )
                    record = msgspec.structs.replace(record, **more)
                    record = verdicts.judged_with(record, record.flags)
                    file.write(msgspec.json.encode(record) + b"\n")
            earlier[path] += 1
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
        changed = [msgspec.structs.replace(record, **more) for record in records]
        lines = [msgspec.json.encode(verdicts.judged_with(x, x.flags)) for x in changed]
        path.write_bytes(b"".join(line + b"\n" for line in lines))

    return replace
