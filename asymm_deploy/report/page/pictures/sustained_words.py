"""What is said of a sustained curve and of what was read beside it; pure."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.flags import leave_valid
from asymm_deploy.bench.sustained.curve_verdict import with_heat_allowed
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.durations import short_duration
from asymm_deploy.bench.sustained.sustained_rows import SustainedRow
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted


def curve_sentence(name: str, curve: Curve, row: SustainedRow) -> str:
    """Return one curve in a sentence."""
    if row.reason is not None:
        return f"{name} did not reach its end: {one_line(row.reason)}."
    if row.first_ms is None or row.sustained_ms is None or row.sustained_over_first is None:
        return f"{name} ran for {short_duration(row.asked_s)}."
    change = row.sustained_over_first - 1
    text = f"{name} took {row.first_ms:.3g} ms at first and {row.sustained_ms:.3g} ms in the end "
    text += f"({round(100 * change):+d} %)"
    if row.time_to_throttle_s is not None:
        text += f", and slowed down in second {row.time_to_throttle_s:.0f}"
    if row.late_frames:
        text += f"; {counted(row.late_frames, 'frame')} came while it ran"
        if row.late_by_waking:
            all_of_them = row.late_by_waking == row.late_frames
            them = "all of them" if all_of_them else f"{row.late_by_waking:,} of them"
            text += f", {them} only because a run began late"
    if row.valid:
        return f"{text}."
    allowed = with_heat_allowed(curve.launch.allowed, curve)
    spoiling = [flag for flag in row.flags if not leave_valid([flag], allowed)]
    return f"{text}. It does not count: {', '.join(spoiling)}."


def from_to(values: Sequence[float]) -> str:
    """Return ``28 to 39``, or ``28`` where values don't differ."""
    least, most = f"{min(values):.3g}", f"{max(values):.3g}"
    return least if least == most else f"{least} to {most}"
