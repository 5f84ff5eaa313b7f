"""Figure 1: what each block costs in the same skeleton."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.models import names
from asymm_deploy.models.spec import Family
from asymm_deploy.report.caption import caption
from asymm_deploy.report.paper_comparison import LATENCY_MS, MADDS_M, PARAMS_M, VALID
from asymm_deploy.report.remarks import FLAGS_COLUMN, footnotes, in_order, untimed
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.side_by_side import ours, with_base

COLUMNS = (
    Column("scale", "scale", "text", is_key=True),
    Column("block", "block", "text", is_key=True),
    Column("figure", "figure", "text"),
    Column("model", "model", "text"),
    MADDS_M,
    PARAMS_M,
    LATENCY_MS,
    Column("latency_vs_inverted_residual", "vs inverted residual", digits=3),
    Column("ns_per_kmadd", "ns per 1000 MAdds"),
    VALID,
)

_BLOCKS: dict[Family, tuple[str, str]] = {
    "bottleneck": ("bottleneck", "1(a)"),
    "mbv3": ("inverted residual", "1(b), 2(a)"),
    "sandglass": ("sandglass", "1(c)"),
    "shuffle": ("ShuffleNetV2 block", "1(d)"),
    "ghost": ("Ghost module", "1(e)"),
    "asymmnet": ("asymmetrical bottleneck", "1(f), 2(c)"),
    "pruned": ("pruned", "2(b)"),
}
_INVERTED: Family = "mbv3"
_THOUSAND = 1e3

_NOTES = (
    "MobileNetV3's skeleton at width 1.0, 224x224: output channels, strides, activations and "
    "squeeze-and-excite are the same throughout, and only the block differs. The rows show what "
    "a block costs, not how accurate it is. The paper has no such table.",
    "Kernels are the skeleton's too, except in Ghost modules: their cheap convolutions are 3x3, "
    "and only their strides and projections take the skeleton's kernel.",
    "Where a block's own paper has no squeeze-and-excite, the skeleton's follows the spatial "
    "convolution; in ShuffleNetV2 units it follows the last pointwise one, as in the authors' "
    "ShuffleNetV2+. Bottlenecks reduce by 4 and sandglasses by 6, as published, to at least 8 "
    "channels.",
)


def figure1(rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]) -> ReportTable:
    """Return the seven blocks at both scales, with latencies relative to the inverted residual.

    ``counts`` gives MAdds and params by a model's name. ``rows`` share one setting; a model
    without a row has no latency.
    """
    models = names.figure_models(1)
    specs = [names.parse(model) for model in models]
    frame = ours(models, rows, counts).assign(
        scale=[(spec.scale or "").capitalize() for spec in specs],
        block=[_BLOCKS[spec.family][0] for spec in specs],
        figure=[_BLOCKS[spec.family][1] for spec in specs],
        model=models,
    )
    frame = with_base(frame, frame["block"] == _BLOCKS[_INVERTED][0], on=["scale"])
    frame["ns_per_kmadd"] = frame["latency_ms"] * NS_PER_MS * _THOUSAND / frame["madds"]
    measured = in_order(rows, models)
    return ReportTable.of(
        "Figure 1",
        (*COLUMNS, FLAGS_COLUMN),
        frame.rename(columns={"ratio": "latency_vs_inverted_residual"}),
        caption(measured),
        (*_NOTES, *untimed(measured, len(models)), *footnotes(measured)),
    )
