"""Table 5: what the paper is about, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.report import paper
from asymm_deploy.report.table import Cell, Column, Table

# A contract that other programs read: add to it at the end, never rename.
COLUMNS = (
    Column("multiplier", "multiplier"),
    Column("scale", "scale"),
    Column("network", "network"),
    Column("top1_percent", "top-1 (%)"),
    Column("madds_m", "MAdds (M)", 3, 1),
    Column("params_m", "params (M)", 4, 2),
    Column("latency_ms", "latency (ms)"),
    Column("latency_vs_mbv3", "vs MBV3", 4, 2),
    Column("paper_top1_percent", "paper: top-1 (%)"),
    Column("paper_madds_m", "paper: MAdds (M)"),
    Column("paper_params_m", "paper: params (M)"),
    Column("paper_latency_ms", "paper: latency (ms)"),
    Column("paper_latency_vs_mbv3", "paper: vs MBV3", 4, 2),
    Column("valid", "valid"),
)


def table5(
    rows: Sequence[RowSummary],
    caption: Sequence[str],
    counts: Callable[[str], tuple[int, int]],
) -> Table:
    """Return the paper's 30 rows in its order; ``rows`` are of one setting.

    ``counts`` gives multiply-adds and parameters by a model's name. A latency is the mean over all
    runs, as in the paper, and its ratio is to MBV3 of the same scale and multiplier. Where that row
    is not valid, a valid row has no ratio: half of it would be a number that nobody vouches for.
    """
    by_model = {row.model: row for row in rows}
    printed = paper.table(5).to_dict("records")
    paper_latency = {
        (p["multiplier"], p["scale"]): float(p["latency_ms"])
        for p in printed
        if p["network"] == "MBV3"
    }
    cells = []
    for model, p in zip(names.table(5), printed, strict=True):
        row = by_model.get(model)
        base = by_model.get(_baseline(model))
        madds, params = counts(model)
        paper_ratio = float(p["latency_ms"]) / paper_latency[p["multiplier"], p["scale"]]
        cells.append(
            (
                p["multiplier"],
                p["scale"],
                p["network"],
                None,  # we have not measured accuracy
                madds / 1e6,
                params / 1e6,
                row.latency_mean_ms if row else None,
                _ratio(row, base),
                p["top1_percent"],
                p["madds_m"],
                p["params_m"],
                p["latency_ms"],
                paper_ratio,
                row.valid if row else None,
            )
        )
    return Table("Table 5", COLUMNS, tuple(cells), tuple(caption), _footnotes(rows, len(printed)))


def _baseline(model: str) -> str:
    _, scale, width = model.split("_")
    return f"mbv3_{scale}_{width}"


def _ratio(row: RowSummary | None, base: RowSummary | None) -> Cell:
    if row is None or base is None or not row.latency_mean_ms or not base.latency_mean_ms:
        return None
    if row.valid and not base.valid:
        return None
    return row.latency_mean_ms / base.latency_mean_ms


def _footnotes(rows: Sequence[RowSummary], count: int) -> tuple[str, ...]:
    notes = [
        "Columns named paper are the paper's figures, on a Snapdragon 855 (MNN, fp32, one thread, "
        "mean of 1000 runs); its MBV3 MAdds at multipliers other than 1.0 are the MobileNetV3 "
        "paper's, not a count of the network that was timed.",
    ]
    wanted = set(names.table(5))
    measured = [row for row in rows if row.model in wanted]
    if len(measured) < count:
        notes.append(f"{count - len(measured)} of {count} models have not been timed.")
    notes += [f"{row.model}: {row.flags_text}" for row in measured if row.flags]
    return tuple(notes)
