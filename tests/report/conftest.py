"""Rows as bench makes them, without timing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import rows
from asymm_deploy.bench.records import DeviceFacts, LaunchRecord, RowSummary
from asymm_deploy.models import names

Launch = Callable[..., LaunchRecord]


@pytest.fixture(scope="session")
def launch(good: LaunchRecord) -> Launch:
    """Make a launch of five runs of about ``ms`` each, all well; keywords change its fields."""

    def make(
        model: str = "asymmnet_large_100", ms: float = 10.0, **changes: object
    ) -> LaunchRecord:
        device = str(changes.get("device", "pixel"))
        record = msgspec.structs.replace(
            good,
            model=model,
            network=None,
            scale=None,
            multiplier=None,
            floor_madds=None,
            device=device,
            device_facts=DeviceFacts(
                device=device, soc="chip", cpu_max_khz=2_840_000, cores=8, abi="arm64", os="Linux"
            ),
            cpu=7,
            cpus=(7,),
            cpu_before=7,
            cpu_after=7,
            launches_planned=2,
            runs=5,
            warmup=1,
            samples_ns=tuple(round(ms * 1e6) + step for step in (-200, -100, 0, 100, 200)),
            calibration=None,
            wall_ns=None,
            off_core_ns=None,
            waited_ns=None,
            steal_ns=None,
            started_at="2026-01-31T23:59:00+00:00",
        )
        return msgspec.structs.replace(record, **changes)

    return make


@pytest.fixture(scope="session")
def row(launch: Launch) -> Callable[..., RowSummary]:
    """Make the row of one such launch."""

    def make(model: str = "asymmnet_large_100", ms: float = 10.0, **changes: object) -> RowSummary:
        return rows.summarise([launch(model, ms, **changes)])

    return make


@pytest.fixture(scope="session")
def table5_launches(launch: Launch) -> list[LaunchRecord]:
    """Two launches for each model of Table 5: 1 ms for the first, 2 ms for the second, ..."""
    return [
        launch(model, ms, launch=number, output_error=1e-6, runs=1, samples_ns=(ms * 10**6,))
        for number in range(2)
        for ms, model in enumerate(names.table_models(5), start=1)
    ]


@pytest.fixture
def results(tmp_path: Path) -> Callable[[Sequence[LaunchRecord]], Path]:
    """Write a results folder with nothing but runs.jsonl."""

    def write(records: Sequence[LaunchRecord]) -> Path:
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        (tmp_path / store.NAME).write_bytes(lines)
        return tmp_path

    return write
