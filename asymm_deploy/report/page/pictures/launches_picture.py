"""Every launch as a dot beside its row's interval: how noisy the measurement was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.report.page.pictures.picture import (
    WIDE,
    Datum,
    Picture,
    plain,
    spec_of,
)
from asymm_deploy.report.page.pictures.timed_model import TimedModel
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.text import counted

GOOD, FLAGGED = "#3b82d6", "#d97706"
_ROW_PIXELS = 19

_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("mean", "mean (ms)", digits=3),
    Column("median", "median (ms)", digits=3),
    Column("low", "95 % from (ms)", digits=3),
    Column("high", "to (ms)", digits=3),
    Column("p90", "p90 (ms)", digits=3),
    Column("p99", "p99 (ms)", digits=3),
    Column("spread", "launch spread (%)", digits=1),
    Column("launches", "launches"),
    Column("runs", "runs"),
    Column("init", "init (ms)", digits=1),
    Column("memory", "memory (MB)", digits=1),
    Column("valid", "valid", "text"),
    Column("noticed", "what was noticed", "text"),
)


def launches_picture(models: Sequence[TimedModel]) -> Picture:
    """Return the picture of all rows of a tab; a row without a finished launch has a table row."""
    data: list[Datum] = [
        {
            "key": model.key,
            "valid": "valid" if model.row.valid else "flagged",
            "noticed": model.noticed or "nothing",
            "ms": float(np.median(launch.samples_ns)) / NS_PER_MS,
            "p10": float(np.percentile(launch.samples_ns, 10)) / NS_PER_MS,
            "p90": float(np.percentile(launch.samples_ns, 90)) / NS_PER_MS,
            "launch": launch.launch + 1,
            "runs": len(launch.samples_ns),
            "started": launch.started_at[:16].replace("T", " "),
            "flags": ", ".join(launch.flags) or "none",
        }
        for model in models
        for launch in model.launches
        if launch.error is None and launch.samples_ns
    ]
    intervals: list[Datum] = [
        {
            "key": model.key,
            "valid": "valid" if model.row.valid else "flagged",
            "noticed": model.noticed or "nothing",
            "low": model.row.ci_low_ms,
            "high": model.row.ci_high_ms,
            "ms": model.row.latency_median_ms,
            "flags": model.flags,
        }
        for model in models
        if model.row.latency_median_ms is not None
    ]
    cells = tuple(
        (
            model.key,
            row.latency_mean_ms,
            row.latency_median_ms,
            row.ci_low_ms,
            row.ci_high_ms,
            row.latency_p90_ms,
            row.latency_p99_ms,
            row.launch_spread_percent,
            row.launches,
            row.runs,
            row.init_ms,
            row.peak_memory_mb,
            row.valid,
            model.noticed,
        )
        for model in models
        for row in [model.row]
    )
    sentence = _sentence(models)
    return Picture(
        "launches",
        "Every launch",
        sentence,
        _spec(data, intervals, sentence) if data else {},
        ReportTable("Latencies", _TABLE, cells),
        tuple(model.key for model in models),
        notes=(
            "A dot is the median of one launch, a bar the 95 % interval of the row. The axis is "
            "logarithmic: ten percent are as wide at 2 ms as at 20 ms.",
        ),
    )


def _sentence(models: Sequence[TimedModel]) -> str:
    spreads = sorted(
        (model.row.launch_spread_percent, model.key)
        for model in models
        if model.row.launch_spread_percent is not None
    )
    flagged = [model for model in models if not model.row.valid]
    text = ""
    if len(spreads) > 1:
        middle = float(np.median([spread for spread, _ in spreads]))
        text = (
            f"Medians of launches lie {middle:.1f} % apart in half of the rows or less, "
            f"{spreads[0][0]:.1f} % in the steadiest ({spreads[0][1]}) and {spreads[-1][0]:.1f} % "
            f"in the noisiest ({spreads[-1][1]}). "
        )
    elif spreads:
        text = f"Medians of its launches lie {spreads[0][0]:.1f} % apart. "
    if not flagged:
        return f"{text}{_nothing_spoils(len(models))}"
    verb = "is" if len(flagged) == 1 else "are"
    of = f"{len(flagged)} of {counted(len(models), 'row')}"
    return f"{text}{of} {verb} flagged and orange: they don't count as measurements."


def _nothing_spoils(rows: int) -> str:
    return "The row counts." if rows == 1 else f"All {rows:,} rows count."


def _spec(data: Sequence[Datum], intervals: Sequence[Datum], sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = [str(each["key"]) for each in intervals]
    y = alt.Y("key:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, grid=True))
    scale = alt.Scale(type="log", nice=False, padding=10)
    axis = alt.Axis(
        format="~g", tickCount=8, labelOverlap="greedy", labelSeparation=6, orient="top"
    )
    colour_scale = alt.Scale(domain=["valid", "flagged"], range=[GOOD, FLAGGED])
    colour = alt.Color(
        "valid:N", scale=colour_scale, legend=alt.Legend(title=None, symbolOpacity=1)
    )
    rows = alt.Chart(alt.InlineData(values=plain(intervals)))
    row_tooltip = [
        alt.Tooltip("key:N", title="model"),
        alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
        alt.Tooltip("low:Q", title="95 % from (ms)", format=".3f"),
        alt.Tooltip("high:Q", title="to (ms)", format=".3f"),
        alt.Tooltip("noticed:N", title="noticed"),
    ]
    bars = rows.mark_bar(height=9, cornerRadius=2, cursor="pointer").encode(
        x=alt.X("low:Q", scale=scale, axis=axis, title="latency (ms)"),
        x2="high:Q",
        y=y,
        color=colour,
        opacity=alt.condition("datum.key === picked", alt.value(0.75), alt.value(0.3)),
        tooltip=row_tooltip,
    )
    dots = (
        alt.Chart(alt.InlineData(values=plain(data)))
        .mark_point(filled=True, size=34, opacity=0.85, strokeWidth=1.2, cursor="pointer")
        .encode(
            x=alt.X("ms:Q", scale=scale, title="latency (ms)"),
            y=y,
            color=colour,
            stroke=alt.Stroke(
                "valid:N", scale=colour_scale, legend=alt.Legend(title=None, symbolOpacity=1)
            ),
            fillOpacity=alt.condition("datum.valid === 'valid'", alt.value(1), alt.value(0)),
            size=alt.condition("datum.key === picked", alt.value(80), alt.value(34)),
            tooltip=[
                alt.Tooltip("key:N", title="model"),
                alt.Tooltip("launch:Q", title="launch"),
                alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
                alt.Tooltip("p10:Q", title="p10 (ms)", format=".3f"),
                alt.Tooltip("p90:Q", title="p90 (ms)", format=".3f"),
                alt.Tooltip("runs:Q", title="runs"),
                alt.Tooltip("started:N", title="started (UTC)"),
                alt.Tooltip("flags:N", title="flags of the launch"),
                alt.Tooltip("noticed:N", title="noticed of the row"),
            ],
        )
    )
    chart = alt.layer(bars, dots).add_params(picked)
    return spec_of(
        chart.properties(width=WIDE, height=_ROW_PIXELS * len(intervals)),
        f"Every launch. {sentence}",
    )
