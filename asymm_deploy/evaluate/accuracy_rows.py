"""Accuracies as rows of accuracy.csv, which is made anew from them and what was there."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import (
    ACCURACY_COLUMNS,
    ACCURACY_CSV,
    accuracy_of,
    agreement_of,
)
from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.lane import BASE_VARIANT, HERE, Lane
from asymm_deploy.files import read_regular
from asymm_deploy.text import ListRow

UNSET = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSetting:
    """What a model's rows share."""

    weights: str
    """``trained``, ``given`` (of an .onnx file or a callable: nobody knows), ``untrained``."""
    classes: int
    preprocess: str


def accuracy_row(
    setting: EvaluatedSetting,
    lane: Lane,
    key: str,
    found: Evaluation,
    reference: tuple[Lane, Evaluation] | None,
) -> ListRow:
    """Return the row of a lane that has predictions, with what ``reference`` agrees on."""
    accuracy = accuracy_of(found.predictions, setting.classes)
    row = _of(setting, lane)
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


def unmeasured_row(setting: EvaluatedSetting, lane: Lane) -> ListRow:
    """Return the row of a lane that can't be measured here: it has no figure."""
    return _of(setting, lane)


def _of(setting: EvaluatedSetting, lane: Lane) -> dict[str, str | int]:
    row: dict[str, str | int] = dict.fromkeys(ACCURACY_COLUMNS, UNSET)
    return row | {
        "model": lane.model,
        "variant": lane.variant,
        "engine": lane.engine,
        "device": lane.device,
        "precision": lane.precision,
        "weights": setting.weights,
        "classes": str(setting.classes),
        "preprocess": setting.preprocess,
    }


def with_earlier(out: Path, rows: Sequence[ListRow]) -> list[ListRow]:
    """Return the other rows of accuracy.csv, and then ``rows``.

    Another row is of another model, variant, engine, device or precision.

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

    A phone's counts where this machine has none, and of several phones that with most images. A
    row of the emulator never does: it is of a sample, and computes in fp32 what this machine does.
    ``classes`` is how many the table's models tell apart. Raises ValueError if a number is none.
    """
    return {
        model: _top1(row)
        for model, row in _in_full(rows).items()
        if (row["weights"], row["classes"]) == ("trained", str(classes))
    }


def evaluated_top1(rows: Sequence[ListRow]) -> dict[str, MeasuredTop1]:
    """Return MNN's accuracies that may stand in one picture, by model: of the same images.

    Those of random weights are left out, and devices count as in ``trained_top1``. Of several sets
    of images the one with most models counts, and the first of equals. Raises ValueError if a
    number is none.
    """
    sets: dict[tuple[str | int, ...], list[ListRow]] = {}
    for row in _in_full(rows).values():
        if row["weights"] != "untrained":
            sets.setdefault((row["classes"], row["images"], row["unreadable"]), []).append(row)
    return {str(row["model"]): _top1(row) for row in max(sets.values(), key=len, default=[])}


def _in_full(rows: Sequence[ListRow]) -> dict[str, ListRow]:
    """Return one row of MNN for each model, of the export as it is, in fp32."""
    chosen: dict[str, ListRow] = {}
    for row in rows:
        usual = (row["engine"], row["variant"], row["precision"]) == ("mnn", BASE_VARIANT, "fp32")
        if usual and row["device"] != EMULATED:
            before = chosen.get(str(row["model"]))
            if before is None or _rank(row) > _rank(before):
                chosen[str(row["model"])] = row
    return chosen


def _rank(row: ListRow) -> tuple[bool, int]:
    return row["device"] == HERE, int(row["images"])


def _top1(row: ListRow) -> MeasuredTop1:
    percent, low, high = (float(row[f"top1_{name}percent"]) for name in ("", "low_", "high_"))
    if not 0 <= low <= percent <= high <= 100:
        raise ValueError(f"{percent} is no percentage between {low} and {high}")
    return MeasuredTop1(percent, low, high, int(row["images"]))


def _identity(row: ListRow) -> tuple[str | int, ...]:
    return tuple(row[name] for name in ("model", "variant", "engine", "device", "precision"))
