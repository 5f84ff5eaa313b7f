"""A prediction stands beside a measured row only if it is of the same file, run in the same way."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration
from asymm_deploy.bench.predicted.row_predictions import predicted_beside
from asymm_deploy.bench.records import LaunchRecord, RowSummary

MakeCost = Callable[..., CostRecord]


@pytest.fixture(scope="module")
def calibration() -> CostCalibration:
    return msgspec.structs.replace(calibrations.named(), ns_per={"fma": 1.0})


@pytest.fixture
def row(good: LaunchRecord) -> RowSummary:
    """A row of ``net``, of the file that ``cost`` has for it."""
    return stats.summarise([msgspec.structs.replace(good, artifact_sha256="net".ljust(64, "0"))])


def test_the_same_file_has_a_prediction(
    cost: MakeCost, row: RowSummary, calibration: CostCalibration
) -> None:
    found = predicted_beside(["net"], [row], [cost("net", 3_000_000, 0)], calibration)
    assert found == {"net": pytest.approx(3.0)}


def test_another_file_of_that_name_has_none(
    cost: MakeCost, row: RowSummary, calibration: CostCalibration
) -> None:
    other = cost("net", 3_000_000, 0, artifact_sha256="f" * 64)
    assert predicted_beside(["net"], [row], [other], calibration) == {}
    same = cost("net", 4_000_000, 0)
    assert predicted_beside(["net"], [row], [other, same, other], calibration) == {"net": 4.0}


def test_a_model_that_was_not_timed_has_that_of_the_file_counted_last(
    cost: MakeCost, row: RowSummary, calibration: CostCalibration
) -> None:
    costs = [cost("new", 1_000_000, 0, artifact_sha256="f" * 64), cost("new", 2_000_000, 0)]
    assert predicted_beside(["net", "new"], [row], costs, calibration) == {"new": 2.0}


@pytest.mark.parametrize(
    "changes", [{"precision": "fp16"}, {"engine": "onnxruntime"}, {"threads": 2}]
)
def test_beside_rows_of_another_setting_nothing_is_predicted(
    cost: MakeCost, row: RowSummary, calibration: CostCalibration, changes: dict[str, object]
) -> None:
    other = msgspec.structs.replace(row, **changes)
    costs = [cost("net", 1, 1), cost("new", 1, 1)]
    assert predicted_beside(["net", "new"], [other], costs, calibration) == {}


def test_counts_at_another_precision_predict_nothing(
    cost: MakeCost, row: RowSummary, calibration: CostCalibration
) -> None:
    costs = [cost("net", 3_000_000, 0), cost("net", 1_000_000, 0, precision="fp16")]
    assert predicted_beside(["net"], [row], costs, calibration) == {"net": 3.0}


def test_models_that_are_not_asked_for_are_left_out(
    cost: MakeCost, calibration: CostCalibration
) -> None:
    assert predicted_beside(["net"], [], [cost("mine", 1, 1)], calibration) == {}
