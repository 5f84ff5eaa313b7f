"""What a cold bench records: every launch, and the row of cold.csv that launches make."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.records import LaunchRecord, Precision
from asymm_deploy.errors import ExitCode

COLD_SCHEMA_VERSION = 1
"""Newest version of a line in cold.jsonl; see ``records.RUNS_SCHEMA_VERSION``."""

COLD_WARMUP = 3
COLD_RUNS = 20
"""Runs of a launch behind its second one: those that warm up, and those that are steady."""
MEMORY_LAUNCHES = 3
"""How many launches read the memory, for each model; their times are not used."""

ColdPass: TypeAlias = Literal["times", "memory"]
"""What a launch is for."""
CacheState: TypeAlias = Literal["dropped", "kept", "unknown"]
"""Whether the model file was out of memory when it was read."""

ColdStage: TypeAlias = Literal["engine", "read", "created", "first", "second"]
COLD_STAGES: tuple[ColdStage, ...] = get_args(ColdStage)
"""The moments at which the memory is read: behind each stage, the engine's first."""

CpuStage: TypeAlias = Literal["read", "create", "first", "second", "steady"]

_Mb = Annotated[float, msgspec.Meta(ge=0, le=1e7)]


class MemoryReading(msgspec.Struct, frozen=True):
    """The memory of the runner's process at one moment, in 2**20 bytes; None if unknown."""

    rss_mb: _Mb | None
    """Resident, libraries that others use too included."""
    pss_mb: _Mb | None
    """Its share of that, where pages used by several processes are divided among them."""
    peak_mb: _Mb | None
    """The most that was resident so far."""


class StageMemory(msgspec.Struct, frozen=True):
    """The memory behind each stage."""

    engine: MemoryReading
    """The engine is loaded, and no model."""
    read: MemoryReading
    """The file's bytes are in memory."""
    created: MemoryReading
    """The bytes are gone, and the session is ready."""
    first: MemoryReading
    second: MemoryReading


class StageTimes(msgspec.Struct, frozen=True):
    """How long the stages of one launch took."""

    engine_ns: int | None
    """To load the engine; None where it is part of the program, and was loaded with it."""
    read_ns: int
    """To read the file's bytes into memory."""
    create_ns: int
    """To make a session of it that is ready to run: the engine reads the file by itself."""
    first_ns: int
    """The first run."""
    second_ns: int
    read_cpu_ns: int
    """Processor time of the main thread over this stage; the next three likewise."""
    create_cpu_ns: int
    first_cpu_ns: int
    second_cpu_ns: int
    wall_ns: int
    """From the start of the reading to the end of the second run."""
    cpu_ns: int
    waited_ns: int | None
    """Time that threads were ready but not running; waiting for the disk is no part of it."""
    steal_ns: int | None


class ColdRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of cold.jsonl: one process that was started, whatever came of it.

    A later line for the same launch (same row, plan, attempt, kind and number) replaces an earlier
    one.
    """

    schema_version: int = COLD_SCHEMA_VERSION
    kind: ColdPass
    launch: LaunchRecord
    """Where and how, and the runs behind the stages; ``init_ns`` is ``create_ns``."""
    stages: StageTimes | None = None
    """None of a launch that failed, and of one that read the memory."""
    memory: StageMemory | None = None
    pages: int | None = None
    """Of the model file."""
    resident: int | None = None
    """How many of them were in the page cache when it was read; None where nobody can tell."""
    major_faults: int | None = None
    """How often it waited for the disk for pages that it has mapped: the engine's library."""

    @property
    def device(self) -> str:
        """Where it ran."""
        return self.launch.device

    @property
    def cache(self) -> CacheState:
        """Whether the model file was out of memory when it was read."""
        if self.resident is None:
            return "unknown"
        return "kept" if self.resident else "dropped"


class StageMs(msgspec.Struct, frozen=True):
    """The median over launches in ms, and its 95 % interval; the interval needs two launches."""

    median: float | None = None
    low: float | None = None
    high: float | None = None


class ColdRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of cold.csv. None is unknown; all times are None if every launch failed."""

    model: str
    network: str | None
    scale: str | None
    multiplier: float | None
    device: str
    soc: str | None
    cpu: str | None
    precision: Precision
    threads: int
    engine: str
    engine_version: str | None
    launches: int
    """Finished launches that were timed."""
    cache: str
    """What was so in all launches that were timed; ``mixed`` if it was not the same in all."""
    read: StageMs
    """Of launches that found the file out of memory, and no other."""
    warm_read: StageMs
    """Of the others."""
    create: StageMs
    first: StageMs
    second: StageMs
    steady: StageMs
    """Of the medians of the runs behind the second one."""
    first_over_steady: StageMs
    """No milliseconds: how many times as long the first run takes.

    With one thread, by processor time, which others that use the core don't lengthen.
    """
    cold: StageMs
    """Reading, creating and the first run together, of launches as in ``read``."""
    engine_load: StageMs
    cpu_ms: dict[CpuStage, float | None]
    """Processor time of the main thread over each stage, and of a steady run; medians."""
    memory_mb: dict[ColdStage, float | None]
    """Resident behind each stage, the median over the launches that read it."""
    memory_peak_mb: float | None
    memory_pss_mb: float | None
    """Behind the second run."""
    major_faults: int | None
    """The most of a launch; 0: the engine's library was in memory in all of them."""
    valid: bool
    flags: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    reason: str | None = None
    """Why the row failed, in one line."""
    failure_code: int = ExitCode.HARNESS
    input_shape: tuple[int, ...] | None = None
    classes: int | None = None
    output_error: float | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that this row gives ``bench``."""
        return flags.exit_code_for(self.flags, self.allowed, ExitCode(self.failure_code))

    @property
    def flags_text(self) -> str:
        """The cell under ``flags``: the names, then the reason if the row failed."""
        return flags.cell_of(self.flags, self.reason)
