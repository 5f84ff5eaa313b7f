"""Each thing that can be wrong with a launch or a row is flagged by its name, and that alone."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import Calibration, LaunchRecord


def change(record: LaunchRecord, **fields: object) -> LaunchRecord:
    return msgspec.structs.replace(record, **fields)


def found(record: LaunchRecord) -> list[str]:
    return verdicts.launch_flags(record, verified_by=None, verifiable=True)


def test_a_good_launch_has_no_flag(good: LaunchRecord) -> None:
    assert found(good) == []


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"error": "it died"}, "failed"),
        ({"cpu_before": 0}, "wrong-core"),
        ({"cpu_after": 0}, "wrong-core"),
        ({"cpu_before": None, "cpu_after": None}, "wrong-core"),
        ({"cpu": None, "cpus": ()}, "unpinned"),
        ({"precision_in_force": "fp16"}, "wrong-precision"),
        ({"precision": "fp16"}, "wrong-precision"),
        ({"precision_in_force": None}, "wrong-precision"),
        ({"output_error": 1.1e-4}, "output-mismatch"),
        ({"output_error": None}, "output-mismatch"),
        ({"samples_ns": (1_000_000,) * 100}, "below-floor"),
        ({"samples_ns": (10_000_000, 12_000_000) * 50}, "bimodal"),
        ({"off_core_ns": 30_000_000}, "stolen-time"),
        ({"waited_ns": 30_000_000}, "stolen-time"),
        ({"steal_ns": 50_000_000}, "stolen-time"),
    ],
)
def test_one_thing_wrong_is_one_flag(
    good: LaunchRecord, fields: dict[str, object], flag: str
) -> None:
    assert found(change(good, **fields)) == [flag]


def test_a_launch_on_any_of_its_cores_is_on_the_right_one(good: LaunchRecord) -> None:
    two = change(good, cpus=(0, 1), cpu=0, cpu_before=0, cpu_after=1, threads=2)
    assert found(two) == []


def test_fp16_may_differ_more_and_be_faster(good: LaunchRecord) -> None:
    half = change(good, precision="fp16", precision_in_force="fp16", samples_ns=(1_000_000,) * 100)
    assert found(change(half, output_error=0.09)) == []
    assert found(change(half, output_error=0.11)) == ["output-mismatch"]


def test_what_fast_convolutions_cost_is_allowed_to_the_artifact_that_has_them(
    good: LaunchRecord,
) -> None:
    fast = change(good, output_tolerance=3e-3)
    assert found(change(fast, output_error=2.9e-3)) == []
    assert found(change(fast, output_error=3.1e-3)) == ["output-mismatch"]


def test_without_a_reference_a_launch_is_unverified(good: LaunchRecord) -> None:
    bare = change(good, output_error=None)
    assert verdicts.launch_flags(bare, verified_by=None, verifiable=False) == ["unverified"]


def test_later_launches_must_compute_the_same_bits(good: LaunchRecord) -> None:
    later = change(good, launch=1, output_error=None)
    other = change(later, output_sha256="d" * 64)
    assert verdicts.launch_flags(later, verified_by=good, verifiable=True) == []
    assert verdicts.launch_flags(other, verified_by=good, verifiable=True) == ["output-mismatch"]


def test_the_same_wrong_bits_are_still_wrong(good: LaunchRecord) -> None:
    wrong = change(good, output_error=0.5, flags=("output-mismatch",))
    later = change(good, launch=1, output_error=None)
    assert verdicts.launch_flags(later, verified_by=wrong, verifiable=True) == ["output-mismatch"]


def test_the_floor_is_the_multiplications_over_the_best_calibration(good: LaunchRecord) -> None:
    slow = change(good, calibration=Calibration(1e10, 1e10))
    # 100 M multiplications at 40 G/s take 2.5 ms; BLAS may have missed a quarter of the peak.
    assert verdicts.floor_ns([slow, good]) == pytest.approx(2.5e6 * verdicts.BLAS_SHARE)


def test_the_floor_of_two_threads_is_half(good: LaunchRecord) -> None:
    one, two = verdicts.floor_ns([good]), verdicts.floor_ns([change(good, threads=2)])
    assert one is not None
    assert two == pytest.approx(one / 2)


def test_without_a_calibration_or_a_count_there_is_no_floor(good: LaunchRecord) -> None:
    fast = change(good, samples_ns=(1000,) * 100)
    assert found(change(fast, floor_madds=None)) == []
    assert found(change(fast, calibration=None)) == []


def test_a_single_tick_of_the_hypervisor_may_be_rounding(good: LaunchRecord) -> None:
    short = change(good, wall_ns=100_000_000)
    assert found(change(short, steal_ns=10_000_000)) == []
    assert found(change(short, steal_ns=20_000_000)) == ["stolen-time"]


def test_a_main_thread_that_waits_for_others_lost_no_time(good: LaunchRecord) -> None:
    waiting = change(good, threads=2, cpus=(0, 1), off_core_ns=500_000_000)
    assert found(waiting) == []


def test_medians_too_far_apart_are_a_launch_spread(good: LaunchRecord) -> None:
    near = change(good, launch=1, samples_ns=(10_900_000,) * 100)
    far = change(good, launch=1, samples_ns=(11_500_000,) * 100)
    assert verdicts.row_flags([good, near]) == ("bimodal",)
    assert verdicts.row_flags([good] * 4 + [near]) == ("bimodal",)
    assert verdicts.row_flags([good] * 5 + [near]) == ()
    assert verdicts.row_flags([good] * 5 + [far]) == ("launch-spread",)


def test_noise_is_judged_over_the_row_and_everything_else_launch_by_launch(
    good: LaunchRecord,
) -> None:
    disturbed = change(good, launch=1, off_core_ns=50_000_000, flags=("stolen-time",))
    assert verdicts.row_flags([good, good, good, disturbed]) == ()
    assert verdicts.row_flags([good, disturbed]) == ("stolen-time",)
    wrong = change(good, launch=1, flags=("wrong-core",))
    assert verdicts.row_flags([good, good, good, wrong]) == ("wrong-core",)
