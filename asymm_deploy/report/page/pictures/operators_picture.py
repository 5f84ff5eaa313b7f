"""Milliseconds by operator in the order of the graph, and the error of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import get_args

from asymm_deploy.explain.explanation import (
    MOST_SNR_DB,
    ExplainedOperator,
    Explanation,
    Kind,
    OperatorError,
)
from asymm_deploy.report.page.pictures.picture import (
    WIDE,
    Choice,
    Datum,
    Picture,
    counted,
    finished,
    plain,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line

_MILLION = 1e6
_CHOSEN = "chosen"
"""The name of the data set that a choice fills."""
_HIGHEST_DB = 160.0
"""Errors of float32 end at about 140 dB; what is equal bit by bit is drawn here."""
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
_TIME_COLUMNS = (
    Column("index", "no.", is_key=True),
    Column("module", "module", "text", is_key=True),
    Column("kind", "kind", "text"),
    Column("type", "operator", "text"),
    Column("shape", "output", "text"),
    Column("madds_m", "MAdds (M)", digits=2),
)
_AFTER_TIME = (
    Column("share", "share (%)", digits=1),
    Column("gmacs", "GMAdds/s", digits=1),
    Column("moved", "moved (MB)", digits=2),
    Column("intensity", "MAdds a byte", digits=2),
    Column("percent", "of the peak (%)", digits=0),
)
_ERROR_TABLE = (
    Column("index", "no.", is_key=True),
    Column("module", "module", "text", is_key=True),
    Column("kind", "kind", "text"),
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
    choices = [
        _layers_choice(each)
        for each in explained
        if any(_amount(operator) is not None for operator in each.operators)
    ]
    if not choices:
        return None
    timed = any(operator.time_ms is not None for each in explained for operator in each.operators)
    return _picture(
        "layers",
        "Milliseconds by layer" if timed else "Instructions by layer",
        choices,
        _layers_spec(choices, "ms" if timed else "M instructions"),
        (
            "Operators are in the order in which they run. What watching them cost is taken out: "
            "their times add up to the plain median.",
        )
        if timed
        else (),
    )


def snr_picture(explained: Sequence[Explanation]) -> Picture | None:
    """Return the picture of errors by operator; None if none was compared with a reference."""
    choices = [
        _snr_choice(each)
        for each in explained
        if any(operator.on_layer or operator.own for operator in each.operators)
    ]
    if not choices:
        return None
    return _picture(
        "snr",
        "Error by layer",
        choices,
        _snr_spec(choices),
        (
            "Higher is better: 20 dB more is a tenth of the error. On-layer has the errors of all "
            "operators before it in it; own is of this operator alone, fed with the right values.",
        ),
    )


def _picture(
    name: str,
    title: str,
    choices: Sequence[Choice],
    spec: dict[str, object],
    notes: tuple[str, ...],
) -> Picture:
    first = choices[0]
    return Picture(
        name, title, first.sentence, spec, first.table, first.keys, tuple(choices), notes
    )


def _amount(operator: ExplainedOperator) -> float | None:
    """Return its milliseconds, or its millions of instructions; None if it has neither."""
    if operator.time_ms is not None:
        return operator.time_ms
    return None if operator.insn is None else operator.insn / _MILLION


def operator_key(operator: ExplainedOperator) -> str:
    """Return what names an operator within a tab: it is no model's name."""
    return f"#{operator.index}"


def _place(operator: ExplainedOperator) -> str:
    return one_line(operator.module or operator.node or operator.name)


def _layers_choice(explained: Explanation) -> Choice:
    total = sum(_amount(operator) or 0 for operator in explained.operators)
    timed = any(operator.time_ms is not None for operator in explained.operators)
    data: list[Datum] = []
    cells = []
    for operator in explained.operators:
        amount = _amount(operator)
        share = 100 * amount / total if amount is not None and total else None
        ms = operator.time_ms
        gmacs = operator.madds / ms / _MILLION if ms and operator.madds else None
        moved = operator.bytes_moved / _MILLION
        intensity = operator.madds / operator.bytes_moved if operator.bytes_moved else None
        peak = 100 * gmacs / explained.peak_gmacs if gmacs and explained.peak_gmacs else None
        data.append(
            {
                "key": operator_key(operator),
                "index": operator.index,
                "kind": operator.kind,
                "module": _place(operator),
                "type": operator.type,
                "amount": amount,
                "share": share,
                "madds_m": operator.madds / _MILLION,
            }
        )
        cells.append(
            (
                operator.index,
                _place(operator),
                operator.kind,
                operator.type,
                "x".join(map(str, operator.output_shape)),
                operator.madds / _MILLION,
                amount,
                share,
                gmacs,
                moved,
                intensity,
                peak,
            )
        )
    heading = "time (ms)" if timed else "instructions (M)"
    columns = (*_TIME_COLUMNS, Column("amount", heading, digits=4), *_AFTER_TIME)
    label = one_line(explained.model)
    return Choice(
        label,
        tuple(data),
        _layers_sentence(explained, total, "ms" if timed else "M instructions"),
        ReportTable(f"{label}, by operator", columns, tuple(cells)),
        tuple(map(operator_key, explained.operators)),
    )


def _layers_sentence(explained: Explanation, total: float, unit: str) -> str:
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
        f"single operator is {_place(largest)} with {share:.1f} %."
    )


def _layers_spec(choices: Sequence[Choice], unit: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    present = {str(datum["kind"]) for choice in choices for datum in choice.data}
    kinds = [kind for kind in get_args(Kind) if kind in present]
    bars = (
        alt.Chart(alt.InlineData(values=plain(choices[0].data), name=_CHOSEN))
        .mark_bar(cursor="pointer", stroke="#c2410c")
        .encode(
            x=alt.X(
                "index:O",
                title="operator, in the order of the graph",
                axis=alt.Axis(labelOverlap="greedy", labelAngle=0, ticks=False, grid=False),
                scale=alt.Scale(paddingInner=0.12, paddingOuter=0.1),
            ),
            y=alt.Y("amount:Q", title=unit),
            color=alt.Color(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=[_KIND_COLOURS[kind] for kind in kinds]),
                legend=alt.Legend(title=None),
            ),
            strokeWidth=alt.condition("datum.key === picked", alt.value(2.5), alt.value(0)),
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
    return finished(chart.properties(width=WIDE, height=280), f"By layer. {choices[0].sentence}")


_CURVES: tuple[tuple[str, Callable[[ExplainedOperator], OperatorError | None]], ...] = (
    ("on-layer: all before it ran too", lambda operator: operator.on_layer),
    ("own: this operator alone", lambda operator: operator.own),
)


def _snr_choice(explained: Explanation) -> Choice:
    data: list[Datum] = [
        {
            "key": operator_key(operator),
            "index": operator.index,
            "module": _place(operator),
            "kind": operator.kind,
            "curve": curve,
            "db": min(error.snr_db, _HIGHEST_DB),
            "said": "equal" if error.snr_db >= MOST_SNR_DB else f"{error.snr_db:.1f} dB",
            "over": f"{error.over_deviation:.2g}",
            "accused": operator.accused and curve == _CURVES[1][0],
        }
        for operator in explained.operators
        for curve, of in _CURVES
        if (error := of(operator)) is not None
    ]
    cells = tuple(
        (
            operator.index,
            _place(operator),
            operator.kind,
            *_error_cells(operator.on_layer),
            *_error_cells(operator.own),
            None if operator.own_limit is None else f"{operator.own_limit:.2g}",
            "yes" if operator.accused else "",
            operator.unjudged,
        )
        for operator in explained.operators
    )
    label = one_line(explained.model)
    return Choice(
        label,
        tuple(data),
        _snr_sentence(explained),
        ReportTable(f"{label}, errors by operator", _ERROR_TABLE, cells),
        tuple(map(operator_key, explained.operators)),
    )


def _error_cells(error: OperatorError | None) -> tuple[float | None, str | None]:
    if error is None:
        return None, None
    return error.snr_db, f"{error.over_deviation:.2g}"


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
    judged = [operator for operator in explained.operators if operator.own]
    if not judged:
        return f"{name}{where}: no operator was judged alone.{end}"
    lowest = min(judged, key=lambda operator: operator.own.snr_db if operator.own else 0)
    own = lowest.own.snr_db if lowest.own else 0
    return (
        f"{name}{where}: no own error is beyond its limit; the least exact operator is "
        f"{_place(lowest)} with {own:.0f} dB.{end}"
    )


def _snr_spec(choices: Sequence[Choice]) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    x = alt.X(
        "index:Q",
        title="operator, in the order of the graph",
        scale=alt.Scale(zero=False, nice=False, padding=8),
        axis=alt.Axis(grid=False),
    )
    colour = alt.Color(
        "curve:N",
        scale=alt.Scale(domain=[curve for curve, _ in _CURVES], range=["#3b82d6", "#2f9e6e"]),
        legend=alt.Legend(title=None),
    )
    base = alt.Chart(alt.InlineData(values=plain(choices[0].data), name=_CHOSEN)).encode(
        x=x, y=alt.Y("db:Q", title="SNR (dB)", scale=alt.Scale(zero=False)), color=colour
    )
    lines = base.mark_line(strokeWidth=1.2, opacity=0.7, tooltip=False)
    dots = base.mark_point(filled=True, cursor="pointer", opacity=1).encode(
        size=alt.condition("datum.key === picked", alt.value(190), alt.value(26)),
        tooltip=[
            alt.Tooltip("module:N", title="module"),
            alt.Tooltip("kind:N", title="kind"),
            alt.Tooltip("curve:N", title="which"),
            alt.Tooltip("said:N", title="SNR"),
            alt.Tooltip("over:N", title="error over deviation"),
        ],
    )
    accused = (
        base.transform_filter("datum.accused")
        .mark_point(shape="cross", size=260, filled=False, strokeWidth=2.5, tooltip=False)
        .encode(color=alt.value("#d64545"))
    )
    chart = alt.layer(lines, dots, accused).add_params(picked)
    return finished(
        chart.properties(width=WIDE, height=260), f"Error by layer. {choices[0].sentence}"
    )
