"""One row of sustained.csv for each model and setting: what its last curve comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asymm_deploy.bench.flags import cell_of
from asymm_deploy.bench.sustained.curves import STOPPED_EARLY, Curve
from asymm_deploy.bench.sustained.levels import levels_of
from asymm_deploy.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class SustainedRow:
    """A row, with its columns in order. None is unknown, or has not happened."""

    model: str
    device: str
    soc: str | None
    cpu: str | None
    """The pinned core; ``0+1`` for two. None if not pinned."""
    precision: str
    threads: int
    engine: str
    engine_version: str | None
    asked_s: float
    every_ms: float | None
    """None: without a pause."""
    reached_s: float
    runs: int
    first_ms: float | None
    sustained_ms: float | None
    sustained_over_first: float | None
    time_to_throttle_s: float | None
    throttled_by: str | None
    """``status``, ``cap`` or ``slower``."""
    late_frames: int | None
    """Frames that came while another was run; None without frames."""
    skipped_frames: int | None
    """Those of them that were never run."""
    late_by_waking: int | None
    """Late frames that would have been in time if each run had begun at once; None if unknown."""
    min_clock_khz: int | None
    max_temperature_c: float | None
    """Of the hottest sensor but the battery's."""
    max_battery_c: float | None
    max_thermal_status: int | None
    valid: bool
    flags: tuple[str, ...]
    reason: str | None
    """Why it did not reach its end, in one line."""
    exit_code: ExitCode

    @property
    def flags_text(self) -> str:
        """The cell under ``flags``: the names, then the reason if it failed."""
        return cell_of(self.flags, self.reason)


def latest_curves(curves: Iterable[Curve]) -> list[Curve]:
    """Return, for each model and setting, the last curve that reached its end, or else the last."""
    found: dict[tuple[object, ...], Curve] = {}
    for curve in curves:
        record, started = curve.launch, curve.started
        setting = (record.device, record.engine, record.precision, record.threads)
        times = (started.for_s, started.every_ms)
        key = (record.model, record.input_shape, record.classes, *setting, *times)
        if curve.is_whole or key not in found or not found[key].is_whole:
            found[key] = curve
    return list(found.values())


def sustained_row(curve: Curve) -> SustainedRow:
    """Return the row of a curve."""
    record, levels, started = curve.launch, levels_of(curve), curve.started
    readings = [reading for reading in curve.readings if reading is not None]
    # The runner's come from just behind a run; between frames a core may be idle.
    clocks = [x.khz for x in curve.seconds if x.khz is not None]
    clocks = clocks or [x.clock_khz for x in readings if x.clock_khz is not None]
    ended = curve.ended
    has_frames = started.every_ms is not None
    reason = record.error if ended is not None else STOPPED_EARLY
    return SustainedRow(
        model=record.model,
        device=record.device,
        soc=record.device_facts.soc,
        cpu="+".join(map(str, record.cpus)) or None,
        precision=record.precision,
        threads=record.threads,
        engine=record.engine,
        engine_version=record.engine_version,
        asked_s=started.for_s,
        every_ms=started.every_ms,
        reached_s=curve.reached_s,
        runs=sum(x.runs for x in curve.seconds),
        first_ms=levels.first_ms,
        sustained_ms=levels.sustained_ms,
        sustained_over_first=levels.sustained_over_first,
        time_to_throttle_s=levels.throttled.at_s if levels.throttled else None,
        throttled_by=levels.throttled.by if levels.throttled else None,
        late_frames=sum(x.late for x in curve.seconds) if has_frames else None,
        skipped_frames=sum(x.skipped for x in curve.seconds) if has_frames else None,
        late_by_waking=_late_by_waking(curve) if has_frames else None,
        min_clock_khz=min(clocks, default=None),
        max_temperature_c=max(
            (x.hottest_c for x in readings if x.hottest_c is not None), default=None
        ),
        max_battery_c=max((x.battery_c for x in readings if x.battery_c is not None), default=None),
        max_thermal_status=max(
            (x.thermal_status for x in readings if x.thermal_status is not None), default=None
        ),
        valid=ended is not None and record.valid,
        flags=record.flags if ended is not None else ("failed",),
        reason=reason,
        exit_code=ExitCode(record.exit_code) if ended is not None else ExitCode.HARNESS,
    )


def _late_by_waking(curve: Curve) -> int | None:
    known = [x.late_by_waking for x in curve.seconds if x.late_by_waking is not None]
    return sum(known) if len(known) == len(curve.seconds) else None
