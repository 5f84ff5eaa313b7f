"""Table 1: how the work divides among kinds of convolution, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.models import names
from asymm_deploy.models.cost import Complexity
from asymm_deploy.report import paper
from asymm_deploy.report.table import Column, Table

COLUMNS = (
    Column("network", "network", "text", is_key=True),
    Column("depthwise_percent", "depthwise (%)", digits=1),
    Column("pointwise_percent", "pointwise (%)", digits=1),
    Column("vanilla_percent", "vanilla (%)", digits=1),
    Column("paper_depthwise_percent", "paper depthwise (%)"),
    Column("paper_pointwise_percent", "paper pointwise (%)"),
    Column("paper_vanilla_percent", "paper vanilla (%)"),
)


def table1(count: Callable[[str], Complexity]) -> Table:
    """Return the share of each kind in the MAdds, in percent; ``count`` counts a model by name."""
    cells = [
        (
            p["network"],
            *count(model).table1_percent(),
            p["depthwise_percent"],
            p["pointwise_percent"],
            p["vanilla_percent"],
        )
        for model, p in zip(names.table(1), paper.table(1), strict=True)
    ]
    notes = (
        "The convolutions of squeeze-and-excitation and the classifier count as pointwise.",
        "The paper's split of MobileNetV2 does not follow from MobileNetV2 1.0 at 224x224, which "
        "is what is counted here; with the same rule the other two agree within half a point.",
    )
    return Table("Table 1", COLUMNS, tuple(cells), footnotes=notes)
