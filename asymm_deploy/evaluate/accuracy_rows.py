"""Accuracies as rows of accuracy.csv."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.evaluate.accuracy import (
    ACCURACY_COLUMNS,
    ACCURACY_CSV,
    accuracy_of,
    agreement_of,
)
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.kept_rows import KeptRows
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, Lane
from asymm_deploy.evaluate.prediction import ImagePrediction
from asymm_deploy.text import ListRow

UNSET = ""
ACCURACIES = KeptRows(
    ACCURACY_CSV, ACCURACY_COLUMNS, ("model", "variant", "engine", "device", "precision"), newer=1
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSetting:
    """What a model's rows share."""

    weights: str
    """``trained``, ``given`` (of an .onnx file or a callable: nobody knows), ``untrained``."""
    preprocess: str
    input_shape: str = ""
    """Of the first input: ``1,3,224,224``."""


def accuracy_row(
    setting: EvaluatedSetting,
    classes: int,
    lane: Lane,
    key: str,
    found: Evaluation[ImagePrediction],
    reference: tuple[Lane, Evaluation[ImagePrediction]] | None,
) -> ListRow:
    """Return the row of a lane that has predictions, with what ``reference`` agrees on.

    ``classes`` is how many the model tells apart.
    """
    accuracy = accuracy_of(found.predictions, classes)
    row = _of(setting, classes, lane)
    row |= {
        "images": str(accuracy.images),
        "unreadable": str(len(found.unreadable)),
        "top1_percent": f"{100 * accuracy.top1 / accuracy.images:.3f}",
        "top1_low_percent": f"{100 * accuracy.low:.3f}",
        "top1_high_percent": f"{100 * accuracy.high:.3f}",
        "key": key[:16],
    }
    if accuracy.top5 is not None:
        row["top5_percent"] = f"{100 * accuracy.top5 / accuracy.images:.3f}"
    if found.seconds is not None:
        row["ms_per_image"] = f"{1000 * found.seconds / accuracy.images:.3f}"
    if reference is not None:
        against = agreement_of(reference[1].predictions, found.predictions)
        if against.images:
            row |= {
                "agreement_percent": f"{100 * against.agreeing / against.images:.3f}",
                "compared_with": reference[0].engine,
                "became_wrong": str(against.became_wrong),
                "became_right": str(against.became_right),
                "mcnemar_p": f"{against.p:.3g}",
            }
    return row


def unmeasured_row(setting: EvaluatedSetting, classes: int, lane: Lane) -> ListRow:
    """Return the row of a lane that can't be measured here: it has no figure."""
    return _of(setting, classes, lane)


def _of(setting: EvaluatedSetting, classes: int, lane: Lane) -> dict[str, str | int]:
    row: dict[str, str | int] = dict.fromkeys(ACCURACY_COLUMNS, UNSET)
    return row | {
        "model": lane.model,
        "variant": lane.variant,
        "engine": lane.engine,
        "device": lane.device,
        "precision": lane.precision,
        "weights": setting.weights,
        "classes": str(classes),
        "preprocess": setting.preprocess,
        "input_shape": setting.input_shape,
    }


@dataclass(frozen=True, slots=True)
class MeasuredTop1:
    """What MNN got right with trained weights, in percent, with Wilson's 95 % interval."""

    percent: float
    low: float
    high: float
    images: int


def trained_top1(rows: Sequence[ListRow], classes: int) -> dict[str, MeasuredTop1]:
    """Return what may stand in a table of accuracies, by model: MNN's, of trained weights alone.

    A phone's counts where this machine has none, and of several phones that with most images. A
    row of the emulator never does: it is of a sample, and computes in fp32 what this machine does.
    ``classes`` is how many the table's models tell apart. Raises ValueError if a number is none.
    """
    return {
        model: top1_of(row)
        for model, row in _in_full(rows).items()
        if (row["weights"], row["classes"]) == ("trained", str(classes))
    }


def evaluated_top1(rows: Sequence[ListRow]) -> dict[str, MeasuredTop1]:
    """Return MNN's accuracies that may stand in one picture, by model: of the same images.

    A variant is a model of its own, ``MODEL@w8``. Those of random weights are left out, and devices
    count as in ``trained_top1``. Of several sets of images the one with most models counts, and the
    first of equals. Raises ValueError if a number is none.
    """
    sets: dict[tuple[str | int, ...], dict[str, ListRow]] = {}
    for name, row in _of_mnn(rows).items():
        if row["weights"] != "untrained":
            sets.setdefault((row["classes"], row["images"], row["unreadable"]), {})[name] = row
    largest = max(sets.values(), key=len, default={})
    return {name: top1_of(row) for name, row in largest.items()}


def _in_full(rows: Sequence[ListRow]) -> dict[str, ListRow]:
    """Return one row of MNN for each model, of the export as it is, in fp32."""
    return _of_mnn([row for row in rows if row["variant"] == BASE_VARIANT])


def _of_mnn(rows: Sequence[ListRow]) -> dict[str, ListRow]:
    """Return one row of MNN in fp32 for each export and variant, by its name."""
    chosen: dict[str, ListRow] = {}
    for row in rows:
        if (row["engine"], row["precision"]) == ("mnn", "fp32") and row["device"] != EMULATED:
            is_base = row["variant"] == BASE_VARIANT
            name = str(row["model"]) if is_base else f"{row['model']}@{row['variant']}"
            before = chosen.get(name)
            if before is None or _rank(row) > _rank(before):
                chosen[name] = row
    return chosen


def _rank(row: ListRow) -> tuple[bool, int]:
    return row["device"] == HERE, int(row["images"])


def top1_of(row: ListRow) -> MeasuredTop1:
    """Return a row's top-1; raise ValueError if a number is none, or no percentage."""
    percent, low, high = (float(row[f"top1_{name}percent"]) for name in ("", "low_", "high_"))
    if not 0 <= low <= percent <= high <= 100:
        raise ValueError(f"{percent} is no percentage between {low} and {high}")
    return MeasuredTop1(percent, low, high, int(row["images"]))
