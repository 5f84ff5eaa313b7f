"""What pictures of timings say: the front, the distance from the peak, the noise, the change."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ttest_ind

from asymm_deploy.bench.records import Calibration, LaunchRecord
from asymm_deploy.evaluate.accuracy_rows import MeasuredTop1
from asymm_deploy.models import names
from asymm_deploy.report.page.check_verdicts import CheckedChange, CheckVerdicts
from asymm_deploy.report.page.checked_launches import CheckedLaunches
from asymm_deploy.report.page.pictures.accuracy_picture import accuracy_picture, paper_top1
from asymm_deploy.report.page.pictures.launches_picture import launches_picture
from asymm_deploy.report.page.pictures.roofline_picture import roofline_picture
from asymm_deploy.report.page.pictures.timed_model import peak_gmacs, timed_models
from asymm_deploy.report.page.pictures.verdicts_picture import verdicts_picture
from asymm_deploy.report.page.pictures.versions_picture import (
    benched_versions,
    checked_versions,
    versions_picture,
    welch_ratio,
)

Launch = Callable[..., LaunchRecord]


def cells(picture: object, column: int) -> list[object]:
    return [row[column] for row in picture.table.rows]  # type: ignore[attr-defined]


def test_the_papers_accuracies_are_those_of_its_tables() -> None:
    found = paper_top1()
    assert found["asymmnet_large_035"] == 65.4
    assert found["mbv3_small_125"] == 70.4
    assert set(names.table_models(5)) <= set(found)


def test_the_front_has_what_nothing_else_beats_in_both(launch: Launch) -> None:
    models = timed_models(
        [
            launch("asymmnet_large_100", 10.0),  # 75.4 %
            launch("mbv3_large_100", 11.0),  # 75.2 %: slower and less accurate
            launch("asymmnet_small_100", 5.0),  # 68.4 %
            launch("pruned_small_100", 5.0, launch=1),  # as fast, less accurate
        ]
    )
    picture = accuracy_picture(models)
    assert picture is not None
    assert cells(picture, 3) == ["yes", "", "yes", ""]
    assert picture.sentence.startswith("2 of 4 networks lie on the front, from asymmnet_small_100")


def test_a_flagged_network_is_never_on_the_front_of_valid_ones(launch: Launch) -> None:
    models = timed_models(
        [
            launch("asymmnet_large_100", 1.0, flags=("hot",)),
            launch("mbv3_large_100", 11.0),
            launch("asymmnet_small_100", 5.0),
        ]
    )
    picture = accuracy_picture(models)
    assert picture is not None
    assert cells(picture, 3) == ["", "yes", "yes"]
    assert "1 flagged network (hollow) can't be on it" in picture.sentence


def test_accuracies_of_ours_take_the_papers_place_and_are_never_mixed_with_them(
    launch: Launch,
) -> None:
    models = timed_models([launch("asymmnet_large_100"), launch("my_net"), launch("other_net")])
    mine = {
        name: MeasuredTop1(percent, percent - 2, percent + 3, 1000)
        for name, percent in (("my_net", 91.0), ("other_net", 93.0))
    }
    picture = accuracy_picture(models, mine)
    assert picture is not None
    assert cells(picture, 0) == ["my_net", "other_net"]
    assert "top-1 of MNN in fp32 on the same 1,000 images" in picture.notes[0]
    assert "about 2.5 points" in picture.notes[0]
    del mine["my_net"]  # one alone makes no picture; and of the paper's there is one, too
    assert accuracy_picture(models, mine) is None


def test_a_network_at_another_resolution_has_no_accuracy(launch: Launch) -> None:
    small = launch("asymmnet_large_100", input_shape=(1, 3, 96, 96))
    assert accuracy_picture(timed_models([small, launch("mbv3_large_100")])) is None


def test_rows_of_one_name_and_two_inputs_are_told_apart(launch: Launch) -> None:
    models = timed_models([launch(input_shape=(1, 3, side, side)) for side in (96, 224)])
    assert [model.key for model in models] == [
        "asymmnet_large_100 (1x3x96x96)",
        "asymmnet_large_100 (1x3x224x224)",
    ]


def test_a_variant_is_a_point_of_its_own_with_what_was_measured_of_it(launch: Launch) -> None:
    name = "asymmnet_large_100"
    models = timed_models([launch(name, 10.0), launch(f"{name}@w8", 8.0)])
    measured = {
        model: MeasuredTop1(percent=top1, low=top1 - 1, high=top1 + 1, images=100)
        for model, top1 in ((name, 75.0), (f"{name}@w8", 70.0))
    }
    picture = accuracy_picture(models, measured)
    assert picture is not None
    assert [cells(picture, column) for column in (0, 1, 2)] == [
        *([name, f"{name}@w8"], [75.0, 70.0], [10.0, 8.0]),
    ]
    points = next(iter(picture.spec["datasets"].values()))
    assert [point["label"] for point in points] == ["fp32", "w8"]
    assert [(point["base_ms"], point["base_top1"]) for point in points] == [(10.0, 75.0)] * 2
    assert accuracy_picture(models) is None, "the paper measured no variant"


def test_the_peak_is_the_best_that_any_launch_measured(launch: Launch) -> None:
    models = timed_models(
        [
            launch("a", 10.0, madds=200_000_000, calibration=Calibration(4e10, 5e10)),
            launch("b", 10.0, madds=100_000_000, calibration=Calibration(3e10, 3e10)),
        ]
    )
    assert peak_gmacs(models) == 50.0
    picture = roofline_picture(models)
    assert picture is not None
    assert cells(picture, 3) == [pytest.approx(20.0), pytest.approx(10.0)]
    assert cells(picture, 4) == [pytest.approx(40.0), pytest.approx(20.0)]
    assert "a comes nearest to the measured peak of 50.0 GMAdds/s (40 % of it)" in picture.sentence
    two = timed_models(
        [launch(name, 10.0, madds=10**8, threads=2, cpus=(6, 7)) for name in ("a", "b")]
    )
    assert peak_gmacs(two) is None
    assert "does most with a millisecond" in str(roofline_picture(two))


def test_every_launch_is_a_dot_and_what_was_noticed_is_said_in_words(launch: Launch) -> None:
    models = timed_models(
        [
            *(launch("a", 10.0 + number, launch=number) for number in range(2)),
            launch("b", 5.0),
            launch("c", error="gone", samples_ns=(), flags=("failed",)),
        ]
    )
    picture = launches_picture(models)
    data = list(picture.spec["datasets"].values())
    assert sorted(map(len, data)) == [2, 3]
    assert cells(picture, 13) == [
        "",
        "",
        "failed: there is no result; the error message says why: gone",
    ]
    assert picture.keys == ("a", "b", "c")
    assert "1 of 3 rows is flagged" in picture.sentence


def test_where_nothing_finished_there_is_a_table_and_no_picture(launch: Launch) -> None:
    failed = launch(error="gone", samples_ns=(), flags=("failed",))
    assert launches_picture(timed_models([failed])).spec == {}


@pytest.mark.parametrize(
    ("before", "now"),
    [([1.0, 1.1], [2.0, 2.5]), ([1.0, 1.1, 1.05, 1.3], [1.02, 1.07]), ([3.0, 3.0], [3.0, 3.1])],
)
def test_the_interval_of_a_ratio_is_welchs(before: list[float], now: list[float]) -> None:
    ratio, low, high = welch_ratio(before, now)
    assert ratio == pytest.approx(np.exp(np.log(now).mean() - np.log(before).mean()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a side that doesn't vary
        scipys = ttest_ind(np.log(now), np.log(before), equal_var=False).confidence_interval()
    assert [low, high] == pytest.approx([np.exp(scipys.low), np.exp(scipys.high)])


def test_sides_that_do_not_vary_have_an_interval_of_no_width() -> None:
    assert list(welch_ratio([2.0, 2.0], [3.0, 3.0])) == pytest.approx([1.5] * 3)


def test_one_launch_a_side_gives_a_ratio_without_an_interval() -> None:
    ratio, *interval = welch_ratio([2.0], [3.0])
    assert ratio == pytest.approx(1.5)
    assert interval == [None, None]


def verdicts(verdict: str, **changes: object) -> CheckVerdicts:
    change = CheckedChange(
        model="a",
        metric="latency",
        baseline=9.0,
        candidate=10.0,
        change_percent=11.1,
        low_percent=None,
        high_percent=None,
        threshold_percent=3.0,
        verdict=verdict,
        why="It is.",
    )
    return CheckVerdicts(
        schema_version=1,
        verdict=verdict,
        mode="recorded",
        device="pixel",
        baseline="old",
        candidate="new",
        changes=(change,),
        started_at="2026-02-01T10:00:00+00:00",
    )


def test_both_versions_stand_side_by_side_with_the_verdict(launch: Launch) -> None:
    now = timed_models([launch(name, 10.0) for name in ("a", "only-now")])
    before = timed_models([launch(name, 8.0) for name in ("a", "only-before")])
    picture = versions_picture(benched_versions(now, before), verdicts("regressed"))
    assert picture is not None
    assert [cells(picture, column) for column in (0, 1, 2, 6, 7)] == [
        *(["a"], [8.0], [10.0], ["regressed"], ["It is."]),
    ]
    assert cells(picture, 3) == [pytest.approx(1.25)]
    assert picture.sentence.startswith("Regressed: a. Of 1 model in both, a changed most")
    alone = versions_picture(benched_versions(now, before), None)
    assert alone is not None
    assert cells(alone, 6) == [None]
    assert versions_picture(benched_versions(now, []), None) is None


def test_of_a_check_the_ratio_is_its_own(launch: Launch) -> None:
    old, new = (tuple(launch("a", ms, launch=i) for i in range(3)) for ms in (8.0, 10.0))
    both = checked_versions({"a": CheckedLaunches(old, new), "b": CheckedLaunches(old, old)})
    picture = versions_picture(both, verdicts("regressed"), of_check=True)
    assert picture is not None
    assert [cells(picture, column) for column in (0, 1, 2, 6)] == [
        *(["a", "b"], [8.0, 8.0], [10.0, 8.0], ["regressed", None]),
    ]
    assert cells(picture, 3) == [pytest.approx(1.111), pytest.approx(1.0)]
    assert "Both versions were timed in turns" in picture.notes[0]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("regressed", "new against old: regressed. Regressed: a. A recorded comparison of"),
        ("pass", "new against old: pass. 1 model passed. A recorded comparison of 2026-02-01."),
    ],
)
def test_a_verdict_alone_is_a_picture(verdict: str, said: str) -> None:
    picture = verdicts_picture(verdicts(verdict))
    assert said in picture.sentence
    assert picture.table.rows[0][:3] == ("a", "latency", 11.1)
