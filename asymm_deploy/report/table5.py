"""Table 5: accuracy, MAdds, params and latency at every width, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration
from asymm_deploy.bench.records import PairedRatio, RowSummary
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.models import names
from asymm_deploy.report.caption import caption
from asymm_deploy.report.remarks import FLAGS_COLUMN, footnotes, in_order, untimed
from asymm_deploy.report.report_table import Column, ReportTable
from asymm_deploy.report.side_by_side import ours, with_base, with_printed
from asymm_deploy.text import counted

# A contract with other programs: append columns, never rename them.
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

PAIRED_COLUMNS = (
    Column("vs_mbv3_paired", "vs MBV3 in turns", digits=3),
    Column("vs_mbv3_low", "95 % from", digits=3),
    Column("vs_mbv3_high", "to", digits=3),
)
"""Only where networks were timed in turns with their MBV3."""

PREDICTED_COLUMN = Column("predicted_ms", "predicted SD855 (ms)")
"""Only where models were counted on an emulated processor."""

_KEYS = ("multiplier", "scale", "network")
_FIELDS = {"vs_mbv3_paired": "ratio", "vs_mbv3_low": "low", "vs_mbv3_high": "high"}
_CLOCKS_DIFFER = 1.01
"""Times."""
_NO_RATIO = "No ratio, because the row of MBV3 is not valid"
_PAPERS_TERMS = (
    "Paper columns are the paper's own figures: MNN on a Snapdragon 855, fp32, one thread, mean of "
    "1000 runs. At multipliers other than 1.0 its MAdds of MBV3 are the MobileNetV3 paper's, not a "
    "count of the network that was timed. Its params are too low."
)


@dataclass(frozen=True, slots=True)
class PredictedLatencies:
    """Latencies that nobody measured, by model, and by what they were predicted."""

    calibration: CostCalibration
    ms: Mapping[str, float]


def table5(
    rows: Sequence[RowSummary],
    counts: Callable[[str], tuple[int, int]],
    predictions: PredictedLatencies | None = None,
    accuracies: Mapping[str, MeasuredTop1] = MappingProxyType({}),
) -> ReportTable:
    """Return the paper's 30 rows in its order, each with its latency relative to MBV3's.

    ``counts`` gives MAdds and params by a model's name. ``rows`` share one setting; a model
    without a row has neither latency nor ``valid``. ``top1_percent`` is that of ``accuracies``,
    and empty for a model that they lack. If any row was timed in turns with its MBV3, those ratios
    are there too. ``predictions`` add a column, which is empty for a model that they lack.
    """
    models = names.table_models(5)
    frame = with_printed(ours(models, rows, counts), 5, _KEYS)
    top1 = {model: each.percent for model, each in accuracies.items() if model in models}
    frame["top1_percent"] = pd.Series(top1, index=frame.index, dtype=float)
    frame = with_base(frame, frame["network"] == "MBV3", on=["scale", "multiplier"])
    printed_ms = frame[["paper_latency_ms", "base_paper_latency_ms"]].astype(float)
    frame["paper_latency_vs_mbv3"] = printed_ms.iloc[:, 0] / printed_ms.iloc[:, 1]
    without = frame.index[frame["valid"].eq(True) & frame["base_valid"].eq(False)]
    measured = in_order(rows, models)
    in_turns = ratios_in_turns(measured)
    for column in PAIRED_COLUMNS:
        field = _FIELDS[column.name]
        found = {model: getattr(ratio, field) for model, ratio in in_turns.items()}
        frame[column.name] = pd.Series(found, index=frame.index, dtype=float)
    predicted = predictions.ms if predictions else {}
    frame[PREDICTED_COLUMN.name] = pd.Series(predicted, index=frame.index, dtype=float)
    added = (
        *(PAIRED_COLUMNS if in_turns else ()),
        *((PREDICTED_COLUMN,) if predictions else ()),
    )
    return ReportTable.of(
        "Table 5",
        (*COLUMNS, *added, FLAGS_COLUMN),
        frame.rename(columns={"ratio": "latency_vs_mbv3"}),
        caption(measured),
        (
            _PAPERS_TERMS,
            *untimed(measured, len(models)),
            *([f"{_NO_RATIO}: {', '.join(without)}."] if len(without) else ()),
            *_notes_in_turns(in_turns),
            *([_note_on(predictions)] if predictions else []),
            *_notes_on_accuracy({model: accuracies[model] for model in top1}),
            *footnotes(measured),
        ),
    )


def _note_on(predictions: PredictedLatencies) -> str:
    fit = predictions.calibration
    return (
        f"{PREDICTED_COLUMN.name} is a prediction, not measured: what a {fit.device} should take "
        "with one thread in the paper's set-up, from counted instructions. Of models left out of "
        f"the fit it is off by {fit.mean_error:.1%} on average and {fit.worst_error:.1%} at worst, "
        "which is Pruned-Large."
    )


def _notes_on_accuracy(found: Mapping[str, MeasuredTop1]) -> list[str]:
    if not found:
        return []
    each = "; ".join(
        f"{model} {top1.low:.2f} to {top1.high:.2f} on {top1.images:,} images"
        for model, top1 in found.items()
    )
    return [f"top-1 is of trained weights in MNN, fp32; Wilson's 95 % intervals: {each}."]


def ratios_in_turns(rows: Sequence[RowSummary]) -> dict[str, PairedRatio]:
    """Return each row's ratio to its MBV3 from launches that held both, by the row's model."""
    return {
        row.model: ratio
        for row in rows
        for ratio in row.paired
        if ratio.partner == names.mbv3_of(row.model)
    }


def _notes_in_turns(found: Mapping[str, PairedRatio]) -> list[str]:
    if not found:
        return []
    fewest, most = (pick(ratio.made for ratio in found.values()) for pick in (min, max))
    launches = f"{most} launch{'es' if most > 1 else ''}"
    if fewest != most:
        launches = f"{fewest} to {launches}"
    by_wall = [name for name, ratio in found.items() if ratio.ratio and not ratio.by_wall]
    clock = "processor time" + (f" (wall time: {', '.join(by_wall)})" if by_wall else "")
    if len(by_wall) == len([ratio for ratio in found.values() if ratio.ratio]):
        clock = "wall time"
    notes = [
        f"vs MBV3 in turns: {launches}, each of a network and its MBV3 in one process, "
        f"run by run; the median over pairs of runs, by {clock}, with Student's 95 % interval over "
        "launches. What slows down both is not in it."
    ]
    for name, ratio in found.items():
        if ratio.flags:
            count = f"{ratio.launches} of {counted(ratio.made, 'launch')} "
            count += "counts" if ratio.launches == 1 else "count"
            why = "; ".join(f"{flag} ({FLAGS[flag].meaning})" for flag in ratio.flags)
            notes.append(f"{name} in turns: {count}; the others: {ratio.reason or why}.")
        if _differ(ratio.ratio, ratio.by_wall):
            notes.append(
                f"{name} in turns: {ratio.by_wall:.3f} by wall time: other programs took time from "
                "the core, or it waits."
            )
    return notes


def _differ(ratio: float | None, by_wall: float | None) -> bool:
    if ratio is None or by_wall is None:
        return False
    return max(ratio / by_wall, by_wall / ratio) > _CLOCKS_DIFFER
