"""Which comparison two folders get: live, recorded, or none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import comparison
from asymm_deploy.check.check_request import CheckRequest
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError

Compare = Callable[..., GateReport]


@pytest.fixture
def compare(tmp_path: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Compare folders a and b; a live comparison ends before it times anything."""

    def live(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparison, "compare_live", live)

    def run(**more: Any) -> GateReport:
        named = {"baseline": tmp_path / "a", "candidate": tmp_path / "b", "out": tmp_path / "out"}
        request = CheckRequest(**named | more)
        unused: Any = None
        return comparison.compare_versions(request, plan, GatePolicy(), unused, unused)

    return run


def results(folder: Path, good: LaunchRecord, ns: int) -> None:
    folder.mkdir(exist_ok=True)
    records = [
        msgspec.structs.replace(
            good,
            launch=n,
            launches_planned=10,
            runs=1,
            samples_ns=(ns + 10_000 * n,),
            started_at=f"2026-01-01T00:0{n}:00+00:00",
            artifact_sha256=folder.name * 64,
        )
        for n in range(10)
    ]
    lines = [msgspec.json.encode(record) + b"\n" for record in records]
    (folder / store.NAME).write_bytes(b"".join(lines))


def model(folder: Path) -> None:
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "manifest.json").write_text("{}")


def test_two_folders_of_results_are_compared_as_recorded(
    compare: Compare, tmp_path: Path, good: LaunchRecord
) -> None:
    results(tmp_path / "a", good, 10_000_000)
    results(tmp_path / "b", good, 12_000_000)
    found = compare()
    assert (found.mode, found.verdict) == ("recorded", "regressed")
    assert found.baseline == str(tmp_path / "a")
    assert found.candidate == str(tmp_path / "b")


def test_two_folders_of_models_are_compared_live_even_with_results_beside_them(
    compare: Compare, tmp_path: Path, good: LaunchRecord
) -> None:
    for name in ("a", "b"):
        model(tmp_path / name)
        results(tmp_path / name, good, 10_000_000)
    with pytest.raises(KeyboardInterrupt):
        compare()


@pytest.mark.parametrize("models", ["a", "b"])
def test_models_and_results_do_not_compare(
    compare: Compare, tmp_path: Path, good: LaunchRecord, models: str
) -> None:
    other = {"a": "b", "b": "a"}[models]
    model(tmp_path / models)
    results(tmp_path / other, good, 10_000_000)
    with pytest.raises(UsageError, match=rf"/{models} has exported models and .*/{other} has only"):
        compare()


def test_each_folder_is_named_by_its_option(
    compare: Compare, tmp_path: Path, good: LaunchRecord
) -> None:
    with pytest.raises(UsageError, match="--baseline: there is no"):
        compare()
    results(tmp_path / "a", good, 10_000_000)
    with pytest.raises(UsageError, match="--candidate: there is no"):
        compare()


def test_new_launches_are_kept_apart_from_what_is_compared(
    compare: Compare, tmp_path: Path, good: LaunchRecord
) -> None:
    for name in ("a", "b"):
        results(tmp_path / name, good, 10_000_000)
    with pytest.raises(UsageError, match="must stay as they are"):
        compare(out=tmp_path / "b")
