"""Samples become a row: pooled numbers over runs, intervals over launches, unknown stays None."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.judge import rows
from asymm_deploy.bench.records import LaunchRecord, RowSummary
from asymm_deploy.errors import ExitCode


def launch(good: LaunchRecord, number: int, *samples_ms: float) -> LaunchRecord:
    samples_ns = tuple(round(ms * 1e6) for ms in samples_ms)
    return msgspec.structs.replace(good, launch=number, samples_ns=samples_ns)


def test_latencies_are_over_all_runs(good: LaunchRecord) -> None:
    row = rows.summarise([launch(good, 0, 10, 11, 12), launch(good, 1, 10, 10, 13)])
    pooled = [10, 11, 12, 10, 10, 13]
    assert (row.launches, row.runs) == (2, 6)
    assert row.latency_mean_ms == pytest.approx(np.mean(pooled))
    assert row.latency_median_ms == pytest.approx(10.5)
    assert row.latency_min_ms == 10
    assert row.latency_p90_ms == pytest.approx(np.percentile(pooled, 90))
    assert row.latency_p99_ms == pytest.approx(np.percentile(pooled, 99))
    assert row.latency_std_ms == pytest.approx(np.std(pooled, ddof=1))


def test_spread_and_interval_are_over_medians_of_launches(good: LaunchRecord) -> None:
    row = rows.summarise([launch(good, n, m - 5, m, m + 5) for n, m in enumerate((20, 21, 22))])
    assert row.launch_spread_percent == pytest.approx(100 * 2 / 21)
    assert row.ci_low_ms is not None
    assert row.ci_high_ms is not None
    assert 20 <= row.ci_low_ms < 21 < row.ci_high_ms <= 22


def test_more_runs_of_the_same_launches_do_not_narrow_the_interval(good: LaunchRecord) -> None:
    few = rows.summarise([launch(good, n, *[m] * 5) for n, m in enumerate((20, 21, 22))])
    many = rows.summarise([launch(good, n, *[m] * 500) for n, m in enumerate((20, 21, 22))])
    assert (few.ci_low_ms, few.ci_high_ms) == (many.ci_low_ms, many.ci_high_ms)


def test_the_interval_leaves_a_fortieth_of_the_resampled_means_on_each_side() -> None:
    # Three draws of three are all the smallest in 1 of 27 cases, which is more than 2.5 %.
    assert rows.interval_ms(np.array([10.0, 20.0, 15.0])) == pytest.approx((10, 20))
    # Six draws are all of the smaller half in 1 of 64 cases, which is less; five of six in 6 more.
    halves = np.array([10.0, 20.0, 10.0, 20.0, 20.0, 10.0])
    assert rows.interval_ms(halves) == pytest.approx((10 + 10 / 6, 20 - 10 / 6))


def test_the_interval_is_that_of_all_ways_to_draw_the_launches() -> None:
    medians = np.array([10.0, 10.3, 11.1, 12.9, 16.0, 16.2])
    means = medians[np.indices((6,) * 6).reshape(6, -1)].mean(axis=0)
    expected = np.percentile(means, [2.5, 97.5])
    assert rows.interval_ms(medians) == pytest.approx(expected, abs=0.05)


def test_the_smallest_of_many_runs_is_the_minimum(good: LaunchRecord) -> None:
    row = rows.summarise([launch(good, 0, *range(10, 1010))])
    assert (row.latency_min_ms, row.latency_median_ms) == (10, 509.5)


def test_two_launches_are_enough_for_an_interval(good: LaunchRecord) -> None:
    row = row_with(good, samples_ns=[(10_000_000,), (20_000_000,)])
    assert (row.ci_low_ms, row.ci_high_ms) == pytest.approx((10, 20))
    assert row.launch_spread_percent == pytest.approx(100 * 10 / 15)


def test_two_runs_are_enough_for_a_deviation(good: LaunchRecord) -> None:
    assert rows.summarise([launch(good, 0, 10, 12)]).latency_std_ms == pytest.approx(2**0.5)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        low, high = rows.interval_ms(rng.normal(10, 0.1, 10))
        hits += low is not None and high is not None and low <= 10 <= high
    # 95 % is promised; percentiles over ten launches are known to give a little less.
    assert 0.85 <= hits / 200 <= 0.98


def test_one_launch_tells_nothing_of_the_spread_between_launches(good: LaunchRecord) -> None:
    row = rows.summarise([good])
    assert (row.launch_spread_percent, row.ci_low_ms, row.ci_high_ms) == (None, None, None)


def test_launches_that_are_all_alike_have_an_interval_of_no_width(good: LaunchRecord) -> None:
    row = rows.summarise([launch(good, n, 10, 10) for n in range(3)])
    assert (row.ci_low_ms, row.ci_high_ms, row.launch_spread_percent) == (10, 10, 0)


def test_a_single_run_has_no_deviation(good: LaunchRecord) -> None:
    row = rows.summarise([launch(good, 0, 10)])
    assert row.latency_std_ms is None
    assert row.latency_p99_ms == 10


def test_a_row_of_failures_is_kept_with_its_reason_and_without_numbers(good: LaunchRecord) -> None:
    failed = msgspec.structs.replace(
        good,
        samples_ns=(),
        init_ns=None,
        peak_memory_mb=None,
        error="the runner died",
        flags=("failed",),
        valid=False,
        exit_code=6,
    )
    row = rows.summarise([failed])
    assert not row.valid
    assert row.flags_text == "failed: the runner died"
    assert row.exit_code is ExitCode.CONVERSION
    assert row.launches == row.runs == 0
    numbers = [name for name in msgspec.structs.asdict(row) if name.endswith("_ms")]
    assert {getattr(row, name) for name in numbers} == {None}
    assert row.peak_memory_mb is None


def test_one_failed_launch_makes_the_row_invalid_but_keeps_the_others_numbers(
    good: LaunchRecord,
) -> None:
    failed = msgspec.structs.replace(
        good, launch=1, samples_ns=(), error="killed", flags=("failed",), exit_code=3
    )
    row = rows.summarise([good, failed])
    assert (row.valid, row.launches, row.runs) == (False, 1, 100)
    assert row.exit_code is ExitCode.HARNESS
    assert row.latency_mean_ms is not None


def test_an_allowed_flag_stays_and_the_row_is_valid(good: LaunchRecord) -> None:
    stolen = msgspec.structs.replace(good, off_core_ns=900_000_000, allowed=("stolen-time",))
    row = rows.summarise([stolen])
    assert (row.valid, row.flags, row.exit_code) == (True, ("stolen-time",), ExitCode.OK)


def test_several_cores_are_one_cell(good: LaunchRecord) -> None:
    two = msgspec.structs.replace(good, cpus=(0, 1), threads=2)
    assert rows.summarise([two]).cpu == "0+1"
    assert rows.summarise([msgspec.structs.replace(good, cpus=(), cpu=None)]).cpu is None


def test_a_later_line_for_a_launch_replaces_the_earlier(good: LaunchRecord) -> None:
    (row,) = rows.latest_rows([launch(good, 0, 10), launch(good, 1, 10), launch(good, 0, 14)])
    assert row.runs == 2
    assert row.latency_mean_ms == pytest.approx(12)


@pytest.mark.parametrize(
    "change", [{"attempt": 1}, {"plan_id": "other"}, {"artifact_sha256": "1" * 64}, {"cpus": (0,)}]
)
def test_what_was_measured_last_under_other_circumstances_is_the_row(
    good: LaunchRecord, change: dict[str, object]
) -> None:
    later = msgspec.structs.replace(launch(good, 0, 20), **change)
    (row,) = rows.latest_rows([launch(good, 0, 10), launch(good, 1, 10), later])
    assert row.latency_mean_ms == pytest.approx(20)
    (again,) = rows.latest_rows([launch(good, 0, 10), later, launch(good, 1, 12)])
    assert again.latency_mean_ms == pytest.approx(11)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "net2"},
        {"device": "there"},
        {"engine": "onnxruntime"},
        {"precision": "fp16"},
        {"threads": 2},
        {"input_shape": (1, 3, 64, 64)},
    ],
)
def test_rows_are_told_apart_and_stay_in_order(
    good: LaunchRecord, change: dict[str, object]
) -> None:
    other = msgspec.structs.replace(launch(good, 0, 20), **change)
    found = rows.latest_rows([launch(good, 0, 10), other, launch(good, 1, 10)])
    assert [row.launches for row in found] == [2, 1]


def test_launches_of_a_row_are_in_the_order_of_their_numbers(good: LaunchRecord) -> None:
    taken = [launch(good, number, 10) for number in (2, 0, 1)]
    (launches,) = rows.latest_launches(taken)
    assert [record.launch for record in launches] == [0, 1, 2]


# In each list the largest, the smallest, the median, the mean, the first and the last are different
# values, so that no other aggregate could stand in the place of the right one.
def row_with(good: LaunchRecord, **values: Sequence[object]) -> RowSummary:
    """The row of launches that differ in these fields; a list has a value for each launch."""
    return rows.summarise(
        [
            msgspec.structs.replace(
                good,
                launch=number,
                **{
                    "samples_ns": tuple(ns + number for ns in good.samples_ns),
                    **dict(zip(values, launch, strict=True)),
                },
            )
            for number, launch in enumerate(zip(*values.values(), strict=True))
        ]
    )


def test_memory_is_the_most_that_any_launch_took(good: LaunchRecord) -> None:
    assert row_with(good, peak_memory_mb=[61.0, 60.0, 70.0, None, 62.0]).peak_memory_mb == 70.0


def test_time_to_load_is_the_median_of_the_launches(good: LaunchRecord) -> None:
    loads = [31_000_000, 30_000_000, 90_000_000, 33_000_000, None, 40_000_000]
    assert row_with(good, init_ns=loads).init_ms == pytest.approx(33)


def test_the_output_error_is_the_largest_that_was_measured(good: LaunchRecord) -> None:
    assert row_with(good, output_error=[2e-5, 1e-5, 9e-5, None, 3e-5]).output_error == 9e-5
    assert row_with(good, output_error=[None, None]).output_error is None


def test_a_row_lasts_from_its_first_start_to_its_last(good: LaunchRecord) -> None:
    """A launch that was spoilt is taken again later, and a failed one was started as well."""
    times = [f"2026-01-01T00:{minute}:00+00:00" for minute in ("20", "10", "40", "30")]
    for errors in ([None] * 4, [None, "it died", "it died", None]):
        row = row_with(good, started_at=times, error=errors)
        assert row.first_started_at == times[1]
        assert row.last_started_at == times[2]


def test_what_is_allowed_is_what_the_last_launch_allowed(good: LaunchRecord) -> None:
    flags = [("stolen-time",), (), ()]
    lost = [900_000_000] * 3
    lenient = row_with(
        good, off_core_ns=lost, flags=flags, allowed=[(), ("hot",), ("stolen-time",)]
    )
    assert lenient.allowed == ("stolen-time",)
    assert (lenient.valid, lenient.exit_code) == (True, ExitCode.OK)
    strict = row_with(good, off_core_ns=lost, flags=flags, allowed=[("stolen-time",), ("hot",), ()])
    assert strict.allowed == ()
    assert (strict.valid, strict.exit_code) == (False, ExitCode.UNSTABLE)


def test_of_several_failures_the_last_one_is_the_reason(good: LaunchRecord) -> None:
    row = row_with(
        good,
        error=["it hung", "it died", None],
        exit_code=[3, 6, 0],
        flags=[("failed",), ("failed",), ()],
    )
    assert row.reason == "it died"
    assert row.exit_code is ExitCode.CONVERSION


def test_what_launches_share_is_told_by_the_last_finished_one(good: LaunchRecord) -> None:
    """A launch that failed may not have come as far as to know its engine."""
    versions = ["3.6.1", "3.6.2", None]
    row = row_with(good, engine_version=versions, error=[None, None, "it died"])
    assert row.engine_version == "3.6.2"
    failed = row_with(good, engine_version=versions, error=["it hung", "it hung", "it died"])
    assert failed.engine_version is None


def test_a_row_says_what_was_timed_where_and_how(good: LaunchRecord) -> None:
    timed = msgspec.structs.replace(good, input_shape=(1, 3, 64, 64))
    row = rows.summarise([timed])
    for name in (
        *("model", "network", "scale", "multiplier", "input_shape", "madds", "params"),
        *("device", "precision", "threads", "engine", "engine_version"),
    ):
        assert getattr(row, name) == getattr(timed, name), name
    assert (row.soc, row.cpu, row.cpu_max_khz) == ("chip", "1", 3_000_000)


def test_no_number_is_ever_nan(good: LaunchRecord) -> None:
    for row in (rows.summarise([good]), rows.summarise([launch(good, 0, 10)])):
        values = msgspec.structs.asdict(row).values()
        assert not any(isinstance(value, float) and math.isnan(value) for value in values)
