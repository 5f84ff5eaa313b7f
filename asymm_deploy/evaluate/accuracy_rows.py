"""Accuracies as rows of accuracy.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.evaluate.accuracy import (
    ACCURACY_COLUMNS,
    ACCURACY_CSV,
    accuracy_of,
    agreement_of,
)
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.prediction import ENGINES, ImagePrediction
from asymm_deploy.text import ListRow

UNSET = ""
ACCURACIES = KeptRows(ACCURACY_CSV, ACCURACY_COLUMNS, ("model", "variant", "engine", "precision"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSetting:
    """What a model's rows share."""

    model: str
    variant: str
    weights: str
    """``trained``, ``given`` (of an .onnx file or a callable: nobody knows), ``untrained``."""
    preprocess: str
    key: str


def accuracy_rows(
    setting: EvaluatedSetting, classes: int, found: Evaluation[ImagePrediction]
) -> list[ListRow]:
    """Return a row for each engine that has predictions, with what the first of them agrees on.

    ``classes`` is how many the model tells apart.
    """
    there = [engine for engine in ENGINES if found.predictions.get(engine)]
    rows: list[ListRow] = []
    for engine in there:
        mine = found.predictions[engine]
        accuracy = accuracy_of(mine, classes)
        other = None if engine == there[0] else there[0]
        against = None if other is None else agreement_of(found.predictions[other], mine)
        rows.append(
            {
                "model": setting.model,
                "variant": setting.variant,
                "engine": engine,
                "precision": "fp32",
                "images": str(accuracy.images),
                "unreadable": str(len(found.unreadable)),
                "top1_percent": f"{100 * accuracy.top1 / accuracy.images:.3f}",
                "top1_low_percent": f"{100 * accuracy.low:.3f}",
                "top1_high_percent": f"{100 * accuracy.high:.3f}",
                "top5_percent": UNSET
                if accuracy.top5 is None
                else f"{100 * accuracy.top5 / accuracy.images:.3f}",
                "agreement_percent": UNSET
                if against is None
                else f"{100 * against.agreeing / against.images:.3f}",
                "compared_with": other or UNSET,
                "became_wrong": UNSET if against is None else str(against.became_wrong),
                "became_right": UNSET if against is None else str(against.became_right),
                "mcnemar_p": UNSET if against is None else f"{against.p:.3g}",
                "ms_per_image": f"{1000 * found.seconds[engine] / accuracy.images:.3f}",
                "weights": setting.weights,
                "classes": str(classes),
                "preprocess": setting.preprocess,
                "key": setting.key[:16],
            }
        )
    return rows


@dataclass(frozen=True, slots=True)
class MeasuredTop1:
    """What MNN got right with trained weights, in percent, with Wilson's 95 % interval."""

    percent: float
    low: float
    high: float
    images: int


def trained_top1(rows: Sequence[ListRow], classes: int) -> dict[str, MeasuredTop1]:
    """Return what may stand in a table of accuracies, by model: MNN's, of trained weights alone.

    ``classes`` is how many the table's models tell apart. Raises ValueError if a number is none.
    """
    return {
        str(row["model"]): _top1(row)
        for row in rows
        if (row["engine"], row["variant"], row["precision"]) == ("mnn", "fp32", "fp32")
        and (row["weights"], row["classes"]) == ("trained", str(classes))
    }


def evaluated_top1(rows: Sequence[ListRow]) -> dict[str, MeasuredTop1]:
    """Return MNN's accuracies that may stand in one picture, by model: of the same images.

    Those of random weights are left out. Of several sets of images the one with most models counts,
    and the first of equals. Raises ValueError if a number is none.
    """
    sets: dict[tuple[str | int, ...], list[ListRow]] = {}
    for row in rows:
        if row["engine"] == "mnn" and row["weights"] != "untrained":
            sets.setdefault((row["classes"], row["images"], row["unreadable"]), []).append(row)
    return {str(row["model"]): _top1(row) for row in max(sets.values(), key=len, default=[])}


def _top1(row: ListRow) -> MeasuredTop1:
    percent, low, high = (float(row[f"top1_{name}percent"]) for name in ("", "low_", "high_"))
    if not 0 <= low <= percent <= high <= 100:
        raise ValueError(f"{percent} is no percentage between {low} and {high}")
    return MeasuredTop1(percent, low, high, int(row["images"]))
