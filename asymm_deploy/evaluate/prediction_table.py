"""Every prediction of a model as a Parquet file, a row for each image and engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from asymm_deploy.evaluate.evaluation import Evaluation
from asymm_deploy.evaluate.image_folder import as_utf8
from asymm_deploy.evaluate.prediction import NO_CLASS, ImagePrediction
from asymm_deploy.files import written_aside


def write_predictions(
    path: Path, model: str, classes: tuple[str, ...], found: Evaluation[ImagePrediction]
) -> None:
    """Write ``found`` to ``path``, whole or not at all; raise OSError if that can't be done.

    Columns: model, engine, image, label, label_name, top1, top1_name, top5, score,
    correct, unreadable. Where all values are NaN, top1 is empty. Of an image that could not be
    decoded, ``unreadable`` says why, and the rest is empty.
    """
    import pyarrow as pa

    def name(number: int) -> str | None:
        return as_utf8(classes[number]) if 0 <= number < len(classes) else None

    rows = [
        {
            "model": model,
            "engine": engine,
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
        for engine, predictions in found.predictions.items()
        for each in predictions
    ]
    rows += [{"model": model, "image": i.image, "unreadable": i.reason} for i in found.unreadable]
    schema = pa.schema(
        {
            "model": pa.string(),
            "engine": pa.string(),
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


def write_parquet(path: Path, rows: Sequence[Mapping[str, object]], schema: object) -> None:
    """Write rows of a pyarrow ``schema`` to ``path``, whole or not at all; raise OSError."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows, schema=schema)
    with written_aside(path) as aside:
        parquet.write_table(table, aside)
