"""Tables 6 to 10: what each network costs here, beside the paper's figures for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    """One table of the paper: which of its columns say what a row is, and which are results."""

    keys: tuple[Column, ...]
    results: tuple[tuple[str, str], ...]
    """The paper's columns, in its order: the name there, and the heading without "paper"."""
    notes: tuple[str, ...]
    madds: Column = MADDS_M

    @property
    def columns(self) -> tuple[Column, ...]:
        """A contract that other programs read: add to it at the end, never rename."""
        papers = (Column(f"paper_{name}", f"paper {heading}") for name, heading in self.results)
        return (*self.keys, self.madds, PARAMS_M, LATENCY_MS, *papers, VALID)


_BACKBONE = (Column("backbone", "backbone", "text", is_key=True),)
_COUNTS = (("madds_m", "MAdds (M)"), ("params_m", "params (M)"))
_UNDERCOUNTED = (
    "The paper's tool took a k x k kernel as k weights: its params are too low, and most so where "
    "3x3 convolutions dominate. Ours are the true count."
)
_LATENCIES = "The paper gives no latencies here."

LAYOUTS: dict[int, Layout] = {
    6: Layout(
        keys=(
            Column("scale", "scale", "text", is_key=True),
            Column("asymmetry_rate", "rate r", is_key=True),
        ),
        results=(("top1_percent", "top-1 (%)"), *_COUNTS),
        notes=(
            "The paper's accuracies are on ImageNet; it gives no latencies here.",
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
            "Faces of 112x112 to embeddings of 128 numbers. The paper's MAdds of 10.2 and 41.6 are "
            "these counts rounded twice.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        madds=_MADDS_M_FINE,
    ),
    8: Layout(
        keys=_BACKBONE,
        results=(("top1_percent", "top-1 (%)"), *_COUNTS),
        notes=(
            "One frame of 224x224; the paper's accuracy is on HMDB51, 51 classes.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
    ),
    9: Layout(
        keys=_BACKBONE,
        results=(("ap", "AP (%)"), ("ap50", "AP50 (%)"), ("ap75", "AP75 (%)"), *_COUNTS),
        notes=(
            "17 heat maps of an image of 256x256: the paper's text says 256x192, but its MAdds "
            "come out at 256x256 only.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
    ),
    10: Layout(
        keys=_BACKBONE,
        results=(("map_percent", "mAP (%)"), ("madds_g", "MAdds (G)"), ("params_m", "params (M)")),
        notes=(
            "416x416, 20 classes, boxes decoded and without suppression. The paper's MAdds are "
            "0.2 G below the count of what its text describes.",
            _LATENCIES,
            _UNDERCOUNTED,
        ),
        madds=MADDS_G,
    ),
}


def paper_comparison(
    number: int, rows: Sequence[RowSummary], counts: Callable[[str], tuple[int, int]]
) -> ReportTable:
    """Return Table ``number`` (6 to 10) with our MAdds, params and latencies beside the paper's.

    ``counts`` gives MAdds and params by a model's name. ``rows`` are of one setting; models that
    they lack have no latency.
    """
    layout = LAYOUTS[number]
    models = names.table_models(number)
    frame = with_printed(ours(models, rows, counts), number, [key.name for key in layout.keys])
    frame["madds_g"] = frame["madds"] / _BILLION
    measured = in_order(rows, models)
    return ReportTable.of(
        f"Table {number}",
        (*layout.columns, FLAGS_COLUMN),
        frame,
        caption(measured),
        (*layout.notes, *untimed(measured, len(models)), *footnotes(measured)),
    )
