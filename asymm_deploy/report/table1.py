"""Table 1: how the work divides among kinds of convolution, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from asymm_deploy.models import names
from asymm_deploy.models.cost import Complexity
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.side_by_side import with_printed

COLUMNS = (
    Column("network", "network", "text", is_key=True),
    Column("depthwise_percent", "depthwise (%)", digits=1),
    Column("pointwise_percent", "pointwise (%)", digits=1),
    Column("vanilla_percent", "vanilla (%)", digits=1),
    Column("paper_depthwise_percent", "paper depthwise (%)"),
    Column("paper_pointwise_percent", "paper pointwise (%)"),
    Column("paper_vanilla_percent", "paper vanilla (%)"),
)

_SHARES = ["depthwise_percent", "pointwise_percent", "vanilla_percent"]
_NOTES = (
    "The convolutions of squeeze-and-excitation and the classifier count as pointwise.",
    "The paper's split of MobileNetV2 does not follow from MobileNetV2 1.0 at 224x224, which "
    "is what is counted here; with the same rule the other two agree within half a point.",
)


def table1(count: Callable[[str], Complexity]) -> ReportTable:
    """Return the share of each kind in the MAdds, in percent; ``count`` counts a model by name."""
    models = names.table_models(1)
    shares = pd.DataFrame(
        [count(model).table1_percent() for model in models], index=models, columns=_SHARES
    )
    frame = with_printed(shares, 1, ["network"])
    return ReportTable.of("Table 1", COLUMNS, frame, footnotes=_NOTES)
