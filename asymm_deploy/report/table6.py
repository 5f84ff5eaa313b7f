"""Table 6: what the asymmetry rate costs, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.report import paper, remarks
from asymm_deploy.report.caption import caption
from asymm_deploy.report.table import Column, Table

COLUMNS = (
    Column("scale", "scale", "text", is_key=True),
    Column("asymmetry_rate", "rate r", is_key=True),
    Column("madds_m", "MAdds (M)", digits=1),
    Column("params_m", "params (M)"),
    Column("latency_ms", "latency (ms)"),
    Column("paper_top1_percent", "paper top-1 (%)"),
    Column("paper_madds_m", "paper MAdds (M)"),
    Column("paper_params_m", "paper params (M)"),
    Column("valid", "valid", "text"),
)


def table6(rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]) -> Table:
    """Return the ablation on the asymmetry rate; latencies where ``rows``, of one setting, have it.

    ``counts`` gives multiply-adds and parameters by a model's name.
    """
    by_model = {row.model: row for row in rows}
    cells = [
        (
            p["scale"],
            p["asymmetry_rate"],
            *(count / 1e6 for count in counts(model)),
            by_model[model].latency_mean_ms if model in by_model else None,
            p["top1_percent"],
            p["madds_m"],
            p["params_m"],
            by_model[model].valid if model in by_model else None,
            remarks.flags_cell(by_model.get(model)),
        )
        for model, p in zip(names.table(6), paper.table(6), strict=True)
    ]
    measured = [by_model[model] for model in names.table(6) if model in by_model]
    return Table(
        "Table 6",
        (*COLUMNS, remarks.FLAGS_COLUMN),
        tuple(cells),
        caption(measured),
        (
            "The paper's accuracies are on ImageNet; it gives no latencies here.",
            *remarks.footnotes(measured),
        ),
    )
