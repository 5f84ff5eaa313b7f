"""Cold launches as a bench records them."""

from __future__ import annotations

from typing import Any

import msgspec

from asymm_deploy.bench.cold.cold_records import (
    COLD_RUNS,
    ColdRecord,
    MemoryReading,
    StageMemory,
    StageTimes,
)
from asymm_deploy.bench.records import LaunchRecord


def cold_record(good: LaunchRecord, **changes: Any) -> ColdRecord:
    """Return one that reads 3 ms, creates 20 and runs 15 and 11; ``changes`` are of the record."""
    samples = good.samples_ns[:COLD_RUNS]
    launch = msgspec.structs.replace(
        good,
        runs=len(samples),
        samples_ns=samples,
        wall_ns=sum(samples) + 1000,
        init_ns=20_000_000,
        written_by="bench",
    )
    stages = StageTimes(
        engine_ns=2_000_000,
        read_ns=3_000_000,
        create_ns=20_000_000,
        first_ns=15_000_000,
        second_ns=11_000_000,
        read_cpu_ns=1_000_000,
        create_cpu_ns=19_000_000,
        first_cpu_ns=14_000_000,
        second_cpu_ns=10_000_000,
        wall_ns=50_000_000,
        cpu_ns=49_000_000,
        waited_ns=0,
        steal_ns=0,
    )
    made = ColdRecord(
        kind="times", launch=launch, stages=stages, pages=100, resident=0, major_faults=0
    )
    return msgspec.structs.replace(made, **changes)


def memory_record(good: LaunchRecord) -> ColdRecord:
    """Return one that read the memory: a megabyte more behind each stage."""
    readings = [MemoryReading(10.0 + mb, 9.0 + mb, 12.0 + mb) for mb in range(5)]
    return cold_record(good, kind="memory", stages=None, memory=StageMemory(*readings))
