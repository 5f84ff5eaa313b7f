"""cold.jsonl survives what cuts a write short, and is refused where somebody edited it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.cold.cold_store import COLD_NAME, opened_cold
from asymm_deploy.bench.store import opened
from asymm_deploy.errors import HarnessError, UsageError


@pytest.fixture
def path(cold: Any, cold_device: Callable[..., Any], tmp_path: Path) -> Path:
    cold.start(cold_device(), launches=1)
    return tmp_path / "results" / COLD_NAME


def told(folder: Path) -> list[str]:
    said: list[str] = []
    with opened_cold(folder, said.append) as runs:
        return [*said, str(len(runs.records))]


def test_half_a_line_is_put_aside(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    said, count = told(path.parent)
    assert "cold.jsonl.torn" in said
    assert count == "2"
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("line", "changes", "why"),
    [
        (0, {"stages": None}, "net has no stages"),
        (1, {"memory": None}, "net has no memory"),
        (0, {"resident": 101}, "101 pages in memory of 100"),
        (0, {"pages": -1}, "impossible numbers of pages"),
        (0, {"pages": None}, "impossible numbers of pages"),
        (0, {"stages": {"first_ns": 0}}, "a stage of no time"),
        (0, {"stages": {"first_cpu_ns": 10**9}}, "more processor time than it took"),
        (0, {"stages": {"engine_ns": 10**18}}, "a stage of no time, or of more than a day"),
        (0, {"stages": {"read_ns": 10**9}}, "add up to more than all of them"),
        (0, {"launch": {"flags": ["faster"]}}, "the flag 'faster'"),
        (0, {"launch": {"samples_ns": []}}, "0 samples of 20 runs"),
        (0, {"launch": {"process_ns": 10**6}}, "in a process that lived|process lived"),
        (0, {"schema_version": 99}, "schema_version 99"),
        (0, {"kind": "both"}, "damaged in line 1"),
    ],
)
def test_what_nobody_measured_is_refused_and_nothing_is_changed(
    path: Path, line: int, changes: dict[str, Any], why: str
) -> None:
    lines = [msgspec.json.decode(each) for each in path.read_bytes().splitlines()]
    for name, value in changes.items():
        if isinstance(value, dict):
            lines[line][name].update(value)
        else:
            lines[line][name] = value
    edited = b"".join(msgspec.json.encode(each) + b"\n" for each in lines)
    path.write_bytes(edited)
    with pytest.raises(UsageError, match=why):
        told(path.parent)
    assert path.read_bytes() == edited


def test_a_folder_that_a_bench_holds_is_refused(path: Path) -> None:
    with (
        opened(path.parent, lambda _: None, "bench"),
        pytest.raises(HarnessError, match="is writing to"),
    ):
        told(path.parent)
