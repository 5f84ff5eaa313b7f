"""What a bench records: every launch, and the row of latency.csv that launches make."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.errors import ExitCode, worst

RUNS_SCHEMA_VERSION = 3
"""Newest version of a line in runs.jsonl. Incremented when older readers would misread new lines.

They would take a launch on another back end for one on the CPU: those lines have 3.
"""
PAIRED_VERSION = 2
"""Of paired launches: older readers would take either record for a launch of its own."""
_OF_ONE_MODEL = 1
"""Version of all other lines."""

Engine = Literal["mnn", "onnxruntime"]
Precision = Literal["fp32", "fp16"]
Backend = Literal["cpu", "opencl", "vulkan"]
Command = Literal["bench", "check"]


def line_version(backend: Backend) -> int:
    """Return the version of a line of runs.jsonl for a launch of one model."""
    return _OF_ONE_MODEL if backend == "cpu" else RUNS_SCHEMA_VERSION


class CorePolicy(msgspec.Struct, frozen=True):
    """Cores that share a clock."""

    cores: tuple[int, ...]
    max_khz: int | None
    """The hardware's limit."""


class DeviceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where a launch ran, as far as the system tells us; None if unknown."""

    device: str
    """Its id: the host's name, or the phone's serial number."""
    soc: str | None
    """The chip: what the processor calls itself on a host."""
    cpu_max_khz: int | None
    """Highest clock of the pinned core."""
    cores: int
    """Number of cores that the device has."""
    abi: str
    os: str
    product: str | None = None
    """What its maker calls it: ``Pixel 4``."""
    fingerprint: str | None = None
    """Names the build of the phone's system."""
    policies: tuple[CorePolicy, ...] = ()
    """A phone's cores by cpufreq policy; empty on hosts."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone says about itself at one moment; None for what it doesn't let us read."""

    battery_percent: int | None
    battery_c: float | None
    thermal_status: int | None
    """0: not throttled. From 1 on the phone slows itself down to cool."""
    power_save: bool | None
    screen_on: bool | None
    scaling_max_khz: int | None
    """Upper limit of the pinned core's clock. Below the hardware's, something has capped it."""
    clock_khz: int | None
    """The pinned core's clock, even if it is idle."""


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a phone around one launch."""

    before: Reading
    after: Reading
    time_in_state_before: dict[int, int] | None
    """Ticks that the pinned core's policy spent at each kHz, up to the start of the runner."""
    time_in_state_after: dict[int, int] | None
    share_at_top_clock: float | None
    """Share of the runner's life that the core spent at its highest clock."""
    retries: int
    """How often the launch was lost to a reboot or a signal, and started again."""


class Calibration(msgspec.Struct, frozen=True):
    """Multiply-accumulates per second (fp32) of the pinned core, before and after timing."""

    before_mac_per_s: float
    after_mac_per_s: float


class PairedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """What is known besides of a model that ran in turns with another one, in one process."""

    partner_sha256: str
    """Of the other model's file."""
    partner: str | None = None
    """The other model's name; None in a check, where it is the same."""
    loaded_first: bool
    runs_first: bool
    """Whether it ran before the other one in each pair of runs."""
    cpu_ns: tuple[int, ...] | None
    """Processor time of the main thread over each run; None if the system doesn't tell."""
    start_ns: tuple[int, ...]
    """When each run began, since the start of the loop."""


class LaunchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One line of runs.jsonl: one process that was started, whatever came of it.

    A later line for the same launch (same row, plan, attempt and number) replaces an earlier one.
    What could not be measured is None. If the launch failed, ``samples_ns`` is empty and ``error``
    says why.
    """

    schema_version: int = _OF_ONE_MODEL
    paired: PairedRuns | None = None
    """If two models shared the process; then wall, processor and lost times are of both."""
    written_by: Command | None = None
    """The command that made the launch; None from versions that did not say."""
    # what was timed
    model: str
    network: str | None
    scale: str | None
    multiplier: float | None
    madds: int | None
    params: int | None
    input_shape: tuple[int, ...] | None = None
    """Shape of the first input; None for a bare model file."""
    classes: int | None = None
    """Of a network of ours: how many classes it tells apart, if its name doesn't say so."""
    floor_madds: int | None
    """Multiplications that even the fastest known algorithms can't avoid."""
    artifact_file: str
    artifact_sha256: str
    inputs_sha256: str | None = None
    """Of the recorded input; None if the seed made it."""
    # where
    device: str
    device_facts: DeviceFacts
    cpu: int | None
    """The core it was pinned to, the first of them with several threads; None if not pinned."""
    cpus: tuple[int, ...]
    """All cores it was pinned to, one per thread."""
    cpu_before: int | None
    """The core it was seen on just before the timed loop."""
    cpu_after: int | None
    # by what
    engine: Engine
    engine_version: str | None
    runner: str | None
    runner_version: str | None
    # how
    precision: Precision
    """As asked for."""
    precision_in_force: str | None
    api: Literal["session", "module"] | None = None
    """Which of MNN's interfaces ran it, as the runner says; None from older runners.

    Other engines have one alone: session.
    """
    threads: int
    backend: Backend = "cpu"
    """Where MNN was asked to run the operators."""
    backends_in_force: dict[str, Annotated[int, msgspec.Meta(ge=1)]] | None = None
    """How many operators each back end really ran; None where only the CPU was asked for."""
    ran_elsewhere: tuple[tuple[str, str], ...] = ()
    """Type and name of operators that ran on another back end than was asked for; 100 at most."""
    backend_note: str | None = None
    """Why the library of the back end could not be loaded."""
    driver: str | None = None
    """The device on which the back end computes, as its driver names it; None if untold."""
    driver_is_cpu: bool | None = None
    """Whether the driver says that this is the CPU; None if untold."""
    plan_id: str
    attempt: int
    """Counts ``--fresh`` and changes of file or core; the highest of a row is in use."""
    launch: int
    """0-based."""
    launches_planned: int
    runs: int
    """Timed runs of this launch."""
    warmup: int
    # what came of it
    samples_ns: tuple[int, ...]
    init_ns: int | None
    """Time to load the model and create the session."""
    peak_memory_mb: float | None
    """Peak resident memory of the runner's process, with its interpreter and libraries."""
    calibration: Calibration | None
    conditions: Conditions | None = None
    """None on hosts."""
    process_ns: int | None = None
    """How long the runner's process lived, by the harness's own clock; None in older records.

    On a phone that is the time between two commands of ours, one before and one after it.
    """
    wall_ns: int | None
    """Duration of the whole timed loop."""
    off_core_ns: int | None
    """Wall time minus processor time of the main thread over the loop."""
    waited_ns: int | None
    """Time that threads were ready but not running during the loop; all threads."""
    steal_ns: int | None
    """Time that the hypervisor took from the pinned cores during the loop; in steps of 10 ms."""
    output_sha256: str | None
    output_error: float | None
    """Error of the output against the reference; of several outputs, the one nearest to its limit.

    The largest difference over the reference's standard deviation (in maps over that and the
    value's distance from the mean), or the root mean square, whichever is nearer to what it may be.

    Measured once per row. None in the other launches, whose hash must be the same, and if the
    output or its shape can't be compared.
    """
    output_tolerance: float | None = None
    """The limit of ``output_error``."""
    output_words: str | None = None
    """What no rounding explains: NaN, or nothing but zeros, and in which output."""
    valid: bool
    flags: tuple[str, ...]
    allowed: tuple[str, ...]
    error: str | None
    exit_code: int
    """The exit code that this launch alone would give ``bench``: 0 if it is valid."""
    started_at: str
    """ISO 8601, UTC."""


RecordPair: TypeAlias = tuple[LaunchRecord, LaunchRecord]
"""Those of one paired launch."""


class PairedRatio(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as long a model takes as another one, by paired launches of both.

    A launch counts if nothing spoils either record. None is unknown.
    """

    partner: str
    """The other model's name."""
    ratio: float | None = None
    """Of processor times, or of wall times where not every launch knows those."""
    low: float | None = None
    """95 % interval, Student's over launches; None for fewer than two."""
    high: float | None = None
    by_wall: float | None = None
    """The ratio of wall times, if ``ratio`` is of processor times."""
    launches: int = 0
    """How many count."""
    made: int = 0
    """How many were made, those that failed included."""
    flags: tuple[str, ...] = ()
    """Of the launches that don't count, the gravest first."""
    reason: str | None = None
    """Why there is no launch, or why the last one failed, in one line."""
    exit_code: int = ExitCode.OK
    """The exit code that the ratio gives ``bench``."""


class RowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of latency.csv, with its columns in order, and what is needed to judge it.

    Times are over all timed runs of the finished launches, pooled; spread and interval are over
    the medians of launches. None is unknown; all times are None if every launch failed.
    """

    model: str
    network: str | None
    scale: str | None
    multiplier: float | None
    device: str
    soc: str | None
    cpu: str | None
    """The pinned core; ``0+1`` for two. None if not pinned."""
    cpu_max_khz: int | None
    precision: Precision
    """As asked for; if the engine used another, the row is flagged ``wrong-precision``."""
    threads: int
    engine: Engine
    engine_version: str | None
    launches: int
    """Number of finished launches."""
    runs: int
    """Number of timed runs in all of them."""
    latency_mean_ms: float | None
    latency_median_ms: float | None
    latency_p90_ms: float | None
    latency_p99_ms: float | None
    latency_min_ms: float | None
    latency_std_ms: float | None
    launch_spread_percent: float | None
    """(largest - smallest) / median of the launches' medians; None for a single launch."""
    ci_low_ms: float | None
    """95 % interval of the mean of launch medians, from resampling launches."""
    ci_high_ms: float | None
    init_ms: float | None
    """Median over launches."""
    peak_memory_mb: float | None
    """Largest over launches."""
    valid: bool
    flags: tuple[str, ...]
    backend: Backend = "cpu"
    """As asked for; if operators ran elsewhere, the row is flagged ``fell-back``."""
    # beyond the columns
    allowed: tuple[str, ...] = ()
    reason: str | None = None
    """Why the row failed, in one line."""
    words: tuple[tuple[str, str], ...] = ()
    """What flags don't say by their names alone, each behind its flag: which operators ..."""
    failure_code: int = ExitCode.HARNESS
    """The exit code of a failed row: that of its export, if that failed."""
    madds: int | None = None
    params: int | None = None
    input_shape: tuple[int, ...] | None = None
    classes: int | None = None
    """Of a network of ours that is not the paper's: how many classes it tells apart."""
    artifact_sha256: str | None = None
    """Of the file that was timed; None if there was none."""
    output_error: float | None = None
    first_started_at: str = ""
    """Over its launches, failed ones included; ISO 8601, UTC."""
    last_started_at: str = ""
    paired: tuple[PairedRatio, ...] = ()
    """Its ratios to models that it ran in turns with; its own launches have no part in them."""

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that this row gives ``bench``, its ratios included."""
        own = flags.exit_code_for(self.flags, self.allowed, ExitCode(self.failure_code))
        return worst([own, *(ExitCode(found.exit_code) for found in self.paired)])

    @property
    def flags_text(self) -> str:
        """The cell under ``flags``: the names, then what they don't say, or why the row failed."""
        return flags.cell_of(self.flags, self.reason, self.words)
