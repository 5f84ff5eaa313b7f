"""Milliseconds by operator in the order of the graph, and the error of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import get_args

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.explain.explanation import (
    MOST_SNR_DB,
    ExplainedOperator,
    Explanation,
    Kind,
)
from asymm_deploy.report.page.pictures.picture import (
    WIDE,
    Choice,
    Datum,
    Picture,
    Spec,
    counted,
    short_number,
    spec_of,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line

_MILLION = 1e6
_CHOSEN = "chosen"
"""The name of the data set that a choice fills."""
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
_PLACE = (
    Column("index", "no.", is_key=True),
    Column("module", "module", "text", is_key=True),
    Column("kind", "kind", "text"),
)
_ERROR_TABLE = (
    *_PLACE,
    Column("snr", "SNR (dB)", digits=1),
    Column("over", "error over deviation", "text"),
    Column("own_snr", "own SNR (dB)", digits=1),
    Column("own_over", "own error over deviation", "text"),
    Column("limit", "limit", "text"),
    Column("accused", "beyond its limit", "text"),
    Column("unjudged", "why there is none", "text"),
)


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
            tuple(_data(each)),
        )
        for each in known
    ]
    columns = (
        *_PLACE,
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


def snr_picture(explained: Sequence[Explanation]) -> Picture | None:
    """Return the picture of errors by operator; None if none was compared with a reference."""
    choices = [
        Choice(
            one_line(each.model),
            _snr_sentence(each),
            f"{one_line(each.model)}, errors by operator",
            tuple(_data(each)),
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


def operator_key(operator: ExplainedOperator) -> str:
    """Return what names an operator within a tab: it is no model's name."""
    return f"#{operator.index}"


def _amount(operator: ExplainedOperator) -> float | None:
    """Return its milliseconds, or its millions of instructions; None if it has neither."""
    if operator.time_ms is not None:
        return operator.time_ms
    return None if operator.insn is None else operator.insn / _MILLION


def _has_amount(operator: ExplainedOperator) -> bool:
    return _amount(operator) is not None


def _place(operator: ExplainedOperator) -> str:
    return one_line(operator.module or operator.node or operator.name)


def _total(explained: Explanation) -> float:
    return sum(_amount(operator) or 0 for operator in explained.operators)


def _intensity(operator: ExplainedOperator) -> float | None:
    if not operator.bytes_moved or not operator.madds:
        return None
    return operator.madds / operator.bytes_moved


def _data(explained: Explanation) -> list[Datum]:
    """Return a datum for each operator, with all that either picture shows."""
    total = _total(explained)
    data: list[Datum] = []
    for operator in explained.operators:
        amount, ms = _amount(operator), operator.time_ms
        gmacs = operator.madds / ms / _MILLION if ms and operator.madds else None
        peak = 100 * gmacs / explained.peak_gmacs if gmacs and explained.peak_gmacs else None
        own, on_layer, limit = operator.own, operator.on_layer, operator.own_limit
        data.append(
            {
                "key": operator_key(operator),
                "index": operator.index,
                "module": _place(operator),
                "kind": operator.kind,
                "type": one_line(operator.type),
                "shape": "x".join(map(str, operator.output_shape)),
                "madds_m": short_number(operator.madds / _MILLION) or None,
                "amount": short_number(amount),
                "share": short_number(100 * amount / total if amount and total else amount),
                "gmacs": short_number(gmacs),
                "moved": short_number(operator.bytes_moved / _MILLION),
                "intensity": short_number(_intensity(operator)),
                "percent": short_number(peak),
                "snr": None if on_layer is None else short_number(on_layer.snr_db),
                "over": None if on_layer is None else f"{on_layer.over_deviation:.2g}",
                "own_snr": None if own is None else short_number(own.snr_db),
                "own_over": None if own is None else f"{own.over_deviation:.2g}",
                "limit": None if limit is None else _limit_text(limit, operator.limit_reason),
                "accused": "yes" if operator.accused else "",
                "unjudged": operator.unjudged and one_line(operator.unjudged),
            }
        )
    return data


def _limit_text(limit: float, reason: str | None) -> str:
    return f"{limit:.2g}" if reason is None else f"{limit:.2g}: {one_line(reason)}"


def _layers_sentence(explained: Explanation, unit: str) -> str:
    total = _total(explained)
    kinds: defaultdict[str, float] = defaultdict(float)
    madds: defaultdict[str, float] = defaultdict(float)
    for operator in explained.operators:
        kinds[operator.kind] += _amount(operator) or 0
        madds[operator.kind] += operator.madds
    whole = sum(madds.values())
    ordered = sorted(kinds, key=lambda kind: -kinds[kind])[:3]
    parts = [
        f"{kind} {100 * kinds[kind] / total:.0f} %"
        + (f" (of the MAdds {100 * madds[kind] / whole:.0f} %)" if whole and madds[kind] else "")
        for kind in ordered
        if total
    ]
    largest = max(explained.operators, key=lambda operator: _amount(operator) or 0)
    share = 100 * (_amount(largest) or 0) / total if total else 0
    return (
        f"Of {total:.2f} {unit} of {one_line(explained.model)}: {', '.join(parts)}. The largest "
        f"single operator is {_place(largest)} with {share:.1f} %.{_doubts(explained)}"
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
        alt.Chart(alt.InlineData(values=[{}], name=_CHOSEN))
        .mark_bar(cursor="pointer", strokeWidth=2.5)
        .encode(
            x=alt.X(
                "index:O",
                title="operator, in the order of the graph",
                axis=alt.Axis(
                    labelExpr="datum.value % 10 === 0 ? datum.label : ''",
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
            f"{name}{where}: the own error of {_place(first)} (no. {first.index}){more} is beyond "
            f"its limit.{end}"
        )
    judged = [(each, each.own.snr_db) for each in explained.operators if each.own]
    if not judged:
        return f"{name}{where}: no operator was judged alone.{end}"
    lowest, own = min(judged, key=lambda pair: pair[1])
    return (
        f"{name}{where}: no own error is beyond its limit; the least exact operator is "
        f"{_place(lowest)} with {own:.0f} dB.{end}"
    )


_CURVES = {"snr": "on-layer: all before it ran, too", "own_snr": "own: this operator alone"}


def _snr_spec(sentence: str) -> Spec:
    import altair as alt

    picked = alt.param(name="picked", value="")
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=list(_CURVES.values()), range=["#3b82d6", "#2f9e6e"]),
        legend=alt.Legend(title=None),
    )
    base = (
        alt.Chart(alt.InlineData(values=[{}], name=_CHOSEN))
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
                axis=alt.Axis(grid=False),
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
