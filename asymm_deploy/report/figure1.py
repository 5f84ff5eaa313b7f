"""Figure 1: what each block costs in one and the same skeleton."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.models import names
from asymm_deploy.models.spec import Family
from asymm_deploy.report import remarks
from asymm_deploy.report.beside import LATENCY_MS, MADDS_M, PARAMS_M, VALID
from asymm_deploy.report.caption import caption
from asymm_deploy.report.table import Cell, Column, Table

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
_MILLION = 1e6
_THOUSAND = 1e3

_NOTES = (
    "MobileNetV3's skeleton at width 1.0, 224x224: output channels, strides, activations and "
    "squeeze-and-excite are the same throughout, and only the block differs. So the rows say what "
    "a block costs, not how accurate it is; the paper has no such table.",
    "Kernels are the skeleton's, too, but for the Ghost module's: its cheap convolutions are 3x3, "
    "and only its strides and projections take the skeleton's.",
    "Where a block's own paper has no squeeze-and-excite, the skeleton's follows its spatial "
    "convolution; in ShuffleNetV2's, its last pointwise one, as in the authors' ShuffleNetV2+. "
    "Bottlenecks reduce by 4 and sandglasses by 6, as published, to 8 channels at the least.",
)


def figure1(rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]) -> Table:
    """Return the seven blocks at both scales; latencies where ``rows``, of one setting, have them.

    ``counts`` gives multiply-adds and parameters by a model's name. A ratio has two valid rows, or
    none that is.
    """
    by_model = {row.model: row for row in rows}
    cells: list[tuple[Cell, ...]] = []
    for model in names.figure(1):
        spec = names.parse(model)
        block, where = _BLOCKS[spec.family]
        row = by_model.get(model)
        base = by_model.get(model.replace(spec.family, _INVERTED))
        madds, params = counts(model)
        latency = row.latency_mean_ms if row else None
        cells.append(
            (
                (spec.scale or "").capitalize(),
                block,
                where,
                model,
                madds / _MILLION,
                params / _MILLION,
                latency,
                remarks.ratio(row, base),
                latency * NS_PER_MS * _THOUSAND / madds if latency else None,
                row.valid if row else None,
                remarks.flags_cell(row),
            )
        )
    measured = [by_model[model] for model in names.figure(1) if model in by_model]
    return Table(
        "Figure 1",
        (*COLUMNS, remarks.FLAGS_COLUMN),
        tuple(cells),
        caption(measured),
        (*_NOTES, *remarks.untimed(measured, len(cells)), *remarks.footnotes(measured)),
    )
