"""Latency over multiply-adds, with what the core's measured peak would allow as a line."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.report.page.pictures.picture import (
    NETWORK_COLOURS,
    WIDE,
    Datum,
    Picture,
    network_name,
    plain,
    spec_of,
)
from asymm_deploy.report.page.pictures.timed_model import TimedModel, peak_gmacs
from asymm_deploy.report.report_table import Column, ReportTable

_MILLION = 1e6
_MOST_COLOURS = len(NETWORK_COLOURS)

_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("madds_m", "MAdds (M)", digits=1),
    Column("ms", "median (ms)", digits=3),
    Column("gmacs", "GMAdds/s", digits=1),
    Column("percent", "of the peak (%)", digits=1),
    Column("valid", "valid", "text"),
)


def roofline_picture(models: Sequence[TimedModel]) -> Picture | None:
    """Return the picture of models whose MAdds are known; None if it is of fewer than two."""
    known = [
        (model, model.row.madds, model.row.latency_median_ms)
        for model in models
        if model.row.madds and model.row.latency_median_ms
    ]
    if len(known) < 2:
        return None
    one_core = peak_gmacs([model for model, _, _ in known])
    peak = one_core and one_core * known[0][0].row.threads
    networks = [network_name(model.row.network) for model, _, _ in known]
    shown = list(dict.fromkeys(networks))[: _MOST_COLOURS - 1]
    data: list[Datum] = []
    cells = []
    for (model, madds, ms), network in zip(known, networks, strict=True):
        gmacs = madds / ms / _MILLION
        share = 100 * gmacs / peak if peak else None
        data.append(
            {
                "key": model.key,
                "network": network if network in shown else "other",
                "madds_m": madds / _MILLION,
                "ms": ms,
                "gmacs": gmacs,
                "percent": share,
                "valid": model.row.valid,
                "noticed": model.noticed or "nothing",
            }
        )
        cells.append((model.key, madds / _MILLION, ms, gmacs, share, model.row.valid))
    sentence = _sentence(data, peak)
    notes = (
        (
            "The line is multiply-adds over the most that the core reached in the loop that is "
            "timed before and after each launch. Fast algorithms for convolutions multiply less "
            "than is counted here, so a point may lie below it.",
        )
        if peak
        else ()
    )
    return Picture(
        "roofline",
        "Latency over multiply-adds",
        sentence,
        _spec(data, peak, sentence),
        ReportTable("Multiply-adds and latency", _TABLE, tuple(cells)),
        tuple(str(each["key"]) for each in data),
        notes=notes,
    )


def _sentence(data: Sequence[Datum], peak: float | None) -> str:
    trusted = [each for each in data if each["valid"]] or list(data)
    ordered = sorted(trusted, key=lambda each: float(each["gmacs"] or 0))
    worst, best = ordered[0], ordered[-1]
    if not peak:
        return (
            f"{best['key']} does most with a millisecond ({best['gmacs']:.1f} GMAdds/s), "
            f"{worst['key']} least ({worst['gmacs']:.1f})."
        )
    return (
        f"{best['key']} comes nearest to the measured peak of {peak:.1f} GMAdds/s "
        f"({best['percent']:.0f} % of it); {worst['key']} is farthest from it "
        f"({worst['percent']:.0f} %). What lies higher above the line spends its time on other "
        "things than multiplying."
    )


def _spec(data: Sequence[Datum], peak: float | None, sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    networks = list(dict.fromkeys(str(each["network"]) for each in data))
    x = alt.X(
        "madds_m:Q",
        title="multiply-adds (M)",
        scale=alt.Scale(type="log", padding=14, nice=False),
        axis=alt.Axis(format="~g", tickCount=8, labelOverlap="greedy", labelSeparation=6),
    )
    y = alt.Y(
        "ms:Q",
        title="median latency (ms)",
        scale=alt.Scale(type="log", padding=14, nice=False),
        axis=alt.Axis(format="~g", tickCount=6, labelOverlap="greedy", labelSeparation=6),
    )
    points = (
        alt.Chart(alt.InlineData(values=plain(data)))
        .mark_point(filled=True, size=95, strokeWidth=1.6, opacity=1, cursor="pointer")
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "network:N",
                scale=alt.Scale(domain=networks, range=list(NETWORK_COLOURS[: len(networks)])),
                legend=alt.Legend(title=None) if len(networks) > 1 else None,
            ),
            stroke=alt.Stroke(
                "network:N",
                scale=alt.Scale(domain=networks, range=list(NETWORK_COLOURS[: len(networks)])),
                legend=alt.Legend(title=None) if len(networks) > 1 else None,
            ),
            fillOpacity=alt.condition("datum.valid", alt.value(0.85), alt.value(0)),
            size=alt.condition("datum.key === picked", alt.value(320), alt.value(95)),
            tooltip=[
                alt.Tooltip("key:N", title="model"),
                alt.Tooltip("madds_m:Q", title="MAdds (M)", format=".1f"),
                alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
                alt.Tooltip("gmacs:Q", title="GMAdds/s", format=".1f"),
                alt.Tooltip("percent:Q", title="of the peak (%)", format=".1f"),
                alt.Tooltip("noticed:N", title="noticed"),
            ],
        )
    )
    layers: list[alt.Chart] = []
    if peak:
        ends = sorted(float(each["madds_m"] or 0) for each in data)
        roof = alt.InlineData(
            values=[
                {"madds_m": madds, "ms": madds / peak, "text": f"peak: {peak:.1f} GMAdds/s"}
                for madds in (ends[0], ends[-1])
            ]
        )
        line = alt.Chart(roof).encode(x=x, y=y)
        layers = [
            line.mark_line(color="#c2410c", strokeDash=[6, 4], strokeWidth=1.5, tooltip=False),
            line.transform_filter(f"datum.madds_m >= {ends[-1]!r}")
            .mark_text(align="right", baseline="top", dy=12, fontSize=11, color="#c2410c")
            .encode(text="text:N"),
        ]
    chart = alt.layer(*layers, points).add_params(picked)
    return spec_of(
        chart.properties(width=WIDE, height=340), f"Latency over multiply-adds. {sentence}"
    )
