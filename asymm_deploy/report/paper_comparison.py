"""Tables 6 to 10: our MAdds, params and latencies beside the paper's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from asymm_deploy.bench.records import RowSummary
from asymm_deploy.models import names
from asymm_deploy.report.caption import caption
from asymm_deploy.report.remarks import FLAGS_COLUMN, footnotes, in_order, untimed
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.side_by_side import ours, with_printed

_BILLION = 1e9

MADDS_M = Column("madds_m", "MAdds (M)", digits=1)
_MADDS_M_FINE = Column("madds_m", "MAdds (M)", digits=2)
MADDS_G = Column("madds_g", "MAdds (G)")
PARAMS_M = Column("params_m", "params (M)")
LATENCY_MS = Column("latency_ms", "latency (ms)")
VALID = Column("valid", "valid", "text")


@dataclass(frozen=True, slots=True)
class Layout:
    """One table of the paper: the columns that identify a row, and those that are results."""

    keys: tuple[Column, ...]
    results: tuple[tuple[str, str], ...]
    """The paper's columns in its order: name, and heading without "paper"."""
    notes: tuple[str, ...]
    madds: Column = MADDS_M
    data: str = ""
    """On which networks have to be evaluated to stand beside the paper's."""
    measured: tuple[tuple[str, Column], ...] = ()
    """Metrics of tasks.csv, and the columns that they go to; only if a network was evaluated."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """A contract with other programs: append columns, never rename them."""
        papers = (Column(f"paper_{name}", f"paper {heading}") for name, heading in self.results)
        return (*self.keys, self.madds, PARAMS_M, LATENCY_MS, *papers, VALID)


_BACKBONE = (Column("backbone", "backbone", "text", is_key=True),)
_COUNTS = (("madds_m", "MAdds (M)"), ("params_m", "params (M)"))
_UNDERCOUNTED = (
    "The paper's tool took a k x k kernel as k weights, so its params are too low, most of all "
    "where 3x3 convolutions dominate. Ours are the true count."
)
_OURS = "Ours are of trained weights in MNN, fp32, on {}, by `asymm-deploy evaluate`."
_LATENCIES = "The paper gives no latencies here."

LAYOUTS: dict[int, Layout] = {
    6: Layout(
        keys=(
            Column("scale", "scale", "text", is_key=True),
            Column("asymmetry_rate", "rate r", is_key=True),
        ),
        results=(("top1_percent", "top-1 (%)"), *_COUNTS),
        notes=(
            "The paper's accuracies are on ImageNet. It gives no latencies here.",
            _UNDERCOUNTED,
        ),
    ),
    7: Layout(
        keys=_BACKBONE,
        results=(
            ("lfw_percent", "LFW (%)"),
            ("calfw_percent", "CALFW (%)"),
            ("cplfw_percent", "CPLFW (%)"),
            ("agedb30_percent", "AgeDB-30 (%)"),
            ("vggface2_percent", "VGGFace2 (%)"),
            *_COUNTS,
        ),
        notes=(
            "112x112 faces to embeddings of 128 numbers. The paper's MAdds of 10.2 and 41.6 are "
            "these counts rounded twice.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        madds=_MADDS_M_FINE,
        data="LFW",
        measured=(("pairs_right", Column("lfw_percent", "LFW (%)")),),
    ),
    8: Layout(
        keys=_BACKBONE,
        results=(("top1_percent", "top-1 (%)"), *_COUNTS),
        notes=(
            "One 224x224 frame. The paper's accuracy is on HMDB51, which has 51 classes.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        data="HMDB51",
        measured=(("top1", Column("top1_percent", "top-1 (%)")),),
    ),
    9: Layout(
        keys=_BACKBONE,
        results=(("ap", "AP (%)"), ("ap50", "AP50 (%)"), ("ap75", "AP75 (%)"), *_COUNTS),
        notes=(
            "17 heat maps of a 256x256 image. The paper's text says 256x192, but its MAdds only "
            "come out at 256x256.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        data="COCO val2017",
        measured=(
            ("ap", Column("ap", "AP (%)")),
            ("ap50", Column("ap50", "AP50 (%)")),
            ("ap75", Column("ap75", "AP75 (%)")),
        ),
    ),
    10: Layout(
        keys=_BACKBONE,
        results=(("map_percent", "mAP (%)"), ("madds_g", "MAdds (G)"), ("params_m", "params (M)")),
        notes=(
            "416x416, 20 classes, boxes decoded, without non-maximum suppression. The paper's "
            "MAdds are 0.2 G below the count of what its text describes.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        madds=MADDS_G,
        data="VOC2007 test",
        measured=(("map07", Column("map_percent", "mAP (%)")),),
    ),
}


def paper_comparison(
    number: int,
    rows: Sequence[RowSummary],
    counts: Callable[[str], tuple[int, int]],
    figures: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
) -> ReportTable:
    """Return Table ``number`` (6 to 10) with our MAdds, params and latencies beside the paper's.

    ``counts`` gives MAdds and params by a model's name. ``rows`` share one setting; a model
    without a row has no latency. ``figures`` are those of tasks.csv by model and metric, on the
    paper's own data; they add columns, which are empty for a model that they lack.
    """
    layout = LAYOUTS[number]
    models = names.table_models(number)
    frame = with_printed(ours(models, rows, counts), number, [key.name for key in layout.keys])
    frame["madds_g"] = frame["madds"] / _BILLION
    measured = in_order(rows, models)
    evaluated = [model for model in models if model in figures]
    added = layout.measured if evaluated else ()
    for metric, column in added:
        percents = {model: figures[model].get(metric) for model in evaluated}
        frame[column.name] = pd.Series(percents, index=frame.index, dtype=float)
    return ReportTable.of(
        f"Table {number}",
        (*layout.columns, *(column for _, column in added), FLAGS_COLUMN),
        frame,
        caption(measured),
        (
            *layout.notes,
            *([_OURS.format(layout.data)] if added else []),
            *untimed(measured, len(models)),
            *footnotes(measured),
        ),
    )
