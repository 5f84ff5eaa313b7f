"""The memory behind each stage of a cold start, model by model."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.cold.cold_records import ColdRow, ColdStage
from asymm_deploy.report.cold.cold_picture import cold_keys, cold_table
from asymm_deploy.report.page.pictures.picture import GREY, WIDE, Datum, Picture, plain, spec_of

_ROW_PIXELS = 24
_STAGES: dict[ColdStage, tuple[str, str]] = {
    "engine": ("no model", "#6d6bd8"),
    "read": ("file read", "#8a8f98"),
    "created": ("session created", "#d97706"),
    "first": ("first run", "#3b82d6"),
    "second": ("second run", "#2f9e6e"),
}
"""What pictures call each moment, and its colour."""
_SHOWN = (
    *("memory_engine_mb", "memory_read_mb", "memory_created_mb", "memory_first_mb"),
    *("memory_second_mb", "memory_peak_mb", "memory_pss_mb"),
)


def stage_memory_picture(rows: Sequence[ColdRow]) -> Picture | None:
    """Return the picture of a tab's cold starts; None if nobody knows their memory."""
    known = [row for row in rows if row.memory_mb["engine"] is not None]
    if not known:
        return None
    keys = cold_keys(known)
    data: list[Datum] = [
        {
            "key": key,
            "stage": words,
            "mb": mb,
            "more": mb - (row.memory_mb["engine"] or 0.0),
            "least": row.memory_mb["engine"],
            "peak": row.memory_peak_mb,
        }
        for key, row in zip(keys, known, strict=True)
        for stage, (words, _) in _STAGES.items()
        if (mb := row.memory_mb[stage]) is not None
    ]
    sentence = _sentence(keys, known)
    return Picture(
        "memory",
        "Memory behind each stage",
        sentence,
        _spec(data, sentence),
        cold_table("Memory of cold starts", keys, known, _SHOWN),
        keys,
        notes=(
            "Resident memory of the runner's process, its own and that of libraries, in 2^20 "
            "bytes: medians of launches that do nothing else, since reading it takes time.",
        ),
    )


def _sentence(keys: Sequence[str], rows: Sequence[ColdRow]) -> str:
    added = sorted(
        ((row.memory_mb["second"] or 0.0) - (row.memory_mb["engine"] or 0.0), key)
        for key, row in zip(keys, rows, strict=True)
    )
    least, most = added[0], added[-1]
    process = f"a process of {rows[0].memory_mb['engine']:.1f} MB"
    if len(added) == 1:
        return f"By its second run {least[1]} has added {least[0]:.1f} MB to {process}."
    return (
        f"By their second run models have added from {least[0]:.1f} MB ({least[1]}) to "
        f"{most[0]:.1f} MB ({most[1]}) to {process}."
    )


def _spec(data: Sequence[Datum], sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = list(dict.fromkeys(str(each["key"]) for each in data))
    y = alt.Y("key:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False))
    base = alt.Chart(alt.InlineData(values=plain(data)))
    lines = base.mark_rule(color=GREY, strokeWidth=1, tooltip=False).encode(
        x=alt.X(
            "least:Q",
            title="resident memory (MB)",
            scale=alt.Scale(zero=True),
            axis=alt.Axis(orient="top", tickCount=10, labelOverlap="greedy", labelSeparation=6),
        ),
        x2="peak:Q",
        y=y,
    )
    points = base.mark_point(filled=True, size=90, opacity=0.9, cursor="pointer").encode(
        x="mb:Q",
        y=y,
        color=alt.Color(
            "stage:N",
            scale=alt.Scale(
                domain=[words for words, _ in _STAGES.values()],
                range=[colour for _, colour in _STAGES.values()],
            ),
            legend=alt.Legend(title=None),
        ),
        size=alt.condition("datum.key === picked", alt.value(200), alt.value(90)),
        tooltip=[
            alt.Tooltip("key:N", title="model"),
            alt.Tooltip("stage:N", title="behind"),
            alt.Tooltip("mb:Q", title="resident (MB)", format=".1f"),
            alt.Tooltip("more:Q", title="more than without a model", format=".1f"),
            alt.Tooltip("peak:Q", title="peak (MB)", format=".1f"),
        ],
    )
    chart = alt.layer(lines, points).add_params(picked)
    return spec_of(
        chart.properties(width=WIDE, height=_ROW_PIXELS * len(order)),
        f"Memory behind each stage. {sentence}",
    )
