"""Every prediction of a lane as a Parquet file, a row for each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.image_folder import as_utf8
from asymm_deploy.evaluate.lane import Lane
from asymm_deploy.evaluate.prediction import NO_CLASS, ImagePrediction
from asymm_deploy.files import written_aside


def write_predictions(
    path: Path, lane: Lane, classes: tuple[str, ...], found: Evaluation[ImagePrediction]
) -> None:
    """Write ``found`` to ``path``, whole or not at all; raise OSError if that can't be done.

    Columns: model, variant, engine, device, precision, image, label, label_name, top1, top1_name,
    top5, score, correct, unreadable. Where all values are NaN, top1 is empty. Of an image that
    could not be decoded, ``unreadable`` says why, and the rest is empty.
    """
    import pyarrow as pa

    def name(number: int) -> str | None:
        return as_utf8(classes[number]) if 0 <= number < len(classes) else None

    of = lane_columns(lane)
    rows: list[dict[str, object]] = [
        {
            **of,
            "image": each.image,
            "label": each.label,
            "label_name": name(each.label),
            "top1": None if each.top1 == NO_CLASS else each.top1,
            "top1_name": name(each.top1),
            "top5": list(each.top5),
            "score": each.score,
            "correct": each.top1 == each.label,
            "unreadable": None,
        }
        for each in found.predictions
    ]
    rows += [{**of, "image": i.image, "unreadable": i.reason} for i in found.unreadable]
    schema = pa.schema(
        {
            **dict.fromkeys(of, pa.string()),
            "image": pa.string(),
            "label": pa.int32(),
            "label_name": pa.string(),
            "top1": pa.int32(),
            "top1_name": pa.string(),
            "top5": pa.list_(pa.int32()),
            "score": pa.float64(),
            "correct": pa.bool_(),
            "unreadable": pa.string(),
        }
    )
    write_parquet(path, rows, schema)


def lane_columns(lane: Lane) -> dict[str, str]:
    """Return what each row of a lane's file begins with."""
    return {
        "model": lane.model,
        "variant": lane.variant,
        "engine": lane.engine,
        "device": lane.device,
        "precision": lane.precision,
    }


def write_parquet(path: Path, rows: Sequence[Mapping[str, object]], schema: object) -> None:
    """Write rows of a pyarrow ``schema`` to ``path``, whole or not at all; raise OSError."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows, schema=schema)
    with written_aside(path) as aside:
        parquet.write_table(table, aside)
