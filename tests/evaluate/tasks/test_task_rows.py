"""Rows of tasks.csv: which figures may stand beside the paper's, and which people see."""

from __future__ import annotations

import pytest

from asymm_deploy.evaluate.tasks.task_rows import TASKS, figures, share_of, trained_figures

ROW = dict.fromkeys(TASKS.columns, "") | {
    "model": "net",
    "variant": "fp32",
    "engine": "mnn",
    "device": "host",
    "precision": "fp32",
    "weights": "trained",
    "data": "LFW",
    "metric": "pairs_right",
    "percent": "98.1",
    "samples": "6000",
}


@pytest.mark.parametrize(
    "other",
    [
        {"data": ""},
        {"weights": "untrained"},
        {"weights": "given"},
        {"engine": "torch"},
        {"variant": "int8"},
        {"precision": "fp16"},
        {"device": "a76"},
        {"percent": ""},
    ],
)
def test_only_mnns_figures_of_trained_weights_on_all_of_the_data_count(
    other: dict[str, str],
) -> None:
    assert trained_figures([ROW], "LFW") == {"net": {"pairs_right": 98.1}}
    assert trained_figures([{**ROW, **other}], "LFW") == {}


@pytest.mark.parametrize("cell", ["much", "nan", "101", "-1"])
def test_what_is_no_percentage_is_damage(cell: str) -> None:
    with pytest.raises(ValueError, match=r"could not convert|is no percentage"):
        trained_figures([{**ROW, "percent": cell}], "LFW")


def test_people_see_no_single_classes_and_what_is_not_measured() -> None:
    rows = [ROW, {**ROW, "metric": "ap07 bird"}, {**ROW, "samples": "", "percent": ""}]
    assert [row["percent"] for row in figures(rows)] == ["98.1", "not measured here"]


def test_a_share_has_wilsons_interval() -> None:
    found = share_of("top1", 81, 263)
    assert (found.percent, found.low, found.high) == pytest.approx(
        (30.798, 25.527, 36.622), abs=0.01
    )
