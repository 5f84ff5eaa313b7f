"""One metric over commits: each commit's value, the levels, and the steps, accepted or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from asymm_deploy.history.history_series import HISTORY_UNITS, TIMED_METRICS, HistoryMetric
from asymm_deploy.history.told.told_series import ToldCommit, ToldSeries
from asymm_deploy.history.told.told_words import (
    METRIC_NAMES,
    change_words,
    marks_of,
    series_sentence,
    series_title,
    setting_words,
    step_words,
)
from asymm_deploy.report.page.pictures.operator_data import CHOSEN
from asymm_deploy.report.page.pictures.picture import (
    GREY,
    WIDE,
    Choice,
    Datum,
    Picture,
    Spec,
    filled,
    plain,
    spec_of,
)
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line

_PLAIN, _STEP, _ACCEPTED = "a commit", "a new level", "accepted"
_COLOURS = {_PLAIN: "#3b82d6", _STEP: "#d97706", _ACCEPTED: "#2f9e6e"}
_SHAPES = {_PLAIN: "circle", _STEP: "diamond", _ACCEPTED: "square"}
_DIGITS: dict[HistoryMetric, int] = {
    metric: {"top1": 2, "insn": 0, "size": 0}.get(metric, 3) for metric in HISTORY_UNITS
}
_HEIGHT = 260
_NOTE = (
    "A dot is a commit, in the order of their times; the grey line is the level that it is of, and "
    "a dashed one the commit from which another level holds."
)
_NOISY_NOTE = (
    "A bar is the 95 % interval over the commit's launches. A permutation test has to confirm each "
    "level."
)


def history_picture(metric: HistoryMetric, told: Sequence[ToldSeries]) -> Picture | None:
    """Return the picture of one metric's series, among which people choose; None without any.

    Those that changed come first.
    """
    if not told:
        return None
    told = sorted(told, key=lambda each: not each.steps)
    labels = _labels(told)
    choices = tuple(
        Choice(label, series_sentence(each), series_title(each.series), tuple(_data(each)))
        for label, each in zip(labels, told, strict=True)
    )
    unit = _unit(metric)
    digits = _DIGITS[metric]
    intervals = metric in {*TIMED_METRICS, "top1"}
    columns = (
        Column("key", "commit", "text", is_key=True),
        Column("time", "time (UTC)", "text"),
        Column("value", unit, digits=digits),
        *(
            (Column("low", "95 % from", digits=digits), Column("high", "to", digits=digits))
            if intervals
            else ()
        ),
        *((Column("launches", "launches", digits=0),) if metric in TIMED_METRICS else ()),
        Column("level", "level", digits=digits),
        Column("change", f"change ({told[0].change_unit})", digits=2),
        Column("noticed", "noticed", "text"),
    )
    return Picture(
        f"history-{metric}",
        f"{METRIC_NAMES[metric].capitalize()} over commits",
        choices[0].sentence,
        _spec(metric, choices[0].sentence),
        ReportTable(choices[0].title, columns, ()),
        choices=choices,
        notes=(f"{_NOTE} {_NOISY_NOTE}" if metric in TIMED_METRICS else _NOTE,),
    )


def history_spec(told: Sequence[ToldSeries]) -> Spec:
    """Return a specification with all of these series, one below the other, each with a title."""
    drawn = []
    for each in told:
        sentence = series_sentence(each)
        spec = filled(_spec(each.series.metric, sentence), list(_data(each)))
        title = {"text": series_title(each.series), "anchor": "start", "fontSize": 13}
        drawn.append({**spec, "title": title, "data": {"values": spec["data"]["values"]}})
    if len(drawn) == 1:
        return drawn[0]
    config, params = drawn[0]["config"], drawn[0]["params"]
    own = {"config", "params", "description"}
    return {
        "vconcat": [
            {key: value for key, value in spec.items() if key not in own} for spec in drawn
        ],
        "params": params,
        "config": config,
        "description": " ".join(spec["description"] for spec in drawn),
    }


def _labels(told: Sequence[ToldSeries]) -> list[str]:
    """Return a label for each series, by which a page knows its data: no two are the same."""
    names = []
    for each in told:
        words = setting_words(each.series)
        named = f"{one_line(each.series.model)}, {METRIC_NAMES[each.series.metric]}"
        names.append(f"{named}{f', {words}' if words else ''}")
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def _unit(metric: HistoryMetric) -> str:
    unit = HISTORY_UNITS[metric]
    if unit == "count":
        return METRIC_NAMES[metric]
    return f"{METRIC_NAMES[metric]} ({'%' if unit == 'percent' else unit})"


def _data(told: ToldSeries) -> list[Datum]:
    return [_datum(each, place, told) for place, each in enumerate(told.commits)]


def _datum(each: ToldCommit, place: int, told: ToldSeries) -> Datum:
    point = each.point
    began = step_words(each, told.change_unit)
    return {
        "key": each.commit,
        "index": place,
        "time": f"{point.commit_time:%Y-%m-%d %H:%M}",
        "value": point.value,
        "low": each.low,
        "high": each.high,
        "launches": len(point.values),
        "level": each.level,
        "change": each.change,
        "changed": change_words(each.change, told.change_unit),
        "what": _PLAIN if each.step is None else _STEP if each.accepted is None else _ACCEPTED,
        "noticed": "; ".join([*marks_of(each), *([began] if began else [])]),
    }


def _spec(metric: HistoryMetric, sentence: str) -> Spec:
    import altair as alt

    picked = alt.param(name="picked", value="")
    unit = _unit(metric)
    digits = f",.{_DIGITS[metric]}f"
    base = alt.Chart(alt.InlineData(values=plain([{}]), name=CHOSEN)).encode(
        x=alt.X(
            "key:N",
            sort=alt.EncodingSortField("index", op="min", order="ascending"),
            title="commit",
            axis=alt.Axis(labelAngle=-45, labelOverlap="greedy", ticks=False, grid=False),
        )
    )
    scale = alt.Scale(zero=False, nice=True, padding=8)
    y = alt.Y("value:Q", title=unit, scale=scale)
    names = list(_COLOURS)
    colour = alt.Color(
        "what:N",
        scale=alt.Scale(domain=names, range=[_COLOURS[name] for name in names]),
        legend=alt.Legend(title=None, symbolOpacity=1),
    )
    shape = alt.Shape(
        "what:N", scale=alt.Scale(domain=names, range=[_SHAPES[name] for name in names])
    )
    steps = (
        base.transform_filter(f"datum.what !== '{_PLAIN}'")
        .mark_rule(strokeDash=[4, 3], strokeWidth=1.3)
        .encode(color=colour)
    )
    levels = base.mark_line(interpolate="step", strokeWidth=2.5, opacity=0.55).encode(
        y=alt.Y("level:Q", title=unit, scale=scale), color=alt.value(GREY)
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.3).encode(
        y=alt.Y("low:Q", title=unit, scale=scale), y2="high:Q", color=colour
    )
    dots = base.mark_point(filled=True, opacity=1, cursor="pointer").encode(
        y=y,
        color=colour,
        shape=shape,
        size=alt.condition("datum.key === picked", alt.value(190), alt.value(60)),
        tooltip=[
            alt.Tooltip("key:N", title="commit"),
            alt.Tooltip("time:N", title="time (UTC)"),
            alt.Tooltip("value:Q", title=unit, format=digits),
            alt.Tooltip("low:Q", title="95 % from", format=digits),
            alt.Tooltip("high:Q", title="to", format=digits),
            alt.Tooltip("launches:Q", title="launches"),
            alt.Tooltip("changed:N", title="against the level before"),
            alt.Tooltip("noticed:N", title="noticed"),
        ],
    )
    chart = alt.layer(steps, bars, levels, dots).add_params(picked)
    named = METRIC_NAMES[metric].capitalize()
    return spec_of(
        chart.properties(width=WIDE, height=_HEIGHT), f"{named} over commits. {sentence}"
    )
