"""How models slow down as a device gets hot: milliseconds by second, its clock and temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.durations import short_duration
from asymm_deploy.bench.sustained.levels import SLOWER, first_window_s
from asymm_deploy.bench.sustained.second_stream import SecondFigures
from asymm_deploy.bench.sustained.sustained_rows import sustained_row
from asymm_deploy.bench.units import KHZ_PER_GHZ, NS_PER_MS
from asymm_deploy.report.page.pictures.picture import (
    NETWORK_COLOURS,
    WIDE,
    Datum,
    Picture,
    plain,
    short_number,
    spec_of,
)
from asymm_deploy.report.page.pictures.sustained_words import curve_sentence, from_to
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.sustained.sustained_table import CURVE_COLUMNS
from asymm_deploy.safe import one_line

_HEIGHT, _LOW = 300, 130
_MOST_POINTS = 360
"""Of one curve: more than anybody can tell apart."""

_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("asked_s", "for (s)", digits=0),
    Column("every_ms", "every (ms)", digits=1),
    *CURVE_COLUMNS,
    Column("valid", "valid", "text"),
    Column("flags", "what was noticed", "text"),
)


def sustained_pictures(curves: Sequence[Curve]) -> list[Picture]:
    """Return the pictures of one setting's curves: times, and what is known of clock and heat."""
    if not curves:
        return []
    named = list(zip(_names(curves), curves, strict=True))
    found = [_times(named)]
    for name, title, axis, value, notes in _BESIDE:
        data = _readings(named, value)
        if data:
            found.append(_second_picture(named, data, name, title, axis, notes))
    return found


def _times(named: Sequence[tuple[str, Curve]]) -> Picture:
    rows = [(name, sustained_row(curve)) for name, curve in named]
    data: list[Datum] = [
        {
            "key": name,
            "s": short_number(part[0].at_ns / 1e9),
            "ms": short_number(median(x.median_ns for x in part) / NS_PER_MS),
            "p90": short_number(median(x.p90_ns for x in part) / NS_PER_MS),
            "least": short_number(min(x.min_ns for x in part) / NS_PER_MS),
        }
        for name, curve in named
        for part in _parts(curve.seconds)
    ]
    throttled: list[Datum] = [
        {"key": name, "s": row.time_to_throttle_s, "by": row.throttled_by}
        for name, row in rows
        if row.time_to_throttle_s is not None
    ]
    sentence = " ".join(
        curve_sentence(name, curve, row)
        for (name, row), (_, curve) in zip(rows, named, strict=True)
    )
    cells = tuple(
        (
            name,
            row.asked_s,
            row.every_ms,
            row.runs,
            row.first_ms,
            row.sustained_ms,
            row.sustained_over_first,
            row.time_to_throttle_s,
            row.throttled_by,
            row.late_frames,
            row.skipped_frames,
            row.min_clock_khz,
            row.max_temperature_c,
            row.max_battery_c,
            row.valid,
            row.flags_text,
        )
        for name, row in rows
    )
    return Picture(
        "sustained",
        "Sustained",
        sentence,
        _spec_of_times(data, throttled, [name for name, _ in named], sentence) if data else {},
        ReportTable("Sustained", _TABLE, cells),
        tuple(name for name, _ in named),
        notes=(_note([curve for _, curve in named]),),
    )


def _note(curves: Sequence[Curve]) -> str:
    most = max(len(_parts(curve.seconds)[0]) if curve.seconds else 1 for curve in curves)
    point = "a second" if most == 1 else f"up to {most} seconds"
    window = short_duration(max(first_window_s(curve.started.for_s) for curve in curves))
    return (
        f"A point is the median of {point}; the band goes up to the 90th percentile. What is far "
        f"above the rest leaves the picture. The first level is that of the first {window}, the "
        "sustained one that of the last fifth. An upright line is where the device throttled or "
        "slowed down: it said so, its clock was limited, or runs stayed above "
        f"{SLOWER:g} times the first level."
    )


def _second_picture(
    named: Sequence[tuple[str, Curve]],
    data: list[Datum],
    name: str,
    title: str,
    axis: str,
    notes: tuple[str, ...],
) -> Picture:
    """Return the picture of something that was read beside the times."""
    spans = []
    for key, _ in named:
        known = (each["value"] for each in data if each["key"] == key)
        values = [float(value) for value in known if value is not None]
        if values:
            spans.append((key, values))
    unit = axis.rpartition("(")[2].rstrip(")")
    sentence = " ".join(f"{key}: {from_to(values)} {unit}." for key, values in spans)
    columns = (
        Column("model", "model", "text", is_key=True),
        Column("least", f"least ({unit})", digits=2),
        Column("most", f"most ({unit})", digits=2),
        Column("last", f"last ({unit})", digits=2),
    )
    return Picture(
        name,
        title,
        sentence,
        _spec_of_readings(data, [key for key, _ in named], axis, f"{title}. {sentence}"),
        ReportTable(title, columns, tuple((k, min(v), max(v), v[-1]) for k, v in spans)),
        tuple(key for key, _ in spans),
        notes=notes,
    )


def _readings(
    named: Sequence[tuple[str, Curve]],
    value: Callable[[SecondFigures, CurveReading | None], float | None],
) -> list[Datum]:
    """Return what is known of each curve, the middle of each part's values."""
    found: list[Datum] = []
    for name, curve in named:
        pairs = list(zip(curve.seconds, curve.readings, strict=True))
        for part in _parts(pairs):
            known = [one for second, reading in part if (one := value(second, reading)) is not None]
            if known:
                found.append(
                    {
                        "key": name,
                        "s": short_number(part[0][0].at_ns / 1e9),
                        "value": short_number(median(known)),
                    }
                )
    return found


def _celsius(_second: SecondFigures, reading: CurveReading | None) -> float | None:
    """Return a battery's temperature, which stands for that of the whole phone; or a host's."""
    if reading is None:
        return None
    return reading.battery_c if reading.battery_c is not None else reading.hottest_c


def _gigahertz(second: SecondFigures, reading: CurveReading | None) -> float | None:
    khz = second.khz
    if khz is None and reading is not None:
        khz = reading.clock_khz
    return None if khz is None else khz / KHZ_PER_GHZ


_BESIDE = (
    (
        "temperature",
        "Temperature",
        "temperature (degC)",
        _celsius,
        ("Of the battery, which stands for the whole phone; without one, of the hottest sensor.",),
    ),
    ("clock", "Clock", "clock of the core (GHz)", _gigahertz, ()),
)
"""Pictures of what was read beside the times: name, title, axis, what reads it, and notes."""


def _parts(values: Sequence[Any]) -> list[Sequence[Any]]:
    """Return values in order, so many together that there are not too many points."""
    size = max(1, -(-len(values) // _MOST_POINTS))
    return [values[start : start + size] for start in range(0, len(values), size)]


def _names(curves: Sequence[Curve]) -> list[str]:
    """Return what each curve is called: its model, and its pace and time where that differs."""
    paces = {curve.started.every_ms for curve in curves}
    times = {curve.started.for_s for curve in curves}
    names = []
    for curve in curves:
        every, name = curve.started.every_ms, one_line(curve.launch.model)
        if len(paces) > 1:
            name += "" if every is None else f", every {short_duration(every / 1000)}"
        if len(times) > 1:
            name += f", for {short_duration(curve.started.for_s)}"
        names.append(name)
    return [
        name if names.count(name) == 1 else f"{name} #{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    ]


def _colours(names: Sequence[str]) -> Any:
    import altair as alt

    shown = [NETWORK_COLOURS[at % len(NETWORK_COLOURS)] for at in range(len(names))]
    legend = alt.Legend(title=None, symbolOpacity=1)  # the first layer is pale
    return alt.Color("key:N", scale=alt.Scale(domain=list(names), range=shown), legend=legend)


def _seconds_axis() -> Any:
    import altair as alt

    return alt.X(
        "s:Q",
        title="seconds since the start",
        scale=alt.Scale(zero=True, nice=False),
        axis=alt.Axis(grid=False, tickCount=10, labelOverlap="greedy"),
    )


def _span(data: Sequence[Datum]) -> list[float]:
    """Return the axis's ends in ms: a few seconds of others' work must not press a curve flat."""
    usual = sorted(float(each["ms"] or 0) for each in data)
    upper = sorted(float(each["p90"] or 0) for each in data)
    most = max(usual[-(-len(usual) * 98 // 100) - 1], upper[len(upper) // 2])
    return [0.9 * usual[0], 1.15 * most]


def _spec_of_times(
    data: Sequence[Datum], throttled: Sequence[Datum], names: Sequence[str], sentence: str
) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    base = alt.Chart(alt.InlineData(values=plain(data)))
    dim = "picked === '' || datum.key === picked"
    x, colour = _seconds_axis(), _colours(names)
    scale = alt.Scale(domain=_span(data), nice=True)
    band = base.mark_area(clip=True, cursor="pointer").encode(
        x=x,
        y=alt.Y("ms:Q", scale=scale, title="a run (ms)"),
        y2="p90:Q",
        color=colour,
        opacity=alt.condition(dim, alt.value(0.22), alt.value(0.06)),
    )
    line = base.mark_line(clip=True, strokeWidth=1.6, cursor="pointer").encode(
        x=x,
        y=alt.Y("ms:Q", scale=scale, title="a run (ms)"),
        color=colour,
        opacity=alt.condition(dim, alt.value(1), alt.value(0.25)),
    )
    points = base.mark_point(clip=True, filled=True, size=60, cursor="pointer").encode(
        x=x,
        y=alt.Y("ms:Q", scale=scale, title="a run (ms)"),
        color=colour,
        opacity=alt.value(0),
        tooltip=[
            alt.Tooltip("key:N", title="model"),
            alt.Tooltip("s:Q", title="second", format=".0f"),
            alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
            alt.Tooltip("p90:Q", title="p90 (ms)", format=".3f"),
            alt.Tooltip("least:Q", title="least (ms)", format=".3f"),
        ],
    )
    layers = [band, line, points]
    if throttled:
        layers.append(
            alt.Chart(alt.InlineData(values=plain(throttled)))
            .mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
            .encode(
                x=x,
                color=colour,
                tooltip=[
                    alt.Tooltip("key:N", title="model"),
                    alt.Tooltip("s:Q", title="throttled from second", format=".0f"),
                    alt.Tooltip("by:N", title="by"),
                ],
            )
        )
    chart = alt.layer(*layers).add_params(picked)
    return spec_of(chart.properties(width=WIDE, height=_HEIGHT), f"Sustained. {sentence}")


def _spec_of_readings(
    data: Sequence[Datum], names: Sequence[str], axis: str, spoken: str
) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    digits = alt.Axis(format=".4~g")  # of one value alone Vega would write the whole number
    line = (
        alt.Chart(alt.InlineData(values=plain(data)))
        .mark_line(strokeWidth=1.6, interpolate="step-after", point={"size": 12}, cursor="pointer")
        .encode(
            x=_seconds_axis(),
            y=alt.Y("value:Q", title=axis, scale=alt.Scale(zero=False, nice=True), axis=digits),
            color=_colours(names),
            opacity=alt.condition(
                "picked === '' || datum.key === picked", alt.value(1), alt.value(0.25)
            ),
            tooltip=[
                alt.Tooltip("key:N", title="model"),
                alt.Tooltip("s:Q", title="second", format=".0f"),
                alt.Tooltip("value:Q", title=axis, format=".2f"),
            ],
        )
    )
    chart = alt.layer(line).add_params(picked)
    return spec_of(chart.properties(width=WIDE, height=_LOW), spoken)
