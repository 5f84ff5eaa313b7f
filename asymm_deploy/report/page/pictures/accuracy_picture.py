"""Accuracy over latency, with the front of those that nothing else beats in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.models import names
from asymm_deploy.models.naming.variant_names import VARIANTS
from asymm_deploy.report.page.pictures.picture import (
    GREY,
    NETWORK_COLOURS,
    WIDE,
    Datum,
    Picture,
    network_name,
    plain,
    spec_of,
)
from asymm_deploy.report.page.pictures.timed_model import TimedModel
from asymm_deploy.report.paper import printed_table
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.text import counted

if TYPE_CHECKING:
    import altair as alt

_WITH_ACCURACY = (5, 6)
"""The paper's tables that print a top-1 accuracy on ImageNet."""

_PLOT_WIDE, _PLOT_HIGH = 800, 300
_LABEL_WIDE, _LABEL_HIGH = 130, 18
"""Pixels."""

_THE_PAPERS = "Accuracies are the paper's, top-1 on ImageNet; latencies are measured here."

_TABLE = (
    Column("model", "model", "text", is_key=True),
    Column("top1", "top-1 (%)", digits=1),
    Column("ms", "mean (ms)", digits=3),
    Column("front", "on the front", "text"),
    Column("valid", "valid", "text"),
    Column("noticed", "what was noticed", "text"),
)


_Known: TypeAlias = tuple[TimedModel, float, float]
"""A model, its top-1 in percent, its milliseconds."""


def accuracy_picture(
    models: Sequence[TimedModel], measured: Mapping[str, MeasuredTop1] = MappingProxyType({})
) -> Picture | None:
    """Return the picture of those models whose accuracy is known; None if it is of fewer than two.

    The accuracies are those that were ``measured`` if they are of two models or more, and the
    paper's otherwise: never some of each.
    """
    known = [
        (model, measured[model.row.model].percent, model.row.latency_mean_ms)
        for model in models
        if model.row.latency_mean_ms is not None and model.row.model in measured
    ]
    is_ours = len(known) > 1
    if not is_ours:
        known = _in_paper(models)
    if len(known) < 2:
        return None
    trusted = [each for each in known if each[0].row.valid] or known
    front = [model.key for model, _, _ in _front(trusted)]
    slowest = max(ms for _, _, ms in known)
    labelled = _with_room(_front(trusted), known)
    bases = {model.row.model: (top1, ms) for model, top1, ms in known if not _variant(model)}
    with_variants = {_base(model) for model, _, _ in known if _variant(model)}
    data: list[Datum] = [
        {
            "key": model.key,
            "network": network_name(model.row.network),
            "scale": (model.row.scale or "other").capitalize(),
            "top1": top1,
            "ms": ms,
            "valid": model.row.valid,
            "front": model.key in front,
            "label": _label(model, labelled, with_variants),
            "base_ms": bases.get(_base(model), (top1, ms))[1] if _variant(model) else ms,
            "base_top1": bases.get(_base(model), (top1, ms))[0] if _variant(model) else top1,
            "late": _is_late(ms, slowest) or model.row.model in with_variants,
            "noticed": model.noticed or "nothing",
        }
        for model, top1, ms in known
    ]
    table = ReportTable(
        "Accuracy and latency",
        _TABLE,
        tuple(
            (
                model.key,
                top1,
                ms,
                "yes" if model.key in front else "",
                model.row.valid,
                model.noticed,
            )
            for model, top1, ms in known
        ),
    )
    sentence = _sentence(known, trusted, front)
    return Picture(
        "accuracy",
        "Accuracy over latency",
        sentence,
        _spec(data, sentence, "top-1 (%)" if is_ours else "top-1 (%), the paper's"),
        table,
        tuple(model.key for model, _, _ in known),
        notes=(_measured_on(known, measured) if is_ours else _THE_PAPERS,),
    )


def _variant(model: TimedModel) -> str:
    """Return which variant of its network a model is; empty for the export itself."""
    _, _, ending = model.row.model.rpartition("@")
    return ending if ending in VARIANTS else ""


def _base(model: TimedModel) -> str:
    """Return the name of the export that a model is, or is a variant of."""
    variant = _variant(model)
    return model.row.model.removesuffix(f"@{variant}") if variant else model.row.model


def _label(model: TimedModel, labelled: set[str], with_variants: set[str]) -> str:
    """Return what stands beside a point: a variant's name, for the export they are of fp32."""
    if _base(model) in with_variants:
        return _variant(model) or "fp32"
    return model.key if model.key in labelled else ""


def _in_paper(models: Sequence[TimedModel]) -> list[_Known]:
    """Return the models whose accuracy the paper prints, at the resolution that it has there."""
    printed = paper_top1()
    return [
        (model, printed[model.row.model], model.row.latency_mean_ms)
        for model in models
        if model.row.latency_mean_ms is not None
        and model.row.model in printed
        and model.row.classes is None
        and model.row.input_shape in (None, names.parse(model.row.model).input_shape)
    ]


def _measured_on(known: Sequence[_Known], measured: Mapping[str, MeasuredTop1]) -> str:
    found = [measured[model.row.model] for model, _, _ in known]
    widest = max(each.high - each.low for each in found) / 2
    return (
        f"Accuracies are measured: top-1 of MNN in fp32 on the same "
        f"{counted(found[0].images, 'image')}; "
        f"Wilson's 95 % interval is about {widest:.2g} points to each side at the widest."
    )


@cache
def paper_top1() -> dict[str, float]:
    """Return the top-1 accuracies that the paper prints, in percent, by model."""
    found: dict[str, float] = {}
    for number in _WITH_ACCURACY:
        printed = printed_table(number)["top1_percent"]
        for model, text in zip(names.table_models(number), printed, strict=True):
            found.setdefault(model, float(text))
    return found


def _front(known: Sequence[_Known]) -> list[_Known]:
    """Return those than which no other one is faster and at least as accurate, the fastest first.

    Of equals the first one is meant.
    """
    best, front = float("-inf"), []
    for each in sorted(known, key=lambda one: (one[2], -one[1])):
        if each[1] > best:
            front.append(each)
            best = each[1]
    return front


def _with_room(front: Sequence[_Known], known: Sequence[_Known]) -> set[str]:
    """Return those of a front whose names can stand beside their points without touching anything.

    The slowest one comes first, since whoever looks for the best looks there.
    """
    slowest = max(ms for _, _, ms in known)
    widest = slowest - min(ms for _, _, ms in known) or 1
    highest = max(top1 for _, top1, _ in known) - min(top1 for _, top1, _ in known) or 1
    points = [(ms / widest * _PLOT_WIDE, top1 / highest * _PLOT_HIGH) for _, top1, ms in known]
    taken: list[tuple[float, float]] = []
    found = set()
    for model, top1, ms in reversed(front):
        x, y = ms / widest * _PLOT_WIDE, top1 / highest * _PLOT_HIGH
        side = (
            -1 if _is_late(ms, slowest) else 1
        )  # to the left and above, or to the right and below
        beside = any(
            0 < side * (a - x) < _LABEL_WIDE and 0 < side * (y - b) < _LABEL_HIGH for a, b in points
        )
        near = any(abs(x - a) < _LABEL_WIDE and abs(y - b) < _LABEL_HIGH for a, b in taken)
        if not beside and not near:
            taken.append((x, y))
            found.add(model.key)
    return found


def _is_late(ms: float, slowest: float) -> bool:
    """Whether a point is so far to the right that its name has to stand to the left of it."""
    return ms > 0.7 * slowest


def _sentence(known: Sequence[_Known], trusted: Sequence[_Known], front: Sequence[str]) -> str:
    noun = "variant" if any(_variant(model) for model, _, _ in trusted) else "network"
    on_front = _front(trusted)
    fastest, best = on_front[0], on_front[-1]
    doubtful = len(known) - len(trusted)
    ends = f"{fastest[0].key} ({fastest[1]:g} % in {fastest[2]:.2f} ms)"
    if len(on_front) > 1:
        ends = f"from {ends} to {best[0].key} ({best[1]:g} % in {best[2]:.2f} ms)"
    text = (
        f"{len(front)} of {counted(len(trusted), noun)} "
        f"{'lies' if len(front) == 1 else 'lie'} on the front, {ends}: no other one is faster and "
        "as accurate."
    )
    if doubtful:
        text += f" {counted(doubtful, f'flagged {noun}')} (hollow) can't be on it."
    elif not any(model.row.valid for model, _, _ in known):
        text += " All rows are flagged (hollow): another bench may order them otherwise."
    return text


def _spec(data: Sequence[Datum], sentence: str, title: str) -> dict[str, object]:
    import altair as alt

    picked = alt.param(name="picked", value="")
    networks = list(dict.fromkeys(str(each["network"]) for each in data))
    base = alt.Chart(alt.InlineData(values=plain(data))).encode(
        x=alt.X(
            "ms:Q",
            title="mean latency (ms)",
            scale=alt.Scale(zero=False, padding=12),
            axis=alt.Axis(format="~g", tickCount=10, labelOverlap=True),
        ),
        y=alt.Y("top1:Q", title=title, scale=alt.Scale(zero=False, padding=12)),
    )
    line = (
        base.transform_filter("datum.front")
        .mark_line(color=GREY, strokeWidth=1.5, interpolate="step-after", tooltip=False)
        .encode(order="ms:Q")
    )
    of_model = base.mark_rule(strokeWidth=0.8, opacity=0.5, tooltip=False).encode(
        x2="base_ms:Q", y2="base_top1:Q", color=_by_network(networks)
    )
    labels = base.transform_filter("datum.label !== ''").encode(text="label:N")
    left = labels.transform_filter("datum.late").mark_text(
        align="right", baseline="bottom", dx=-7, dy=-4, fontSize=11, limit=160
    )
    right = labels.transform_filter("!datum.late").mark_text(
        align="left", baseline="top", dx=8, dy=5, fontSize=11, limit=160
    )
    points = base.mark_point(
        filled=True, size=95, strokeWidth=1.6, opacity=1, cursor="pointer"
    ).encode(
        color=_by_network(networks),
        stroke=alt.Stroke(
            "network:N",
            scale=alt.Scale(domain=networks, range=list(NETWORK_COLOURS[: len(networks)])),
            legend=alt.Legend(title=None),
        ),
        shape=alt.Shape(
            "scale:N",
            legend=alt.Legend(title=None, symbolFillColor=GREY, symbolStrokeColor=GREY),
        ),
        fillOpacity=alt.condition("datum.valid", alt.value(0.85), alt.value(0)),
        size=alt.condition("datum.key === picked", alt.value(320), alt.value(95)),
        tooltip=[
            alt.Tooltip("key:N", title="model"),
            alt.Tooltip("top1:Q", title=title),
            alt.Tooltip("ms:Q", title="mean (ms)", format=".3f"),
            alt.Tooltip("noticed:N", title="noticed"),
        ],
    )
    joined = [of_model] if any(each["base_ms"] != each["ms"] for each in data) else []
    chart = alt.layer(*joined, line, points, left, right).add_params(picked)
    return spec_of(chart.properties(width=WIDE, height=360), f"Accuracy over latency. {sentence}")


def _by_network(networks: Sequence[str]) -> alt.Color:
    import altair as alt

    return alt.Color(
        "network:N",
        scale=alt.Scale(domain=networks, range=list(NETWORK_COLOURS[: len(networks)])),
        legend=alt.Legend(title=None),
    )
