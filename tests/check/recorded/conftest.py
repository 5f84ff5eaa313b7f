"""Results folders as a bench would have left them, and their comparison."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.check.recorded.recorded_arm import RecordedChoice
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison, compare_folders

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Edit = Callable[[LaunchRecord], LaunchRecord]


@pytest.fixture
def folder(tmp_path: Path, good: LaunchRecord) -> Callable[..., Path]:
    """Write launches of 10 ms, varying by 1 %, as a bench would have left them.

    Those of a folder called ``old`` are of another file than those of the others, except of
    ``steady``, which never changes.
    """
    made: dict[str, int] = {}

    def write(
        name: str,
        *,
        slower: float = 0.0,
        launches: int = 10,
        edit: Edit = lambda r: r,
        **fields: Any,
    ) -> Path:
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        made.setdefault(name, 0)
        steady = name.startswith("old") or fields.get("model") == "steady"
        of_old = {} if steady else {"artifact_sha256": "1" * 64}
        rng = np.random.default_rng([*name.encode(), *[made[name]] * bool(made[name])])
        with (path / store.NAME).open("ab") as file:
            for number in range(launches):
                ns = int(1e7 * (1 + slower) * (1 + 0.01 * rng.normal()))
                made[name] += 1
                record = msgspec.structs.replace(
                    good,
                    launch=number,
                    launches_planned=launches,
                    runs=2,
                    samples_ns=(ns, ns + 10),
                    started_at=(EPOCH + timedelta(minutes=made[name])).isoformat(),
                    **of_old | fields,
                )
                edited = edit(record)
                edited = verdicts.judged_with(edited, edited.flags)
                file.write(msgspec.json.encode(edited) + b"\n")
        return path

    return write


@pytest.fixture
def compared() -> Callable[..., RecordedComparison]:
    """Compare two folders."""

    def compare(a: Path, b: Path, sentinel: str | None = None, **choice: Any) -> RecordedComparison:
        return compare_folders(a, b, RecordedChoice(**choice), GatePolicy(), sentinel)

    return compare


@pytest.fixture
def latency() -> Callable[..., Change]:
    """Find a model's change of latency."""

    def change_of(found: RecordedComparison, model: str = "net") -> Change:
        (change,) = [c for c in found.changes if (c.model, c.metric) == (model, "latency")]
        return change

    return change_of
