"""The error of each operator: with all before it computed too, and alone."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.explain.explanation import MOST_SNR_DB, Explanation
from asymm_deploy.report.page.pictures.operator_data import (
    CHOSEN,
    PLACE_COLUMNS,
    operator_data,
    operator_place,
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
from asymm_deploy.text import counted

_ERROR_TABLE = (
    *PLACE_COLUMNS,
    Column("snr", "SNR (dB)", digits=1),
    Column("over", "error over deviation", "text"),
    Column("own_snr", "own SNR (dB)", digits=1),
    Column("own_over", "own error over deviation", "text"),
    Column("limit", "limit", "text"),
    Column("accused", "beyond its limit", "text"),
    Column("unjudged", "why there is none", "text"),
)


def snr_picture(explained: Sequence[Explanation]) -> Picture | None:
    """Return the picture of errors by operator; None if none was compared with a reference."""
    choices = [
        Choice(
            one_line(each.model),
            _snr_sentence(each),
            f"{one_line(each.model)}, errors by operator",
            tuple(operator_data(each)),
        )
        for each in explained
        if any(operator.on_layer or operator.own for operator in each.operators)
    ]
    if not choices:
        return None
    return Picture(
        "snr",
        "Error by layer",
        choices[0].sentence,
        _snr_spec(choices[0].sentence),
        ReportTable(choices[0].title, _ERROR_TABLE, ()),
        choices=tuple(choices),
        notes=(
            "Higher is better: 20 dB more is a tenth of the error. On-layer has the errors of all "
            "operators before it in it; own is of this operator alone, fed with the right values. "
            "What is equal to the reference bit by bit is in the table alone.",
        ),
    )


def _snr_sentence(explained: Explanation) -> str:
    accused = [operator for operator in explained.operators if operator.accused]
    name = one_line(explained.model)
    where = "" if explained.reference is None else f" against {one_line(explained.reference)}"
    last = [operator.on_layer for operator in explained.operators if operator.on_layer]
    end = f" At the end the SNR is {last[-1].snr_db:.0f} dB." if last else ""
    if accused:
        first = accused[0]
        more = f" and {counted(len(accused) - 1, 'other')}" if accused[1:] else ""
        return (
            f"{name}{where}: the own error of {operator_place(first)} (no. {first.index}){more} is "
            f"beyond its limit.{end}"
        )
    judged = [(each, each.own.snr_db) for each in explained.operators if each.own]
    if not judged:
        return f"{name}{where}: no operator was judged alone.{end}"
    lowest, own = min(judged, key=lambda pair: pair[1])
    return (
        f"{name}{where}: no own error is beyond its limit; the least exact operator is "
        f"{operator_place(lowest)} with {own:.0f} dB.{end}"
    )


_CURVES = {"snr": "on-layer", "own_snr": "own"}


def _snr_spec(sentence: str) -> Spec:
    import altair as alt

    picked = alt.param(name="picked", value="")
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=list(_CURVES.values()), range=["#3b82d6", "#2f9e6e"]),
        legend=alt.Legend(title=None, symbolOpacity=1),
    )
    base = (
        alt.Chart(alt.InlineData(values=[{}], name=CHOSEN))
        .transform_fold(list(_CURVES), as_=["field", "db"])
        .transform_filter(f"isValid(datum.db) && datum.db < {MOST_SNR_DB}")
        .transform_calculate(
            curve=f"datum.field === 'snr' ? '{_CURVES['snr']}' : '{_CURVES['own_snr']}'",
            error="datum.field === 'snr' ? datum.over : datum.own_over",
        )
        .encode(
            x=alt.X(
                "index:Q",
                title="operator, in the order of the graph",
                scale=alt.Scale(zero=False, nice=False, padding=8),
                axis=alt.Axis(grid=False, format="d", tickMinStep=1),
            ),
            y=alt.Y("db:Q", title="SNR (dB)", scale=alt.Scale(zero=False)),
            color=colour,
        )
    )
    lines = base.mark_line(strokeWidth=1.2, opacity=0.7, tooltip=False)
    dots = base.mark_point(filled=True, cursor="pointer", opacity=1).encode(
        size=alt.condition("datum.key === picked", alt.value(190), alt.value(26)),
        tooltip=[
            alt.Tooltip("module:N", title="module"),
            alt.Tooltip("kind:N", title="kind"),
            alt.Tooltip("curve:N", title="which"),
            alt.Tooltip("db:Q", title="SNR (dB)", format=".1f"),
            alt.Tooltip("error:N", title="error over deviation"),
            alt.Tooltip("limit:N", title="limit of the own error"),
        ],
    )
    accused = (
        base.transform_filter("datum.accused === 'yes' && datum.field === 'own_snr'")
        .mark_point(shape="cross", angle=45, size=260, filled=True, tooltip=False)
        .encode(color=alt.value("#d64545"))
    )
    chart = alt.layer(lines, dots, accused).add_params(picked)
    return spec_of(chart.properties(width=WIDE, height=260), f"Error by layer. {sentence}")
