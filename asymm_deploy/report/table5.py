"""Table 5: what the paper is about, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.report.caption import caption
from asymm_deploy.report.remarks import FLAGS_COLUMN, footnotes, in_order, untimed
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.side_by_side import ours, with_base, with_printed

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

_KEYS = ("multiplier", "scale", "network")
_NO_RATIO = "No ratio, because the row of MBV3 is not valid"
_PAPERS_TERMS = (
    "Paper columns are the paper's own figures: MNN on a Snapdragon 855, fp32, one thread, mean of "
    "1000 runs. Its MAdds of MBV3 are the MobileNetV3 paper's at multipliers other than 1.0, not a "
    "count of the network that was timed; its params are counted too low."
)


def table5(rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]) -> ReportTable:
    """Return the paper's 30 rows in its order, each with its latency over MBV3's of its size.

    ``counts`` gives MAdds and params by a model's name. ``rows`` are of one setting; what they lack
    is unknown, ``valid`` too. Accuracy is unknown throughout: we have not measured any.
    """
    models = names.table_models(5)
    frame = with_printed(ours(models, rows, counts), 5, _KEYS).assign(top1_percent=None)
    frame = with_base(frame, frame["network"] == "MBV3", on=["scale", "multiplier"])
    printed_ms = frame[["paper_latency_ms", "base_paper_latency_ms"]].astype(float)
    frame["paper_latency_vs_mbv3"] = printed_ms.iloc[:, 0] / printed_ms.iloc[:, 1]
    without = frame.index[frame["valid"].eq(True) & frame["base_valid"].eq(False)]
    measured = in_order(rows, models)
    return ReportTable.of(
        "Table 5",
        (*COLUMNS, FLAGS_COLUMN),
        frame.rename(columns={"ratio": "latency_vs_mbv3"}),
        caption(measured),
        (
            _PAPERS_TERMS,
            *untimed(measured, len(models)),
            *([f"{_NO_RATIO}: {', '.join(without)}."] if len(without) else ()),
            *footnotes(measured),
        ),
    )
