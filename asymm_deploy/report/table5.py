"""Table 5: what the paper is about, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.report import paper, remarks
from asymm_deploy.report.caption import caption
from asymm_deploy.report.table import Column, Table

# A contract that other programs read: add to it at the end, never rename.
COLUMNS = (
    Column("multiplier", "multiplier", is_key=True),
    Column("scale", "scale", "text", is_key=True),
    Column("network", "network", "text", is_key=True),
    Column("top1_percent", "top-1 (%)"),
    Column("madds_m", "MAdds (M)", digits=1),
    Column("params_m", "params (M)"),
    Column("latency_ms", "latency (ms)"),
    Column("latency_vs_mbv3", "vs MBV3", digits=3),
    Column("paper_top1_percent", "paper top-1 (%)"),
    Column("paper_madds_m", "paper MAdds (M)"),
    Column("paper_params_m", "paper params (M)"),
    Column("paper_latency_ms", "paper latency (ms)"),
    Column("paper_latency_vs_mbv3", "paper vs MBV3", digits=3),
    Column("valid", "valid", "text"),
)

_PAPERS_TERMS = (
    "Paper columns are the paper's own figures: MNN on a Snapdragon 855, fp32, one thread, mean of "
    "1000 runs. Its MAdds of MBV3 are the MobileNetV3 paper's at multipliers other than 1.0, not a "
    "count of the network that was timed; its params are counted too low."
)


def table5(rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]) -> Table:
    """Return the paper's 30 rows in its order; ``rows`` are of one setting.

    ``counts`` gives multiply-adds and parameters by a model's name. A latency is the mean over all
    runs, as in the paper, and its ratio is to MBV3 of the same scale and multiplier. What has not
    been measured is None, ``valid`` too. Where MBV3's row is not valid, a valid row has no ratio:
    it would look as good as the row while half of it is a number that nobody vouches for.
    """
    by_model = {row.model: row for row in rows}
    printed = dict(zip(names.table(5), paper.table(5), strict=True))
    cells = [
        (
            p["multiplier"],
            p["scale"],
            p["network"],
            None,  # we have not measured accuracy
            *(count / 1e6 for count in counts(model)),
            by_model[model].latency_mean_ms if model in by_model else None,
            remarks.ratio(by_model.get(model), by_model.get(_baseline(model))),
            p["top1_percent"],
            p["madds_m"],
            p["params_m"],
            p["latency_ms"],
            float(p["latency_ms"]) / float(printed[_baseline(model)]["latency_ms"]),
            by_model[model].valid if model in by_model else None,
            remarks.flags_cell(by_model.get(model)),
        )
        for model, p in printed.items()
    ]
    measured = [by_model[model] for model in printed if model in by_model]
    return Table(
        "Table 5",
        (*COLUMNS, remarks.FLAGS_COLUMN),
        tuple(cells),
        caption(measured),
        (_PAPERS_TERMS, *_footnotes(measured, len(printed))),
    )


def _baseline(model: str) -> str:
    _, scale, width = model.split("_")
    return f"mbv3_{scale}_{width}"


def _footnotes(measured: Sequence[RowSummary], of: int) -> list[str]:
    notes = remarks.untimed(measured, of)
    bases = {row.model for row in measured if not row.valid}
    without = [row.model for row in measured if row.valid and _baseline(row.model) in bases]
    if without:
        notes.append(f"No ratio, because the row of MBV3 is not valid: {', '.join(without)}.")
    return notes + remarks.footnotes(measured)
