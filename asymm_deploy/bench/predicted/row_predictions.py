"""Predictions to stand beside measured rows: of the same file, at the same precision."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration, predicted_for
from asymm_deploy.bench.records import RowSummary


def predicted_beside(
    models: Sequence[str],
    rows: Sequence[RowSummary],
    costs: Sequence[CostRecord],
    calibration: CostCalibration,
) -> dict[str, float]:
    """Return milliseconds by model, of the ``models`` that were counted.

    ``rows`` share one setting. If that is not what ``calibration`` was fitted for (its engine and
    precision, one thread), nothing is predicted. A model that was timed has a prediction only if
    the same file was counted. Of two records of one file the later one counts, and of a model that
    was not timed the last file. A network with other classes than the paper's is none of them.
    """
    fitted_for = (calibration.engine, calibration.precision, 1)
    if any((row.engine, row.precision, row.threads) != fitted_for for row in rows) or any(
        row.backend != "cpu" for row in rows
    ):
        return {}
    timed = {row.model: row.artifact_sha256 for row in rows}
    found: dict[str, float] = {}
    for record in costs:
        if timed.get(record.model, record.artifact_sha256) == record.artifact_sha256:
            prediction = predicted_for(record, calibration)
            of_paper = record.model in models and record.classes is None
            if prediction is not None and of_paper:
                found[record.model] = prediction.ms
    return found
