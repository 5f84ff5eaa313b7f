"""Instructions of an emulated processor by model, with predictions that nobody measured."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.emulated.counts import CostRecord, Counts
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import predicted_for
from asymm_deploy.report.page.pictures.picture import (
    WIDE,
    Datum,
    Picture,
    plain,
    spec_of,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_MILLION = 1e6
_ROW_PIXELS = 20
_CLASSES = (
    ("fma", "multiply-add", "#3b82d6"),
    ("vector", "other vector", "#4fb0c9"),
    ("load", "load", "#d97706"),
    ("store", "store", "#b08d1a"),
    ("branch", "branch", "#d6498b"),
    ("integer", "integer and the rest", "#8a8f98"),
)


def cost_picture(costs: Sequence[CostRecord]) -> Picture | None:
    """Return the picture of one processor's counts; None if no model was counted.

    Of two records of one model the later one counts.
    """
    latest = {one_line(record.model): record for record in costs}
    found = [
        (name, record, record.counts)
        for name, record in latest.items()
        if record.counts is not None
    ]
    if not found:
        return None
    calibration = calibrations.named()
    predictions = {name: predicted_for(record, calibration) for name, record, _ in found}
    phone = calibration.device
    columns = (
        Column("model", "model", "text", is_key=True),
        Column("insn", "instructions (M)", digits=3),
        *(Column(name, f"{words} (M)", digits=3) for name, words, _ in _CLASSES),
        Column("ms", f"predicted {phone} (ms)"),
        Column("low", "from (ms)"),
        Column("high", "to (ms)"),
        Column("valid", "valid", "text"),
        Column("flags", "flags", "text"),
    )
    cells = []
    data: list[Datum] = []
    for name, record, counts in found:
        ahead = predictions[name]
        said = f"predicted: {ahead.ms:.1f} ms" if ahead else ""
        cells.append(
            (
                name,
                counts.insn / _MILLION,
                *(getattr(counts, field) / _MILLION for field, _, _ in _CLASSES),
                ahead.ms if ahead else None,
                ahead.low_ms if ahead else None,
                ahead.high_ms if ahead else None,
                record.valid,
                ", ".join(record.flags),
            )
        )
        data += [
            {
                "key": name,
                "class": words,
                "rank": rank,
                "millions": getattr(counts, field) / _MILLION,
                "whole": counts.insn / _MILLION,
                "said": said,
            }
            for rank, (field, words, _) in enumerate(_CLASSES)
        ]
    sentence = _sentence([(name, counts) for name, _, counts in found])
    notes = (
        (
            f"Predicted milliseconds are what a {phone} should take with one thread; nobody "
            f"measured them. Of models left out of the fit they were off by "
            f"{calibration.mean_error:.1%} on average.",
        )
        if any(predictions.values())
        else ()
    )
    return Picture(
        "cost",
        "Instructions",
        sentence,
        _spec(data, sentence),
        ReportTable("Instructions by class", columns, tuple(cells)),
        tuple(name for name, _, _ in found),
        notes=notes,
    )


def _sentence(found: Sequence[tuple[str, Counts]]) -> str:
    ordered = sorted(found, key=lambda each: each[1].insn)
    least, most = ordered[0], ordered[-1]
    share = 100 * most[1].fma / most[1].insn if most[1].insn else 0
    exact = "Counts are exact: the same on any machine."
    if len(found) == 1:
        return (
            f"{least[0]} takes {least[1].insn / _MILLION:.1f} M instructions, {share:.0f} % of "
            f"them multiply-adds. {exact}"
        )
    return (
        f"{counted(len(found), 'model')} from {least[0]} ({least[1].insn / _MILLION:.1f} M) to "
        f"{most[0]} ({most[1].insn / _MILLION:.1f} M, {share:.0f} % of them multiply-adds). {exact}"
    )


def _spec(data: Sequence[Datum], sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = list(dict.fromkeys(str(each["key"]) for each in data))
    y = alt.Y("key:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False))
    base = alt.Chart(alt.InlineData(values=plain(data)))
    bars = base.mark_bar(cursor="pointer").encode(
        x=alt.X(
            "millions:Q",
            title="instructions of one run (M)",
            axis=alt.Axis(orient="top", tickCount=10, labelOverlap="greedy", labelSeparation=6),
        ),
        y=y,
        color=alt.Color(
            "class:N",
            scale=alt.Scale(
                domain=[words for _, words, _ in _CLASSES],
                range=[colour for _, _, colour in _CLASSES],
            ),
            legend=alt.Legend(title=None),
        ),
        order="rank:O",
        opacity=alt.condition(
            "picked === '' || datum.key === picked", alt.value(1), alt.value(0.55)
        ),
        tooltip=[
            alt.Tooltip("key:N", title="model"),
            alt.Tooltip("class:N", title="class"),
            alt.Tooltip("millions:Q", title="M instructions", format=".3f"),
            alt.Tooltip("whole:Q", title="all of them (M)", format=".3f"),
            alt.Tooltip("said:N", title="Snapdragon 855"),
        ],
    )
    said = (
        base.transform_filter("datum.rank === 0 && datum.said !== ''")
        .mark_text(align="left", dx=6, fontSize=11, fontStyle="italic")
        .encode(x="whole:Q", y=y, text="said:N")
    )
    chart = alt.layer(bars, said).add_params(picked)
    return spec_of(
        chart.properties(width=WIDE, height=_ROW_PIXELS * len(order)), f"Instructions. {sentence}"
    )
