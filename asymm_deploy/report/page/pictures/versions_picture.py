"""Both versions' launches side by side, the ratio, and the verdict where there is one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.report.page.check_verdicts import CheckedChange, CheckVerdicts
from asymm_deploy.report.page.checked_launches import CheckedLaunches
from asymm_deploy.report.page.pictures.picture import (
    GREY,
    WIDE,
    Datum,
    Picture,
    joined,
    plain,
    spec_of,
)
from asymm_deploy.report.page.pictures.timed_model import TimedModel
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

BEFORE, NOW = "before", "now"
_COLOURS = {
    BEFORE: GREY,
    NOW: "#3b82d6",
    f"{NOW}, regressed": "#d64545",
    f"{NOW}, improved": "#2f9e6e",
}
_ROW_PIXELS = 15
_RISK = 0.025

_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("before", "before (ms)", digits=3),
    Column("now", "now (ms)", digits=3),
    Column("ratio", "now over before", digits=3),
    Column("low", "95 % from", digits=3),
    Column("high", "to", digits=3),
    Column("verdict", "verdict", "text"),
    Column("why", "why", "text"),
)


@dataclass(frozen=True, slots=True)
class TwoVersions:
    """One model's launches before and now."""

    key: str
    """Names it in pictures."""
    model: str
    before: Sequence[LaunchRecord]
    now: Sequence[LaunchRecord]


def benched_versions(now: Sequence[TimedModel], before: Sequence[TimedModel]) -> list[TwoVersions]:
    """Return the models that two benches have finished launches of."""
    old = {model.key: model for model in before if model.medians_ms}
    return [
        TwoVersions(each.key, each.row.model, old[each.key].launches, each.launches)
        for each in now
        if each.medians_ms and each.key in old
    ]


def checked_versions(checked: Mapping[str, CheckedLaunches]) -> list[TwoVersions]:
    """Return the models that `check` timed."""
    return [
        TwoVersions(one_line(model), model, each.baseline, each.candidate)
        for model, each in checked.items()
    ]


_OF_BENCHES = (
    "A dot is the median of one launch. Two benches at two times are the weaker comparison: "
    "whatever else changed between them counts, too. asymm-deploy check times both versions in "
    "turns."
)
_OF_CHECK = (
    "A dot is the median of one launch, whether it counted or not. Both versions were timed in "
    "turns; the ratio and its interval are those of check."
)


def versions_picture(
    both: Sequence[TwoVersions], verdicts: CheckVerdicts | None, *, of_check: bool = False
) -> Picture | None:
    """Return the picture of both versions' launches; None if there are none.

    The verdict is `check`'s. ``of_check``: so is the ratio. Else it is of the mean logs of launch
    medians, and its interval Welch's.
    """
    if not both:
        return None
    latency = {
        one_line(change.model): change
        for change in (verdicts.changes if verdicts else ())
        if change.metric == "latency"
    }
    cells = []
    data: list[Datum] = []
    for each in both:
        former, latter = _medians_ms(each.before), _medians_ms(each.now)
        change = latency.get(one_line(each.model))
        ratio, low, high = welch_ratio(former, latter)
        if of_check:
            ratio, low, high = _ratio_of(change) or (ratio, None, None)
        verdict = change.verdict if change else "none"
        cells.append(
            (
                each.key,
                float(np.median(former)),
                float(np.median(latter)),
                ratio,
                low,
                high,
                change.verdict if change else None,
                change.why if change else None,
            )
        )
        data += [
            {
                "key": each.key,
                "version": version,
                "side": version if version == BEFORE else _side(verdict),
                "ms": float(np.median(launch.samples_ns)) / NS_PER_MS,
                "launch": launch.launch + 1,
                "flags": ", ".join(launch.flags) or "none",
                "ratio": ratio,
                "verdict": verdict,
            }
            for version, side in ((BEFORE, each.before), (NOW, each.now))
            for launch in side
            if launch.error is None and launch.samples_ns
        ]
    sentence = _sentence([(str(cell[0]), cell[3], cell[4], cell[5]) for cell in cells], latency)
    return Picture(
        "versions",
        "Before and now",
        sentence,
        _spec(data, sentence),
        ReportTable("Before and now", _TABLE, tuple(cells)),
        tuple(each.key for each in both),
        notes=(_OF_CHECK if of_check else _OF_BENCHES,),
    )


def _medians_ms(launches: Sequence[LaunchRecord]) -> list[float]:
    return [
        float(np.median(each.samples_ns)) / NS_PER_MS
        for each in launches
        if each.error is None and each.samples_ns
    ]


def _ratio_of(change: CheckedChange | None) -> tuple[float, float | None, float | None] | None:
    if change is None or change.change_percent is None:
        return None
    low, high = (
        None if each is None else 1 + each / 100
        for each in (change.low_percent, change.high_percent)
    )
    return 1 + change.change_percent / 100, low, high


def welch_ratio(
    before: Sequence[float], now: Sequence[float]
) -> tuple[float, float | None, float | None]:
    """Return now over before, and its 95 % interval, which needs two values on each side."""
    from scipy.special import stdtrit

    logs = [np.log(np.asarray(side)) for side in (before, now)]
    step = float(logs[1].mean() - logs[0].mean())
    if min(len(before), len(now)) < 2:
        return math.exp(step), None, None
    parts = [float(side.var(ddof=1)) / len(side) for side in logs]
    variance = sum(parts)
    if not variance:
        return math.exp(step), math.exp(step), math.exp(step)
    freedom = variance**2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, logs, strict=True)
    )
    reach = float(stdtrit(freedom, 1 - _RISK)) * math.sqrt(variance)
    return math.exp(step), math.exp(step - reach), math.exp(step + reach)


def _sentence(
    ratios: Sequence[tuple[str, float, float | None, float | None]],
    latency: dict[str, CheckedChange],
) -> str:
    regressed = [name for name, *_ in ratios if name in latency and _is(latency[name], "regressed")]
    improved = [name for name, *_ in ratios if name in latency and _is(latency[name], "improved")]
    parts = []
    if regressed:
        parts.append(f"Regressed: {joined(regressed)}.")
    if improved:
        parts.append(f"Improved: {joined(improved)}.")
    if latency and not parts:
        parts.append("No verdict says that a model became slower or faster.")
    farthest = max(ratios, key=lambda each: abs(math.log(each[1])))
    between = (
        f" (95 %: {farthest[2]:.3f} to {farthest[3]:.3f})" if farthest[2] and farthest[3] else ""
    )
    parts.append(
        f"Of {counted(len(ratios), 'model')} in both, {farthest[0]} changed most: it takes "
        f"{farthest[1]:.3f} times as long as before{between}."
    )
    return " ".join(parts)


def _side(verdict: str) -> str:
    return f"{NOW}, {verdict}" if verdict in {"regressed", "improved"} else NOW


def _is(change: CheckedChange, verdict: str) -> bool:
    return change.verdict == verdict


def _spec(data: Sequence[Datum], sentence: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    order = list(dict.fromkeys(str(each["key"]) for each in data))
    sides = [side for side in _COLOURS if any(each["side"] == side for each in data)]
    dots = (
        alt.Chart(alt.InlineData(values=plain(data)))
        .mark_point(filled=True, opacity=0.9, cursor="pointer")
        .encode(
            x=alt.X(
                "ms:Q",
                title="latency (ms)",
                scale=alt.Scale(type="log", nice=False, padding=10),
                axis=alt.Axis(
                    format="~g", tickCount=8, labelOverlap="greedy", labelSeparation=6, orient="top"
                ),
            ),
            y=alt.Y(
                "key:N",
                sort=order,
                title=None,
                axis=alt.Axis(domain=False, ticks=False, grid=True),
            ),
            yOffset=alt.YOffset("version:N", sort=[BEFORE, NOW]),
            color=alt.Color(
                "side:N",
                scale=alt.Scale(domain=sides, range=[_COLOURS[side] for side in sides]),
                legend=alt.Legend(title=None),
            ),
            shape=alt.Shape(
                "side:N",
                scale=alt.Scale(
                    domain=sides, range=["square" if side == BEFORE else "circle" for side in sides]
                ),
            ),
            size=alt.condition("datum.key === picked", alt.value(90), alt.value(36)),
            tooltip=[
                alt.Tooltip("key:N", title="model"),
                alt.Tooltip("version:N", title="version"),
                alt.Tooltip("launch:Q", title="launch"),
                alt.Tooltip("ms:Q", title="median (ms)", format=".3f"),
                alt.Tooltip("ratio:Q", title="now over before", format=".3f"),
                alt.Tooltip("verdict:N", title="verdict"),
                alt.Tooltip("flags:N", title="flags of the launch"),
            ],
        )
    )
    chart = alt.layer(dots).add_params(picked)
    height = 2 * _ROW_PIXELS * len(order)
    return spec_of(chart.properties(width=WIDE, height=height), f"Before and now. {sentence}")
