"""Tables 1, 3, 4 and 6: what the networks count to, beside what the paper prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.models.cost import Complexity
from asymm_deploy.models.names import parse
from asymm_deploy.report import paper
from asymm_deploy.report.table import Cell, Column, Table

Counter = Callable[[str], Complexity]
"""A model's name -> its layers."""


def table1(count: Counter) -> Table:
    """Return the share of each kind of convolution, ours and the paper's, in percent."""
    columns = (
        Column("network", "network"),
        Column("depthwise_percent", "depthwise (%)", 2, 1),
        Column("pointwise_percent", "pointwise (%)", 2, 1),
        Column("vanilla_percent", "vanilla (%)", 2, 1),
        Column("paper_depthwise_percent", "paper: depthwise (%)"),
        Column("paper_pointwise_percent", "paper: pointwise (%)"),
        Column("paper_vanilla_percent", "paper: vanilla (%)"),
    )
    rows = [
        (
            p["network"],
            *count(model).table1_percent(),
            p["depthwise_percent"],
            p["pointwise_percent"],
            p["vanilla_percent"],
        )
        for model, p in zip(names.table(1), paper.table(1).to_dict("records"), strict=True)
    ]
    notes = (
        "Squeeze-and-excite's convolutions and the classifier count as pointwise.",
        "The paper's split of MobileNetV2 does not follow from MobileNetV2 1.0 at 224x224.",
    )
    return Table("Table 1", columns, tuple(rows), footnotes=notes)


def table3(count: Counter) -> Table:
    """Return AsymmNet-Large row by row, as the paper prints it and as it is built."""
    return _specification(3, count)


def table4(count: Counter) -> Table:
    """Return AsymmNet-Small row by row, as the paper prints it and as it is built."""
    return _specification(4, count)


TABLES: dict[int, Callable[[Counter], Table]] = {1: table1, 3: table3, 4: table4}


def table6(
    rows: Sequence[RowSummary],
    caption: Sequence[str],
    counts: Callable[[str], tuple[int, int]],
) -> Table:
    """Return the ablation on the asymmetry rate; latencies where ``rows`` has them."""
    columns = (
        Column("scale", "scale"),
        Column("asymmetry_rate", "r"),
        Column("madds_m", "MAdds (M)", 3, 1),
        Column("params_m", "params (M)", 4, 2),
        Column("latency_ms", "latency (ms)"),
        Column("paper_top1_percent", "paper: top-1 (%)"),
        Column("paper_madds_m", "paper: MAdds (M)"),
        Column("paper_params_m", "paper: params (M)"),
        Column("valid", "valid"),
    )
    by_model = {row.model: row for row in rows}
    cells = []
    for model, p in zip(names.table(6), paper.table(6).to_dict("records"), strict=True):
        row = by_model.get(model)
        madds, params = counts(model)
        cells.append(
            (
                p["scale"],
                p["asymmetry_rate"],
                madds / 1e6,
                params / 1e6,
                row.latency_mean_ms if row else None,
                p["top1_percent"],
                p["madds_m"],
                p["params_m"],
                row.valid if row else None,
            )
        )
    measured = [by_model[model] for model in names.table(6) if model in by_model]
    notes = [f"{row.model}: {row.flags_text}" for row in measured if row.flags]
    notes.insert(0, "The paper gives no latency for this table.")
    return Table("Table 6", columns, tuple(cells), tuple(caption) if measured else (), tuple(notes))


def _specification(number: int, count: Counter) -> Table:
    columns = (
        Column("row", "row"),
        Column("input", "paper: input"),
        Column("operator", "paper: operator"),
        Column("kernel", "kernel"),
        Column("expanded", "expanded"),
        Column("out", "out"),
        Column("stride", "stride"),
        Column("madds", "MAdds"),
        Column("params", "params of convolutions"),
        Column("paper_kernel", "paper: k"),
        Column("paper_expanded", "paper: p"),
        Column("paper_out", "paper: c"),
        Column("paper_stride", "paper: s"),
    )
    (model,) = names.table(number)
    printed = paper.table(number).to_dict("records")
    built = _built_rows(model, count(model))
    rows = [
        (
            *(p["row"], p["input"], p["operator"]),
            *ours,
            *(p["kernel"], p["expanded"], p["out"], p["stride"]),
        )
        for p, ours in zip(printed, built, strict=True)
    ]
    differing = [
        f"Row {row[0]}: built with {row[5]} channels where the paper prints {row[11]}; its own "
        "MAdds and params need the number built."
        for row in rows
        if row[11] and str(row[5]) != row[11]
    ]
    return Table(f"Table {number}", columns, tuple(rows), footnotes=tuple(differing))


def _built_rows(model: str, cost: Complexity) -> list[tuple[Cell, ...]]:
    """Return kernel, expanded, out, stride, MAdds and params of each of the table's rows."""
    spec = parse(model)
    assert spec.last is not None
    assert spec.head is not None

    def sums(prefix: str) -> tuple[int, int]:
        layers = [layer for layer in cost.layers if layer.name.startswith(prefix)]
        return sum(layer.madds for layer in layers), sum(layer.params for layer in layers)

    blocks: list[tuple[Cell, ...]] = [
        (row.kernel, row.expanded, row.out, row.stride, *sums(f"blocks.{index}."))
        for index, row in enumerate(spec.rows)
    ]
    return [
        (3, None, spec.stem, 2, *sums("stem")),
        *blocks,
        (1, None, spec.last, 1, *sums("last")),
        (None, None, None, None, None, None),  # pooling
        (1, None, spec.head, 1, *sums("head")),
        (1, None, spec.classes, 1, *sums("classifier")),
    ]
