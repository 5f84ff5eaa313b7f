"""Milliseconds by operator, or instructions, in the order of the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation, Kind
from asymm_deploy.report.page.pictures.operator_data import (
    CHOSEN,
    PLACE_COLUMNS,
    operator_amount,
    operator_data,
    operator_place,
    total_amount,
)
from asymm_deploy.report.page.pictures.picture import (
    WIDE,
    Choice,
    Picture,
    Spec,
    spec_of,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line

_LABEL = "bandwidth('x') > 20 || datum.value % (width < 500 ? 40 : 10) === 0 ? datum.label : ''"
"""Every number where there is room, else every tenth, on a phone every fortieth."""
_KIND_COLOURS: dict[Kind, str] = {
    "pointwise": "#3b82d6",
    "depthwise": "#d97706",
    "convolution": "#1f9d8b",
    "fully connected": "#6d6bd8",
    "concat copy": "#d64545",
    "squeeze-excite": "#a667c9",
    "activation": "#5f9e2f",
    "elementwise": "#b08d1a",
    "pooling": "#d6498b",
    "normalisation": "#9a6b4f",
    "attention": "#4f9fc9",
    "layout": "#e06f5c",
    "conversion": "#7d8a3a",
    "other": "#8a8f98",
}


def layers_picture(explained: Sequence[Explanation]) -> Picture | None:
    """Return the picture of time, or of instructions, by operator; None if neither is known."""
    known = [each for each in explained if any(map(_has_amount, each.operators))]
    if not known:
        return None
    timed = any(operator.time_ms is not None for each in known for operator in each.operators)
    unit = "ms" if timed else "M instructions"
    choices = [
        Choice(
            one_line(each.model),
            _layers_sentence(each, unit),
            f"{one_line(each.model)}, by operator",
            tuple(operator_data(each)),
        )
        for each in known
    ]
    columns = (
        *PLACE_COLUMNS,
        Column("type", "operator", "text"),
        Column("shape", "output", "text"),
        Column("madds_m", "MAdds (M)", digits=2),
        Column("amount", "time (ms)" if timed else "instructions (M)", digits=4),
        Column("share", "share (%)", digits=1),
        Column("gmacs", "GMAdds/s", digits=1),
        Column("moved", "moved (MB)", digits=2),
        Column("intensity", "MAdds a byte", digits=2),
        Column("percent", "of the peak (%)", digits=0),
    )
    notes = (
        (
            "Operators are in the order in which they run. What watching them cost is taken out: "
            "their times add up to the plain median.",
        )
        if timed
        else ()
    )
    return Picture(
        "layers",
        "Milliseconds by layer" if timed else "Instructions by layer",
        choices[0].sentence,
        _layers_spec(known, unit, choices[0].sentence),
        ReportTable(choices[0].title, columns, ()),
        choices=tuple(choices),
        notes=notes,
    )


def _has_amount(operator: ExplainedOperator) -> bool:
    return operator_amount(operator) is not None


def _layers_sentence(explained: Explanation, unit: str) -> str:
    total = total_amount(explained)
    kinds: defaultdict[str, float] = defaultdict(float)
    madds: defaultdict[str, float] = defaultdict(float)
    for operator in explained.operators:
        kinds[operator.kind] += operator_amount(operator) or 0
        madds[operator.kind] += operator.madds
    whole = sum(madds.values())
    ordered = sorted(kinds, key=lambda kind: -kinds[kind])[:3]
    parts = [
        f"{kind} {100 * kinds[kind] / total:.0f} %"
        + (f" (of the MAdds {100 * madds[kind] / whole:.0f} %)" if whole and madds[kind] else "")
        for kind in ordered
        if total
    ]
    largest = max(explained.operators, key=lambda operator: operator_amount(operator) or 0)
    share = 100 * (operator_amount(largest) or 0) / total if total else 0
    return (
        f"Of {total:.2f} {unit} of {one_line(explained.model)}: {', '.join(parts)}. The largest "
        f"single operator is {operator_place(largest)} with {share:.1f} %.{_doubts(explained)}"
    )


def _doubts(explained: Explanation) -> str:
    """Return what spoils these times, as a sentence; nothing if nothing does."""
    if explained.valid or not explained.flags:
        return ""
    why = "; ".join(f"{FLAGS[name].meaning} ({name})" for name in explained.flags if name in FLAGS)
    return f" They are flagged: {why}."


def _layers_spec(explained: Sequence[Explanation], unit: str, sentence: str) -> Spec:
    import altair as alt

    picked = alt.param(name="picked", value="")
    present = {operator.kind for each in explained for operator in each.operators}
    kinds = [kind for kind in get_args(Kind) if kind in present]
    bars = (
        alt.Chart(alt.InlineData(values=[{}], name=CHOSEN))
        .mark_bar(cursor="pointer", strokeWidth=2.5)
        .encode(
            x=alt.X(
                "index:O",
                title="operator, in the order of the graph",
                axis=alt.Axis(
                    labelExpr=_LABEL,
                    labelOverlap=False,
                    labelAngle=0,
                    ticks=False,
                    grid=False,
                ),
                scale=alt.Scale(paddingInner=0.12, paddingOuter=0.1),
            ),
            y=alt.Y("amount:Q", title=unit),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=[_KIND_COLOURS[kind] for kind in kinds]),
                legend=alt.Legend(title=None),
            ),
            stroke=alt.condition(
                "datum.key === picked", alt.value("#c2410c"), alt.value("transparent")
            ),
            opacity=alt.condition(
                "picked === '' || picked[0] !== '#' || datum.key === picked",
                alt.value(1),
                alt.value(0.45),
            ),
            tooltip=[
                alt.Tooltip("module:N", title="module"),
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("type:N", title="operator"),
                alt.Tooltip("amount:Q", title=unit, format=".4f"),
                alt.Tooltip("share:Q", title="share (%)", format=".2f"),
                alt.Tooltip("madds_m:Q", title="MAdds (M)", format=".2f"),
            ],
        )
    )
    chart = alt.layer(bars).add_params(picked)
    return spec_of(chart.properties(width=WIDE, height=280), f"By layer. {sentence}")
