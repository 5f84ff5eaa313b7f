"""Accuracies as rows of accuracy.csv, which is made anew from them and what was there."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import (
    ACCURACY_COLUMNS,
    ACCURACY_CSV,
    accuracy_of,
    agreement_of,
)
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.prediction import ENGINES
from asymm_deploy.files import read_regular
from asymm_deploy.text import ListRow

UNSET = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSetting:
    """What a model's rows share."""

    model: str
    variant: str
    weights: str
    """``trained``, ``given`` (of an .onnx file or a callable: nobody knows), ``untrained``."""
    classes: int
    preprocess: str
    key: str


def accuracy_rows(setting: EvaluatedSetting, found: Evaluation) -> list[ListRow]:
    """Return a row for each engine that has predictions, with what the first of them agrees on."""
    there = [engine for engine in ENGINES if found.predictions.get(engine)]
    rows: list[ListRow] = []
    for engine in there:
        mine = found.predictions[engine]
        accuracy = accuracy_of(mine, setting.classes)
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
                "classes": str(setting.classes),
                "preprocess": setting.preprocess,
                "key": setting.key[:16],
            }
        )
    return rows


def with_earlier(out: Path, rows: Sequence[ListRow]) -> list[ListRow]:
    """Return what accuracy.csv has of other models, variants and engines, and then ``rows``.

    Raises UsageError if the file is there and is not ours.
    """
    mine = {_identity(row) for row in rows}
    return [row for row in read_accuracy(out) if _identity(row) not in mine] + list(rows)


def read_accuracy(results: Path) -> list[ListRow]:
    """Return the rows of a folder's accuracy.csv, none where there is no such file.

    Raises UsageError if it can't be read, or has other columns.
    """
    path = results / ACCURACY_CSV
    try:
        return accuracy_rows_in(read_regular(path), path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "move it away, or give another folder"
        ) from error


def accuracy_rows_in(content: bytes, path: Path) -> list[ListRow]:
    """Return the rows that the file ``path`` has in it; raise UsageError if it is not ours."""
    text = content.decode(errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        rows: list[ListRow] = [dict(row) for row in reader]
        whole = all(None not in row and None not in row.values() for row in rows)
    except csv.Error:
        rows, whole = [], False
    if tuple(reader.fieldnames or ()) != ACCURACY_COLUMNS or not whole:
        raise UsageError(
            f"{path} is damaged, or of another version of asymm-deploy",
            "move it away and repeat the command: images are not put through the model again",
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


def _identity(row: ListRow) -> tuple[str | int, ...]:
    return row["model"], row["variant"], row["engine"], row["precision"]
