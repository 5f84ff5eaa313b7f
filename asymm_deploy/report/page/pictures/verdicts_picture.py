"""What `check` found of each model: the change, its interval, and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.report.page.check_verdicts import CheckedChange, CheckVerdicts
from asymm_deploy.report.page.pictures.picture import (
    GREY,
    WIDE,
    Datum,
    Picture,
    Spec,
    joined,
    plain,
    spec_of,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_ROW_PIXELS = 22
_COLOURS = {
    "regressed": "#d64545",
    "improved": "#2f9e6e",
    "pass": "#3b82d6",
    "inconclusive": "#d97706",
    "unstable": "#d97706",
    "failed": "#a667c9",
    "same": GREY,
}
_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("metric", "metric", "text", is_key=True),
    Column("change", "change (%)"),
    Column("low", "from"),
    Column("high", "to"),
    Column("allowed", "allowed (%)", digits=1),
    Column("verdict", "verdict", "text"),
    Column("why", "why", "text"),
)
_LEADING = ("latency", "instructions")


def verdicts_picture(verdicts: CheckVerdicts) -> Picture:
    """Return the picture of one comparison of two versions."""
    shown = [
        each
        for each in verdicts.changes
        if each.change_percent is not None and each.metric in _LEADING
    ]
    data: list[Datum] = [
        {
            "key": one_line(each.model),
            "metric": each.metric,
            "change": each.change_percent,
            "low": each.low_percent,
            "high": each.high_percent,
            "allowed": each.threshold_percent,
            "verdict": one_line(each.verdict),
            "why": one_line(each.why),
        }
        for each in shown
    ]
    sentence = _sentence(verdicts)
    return Picture(
        "verdicts",
        "Verdict",
        sentence,
        _spec(data, sentence) if data else {},
        ReportTable(
            "What was compared",
            _TABLE,
            tuple(
                (
                    one_line(each.model),
                    each.metric,
                    each.change_percent,
                    each.low_percent,
                    each.high_percent,
                    each.threshold_percent,
                    each.verdict,
                    each.why,
                )
                for each in verdicts.changes
            ),
        ),
        tuple(one_line(each.model) for each in verdicts.changes),
        notes=(
            "A dot is the change from the baseline to the candidate, a bar its interval, a line "
            "what is allowed.",
        )
        if data
        else (),
    )


def _sentence(verdicts: CheckVerdicts) -> str:
    by_verdict: dict[str, list[CheckedChange]] = {}
    for each in verdicts.changes:
        if each.metric in _LEADING:
            by_verdict.setdefault(one_line(each.verdict), []).append(each)
    parts = [f"{one_line(verdicts.candidate)} against {one_line(verdicts.baseline)}:"]
    parts[0] += f" {one_line(verdicts.verdict)}"
    for verdict, found in by_verdict.items():
        if verdict not in {"pass", "same"}:
            names = [one_line(each.model) for each in found[:4]]
            names += [counted(len(found) - 4, "other")] if found[4:] else []
            parts.append(f"{verdict.capitalize()}: {joined(names)}")
    rest = sum(len(by_verdict.get(verdict, ())) for verdict in ("pass", "same"))
    if rest:
        parts.append(f"{counted(rest, 'model')} passed")
    how = f"A {verdicts.mode} comparison of {verdicts.started_at[:10]}"
    return f"{'. '.join([*parts, how])}."


def _spec(data: Sequence[Datum], sentence: str) -> Spec:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = list(dict.fromkeys(str(each["key"]) for each in data))
    present = [name for name in _COLOURS if any(each["verdict"] == name for each in data)]
    base = alt.Chart(alt.InlineData(values=plain(data))).encode(
        y=alt.Y("key:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False)),
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=present, range=[_COLOURS[name] for name in present]),
            legend=alt.Legend(title=None, symbolOpacity=1),
        ),
    )
    bars = base.mark_bar(height=8, cornerRadius=2, opacity=0.35, cursor="pointer").encode(
        x=alt.X(
            "low:Q",
            title="change (%)",
            axis=alt.Axis(orient="top", tickCount=8, labelOverlap="greedy"),
        ),
        x2="high:Q",
    )
    allowed = base.mark_tick(thickness=2, size=_ROW_PIXELS - 6, color=GREY).encode(
        x="allowed:Q", color=alt.value(GREY)
    )
    dots = base.mark_point(filled=True, opacity=1, cursor="pointer").encode(
        x="change:Q",
        size=alt.condition("datum.key === picked", alt.value(150), alt.value(70)),
        tooltip=[
            alt.Tooltip("key:N", title="model"),
            alt.Tooltip("metric:N", title="metric"),
            alt.Tooltip("change:Q", title="change (%)", format="+.2f"),
            alt.Tooltip("low:Q", title="from", format="+.2f"),
            alt.Tooltip("high:Q", title="to", format="+.2f"),
            alt.Tooltip("verdict:N", title="verdict"),
            alt.Tooltip("why:N", title="why"),
        ],
    )
    chart = alt.layer(bars, allowed, dots).add_params(picked)
    height = max(60, _ROW_PIXELS * len(order))
    return spec_of(chart.properties(width=WIDE, height=height), f"Verdict. {sentence}")
