"""Each thing that can be wrong with a launch or a row is flagged by its name, and that alone."""

from __future__ import annotations

import msgspec
import pytest

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import Calibration, LaunchRecord


def change(record: LaunchRecord, **fields: object) -> LaunchRecord:
    return msgspec.structs.replace(record, **fields)


def steady(ns: int, number: int = 1) -> tuple[int, ...]:
    """The samples of a launch that hardly varies, other ones for each number."""
    return (*(ns,) * 99, ns + number)


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
        ({"samples_ns": (1_000_000,) * 99 + (1_000_001,)}, "below-floor"),
        ({"samples_ns": (10_000_000,) * 100}, "no-variance"),
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
    half = change(good, precision="fp16", precision_in_force="fp16", samples_ns=steady(1_000_000))
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
    assert verdicts.launch_flags(later, verified_by=good, verifiable=True) == []
    for sha256 in ("a" * 64, "d" * 64):
        other = change(later, output_sha256=sha256)
        found = verdicts.launch_flags(other, verified_by=good, verifiable=True)
        assert found == ["output-mismatch"]


def test_the_same_wrong_bits_are_still_wrong(good: LaunchRecord) -> None:
    wrong = change(good, output_error=0.5, flags=("output-mismatch",))
    later = change(good, launch=1, output_error=None)
    assert verdicts.launch_flags(later, verified_by=wrong, verifiable=True) == ["output-mismatch"]


def test_the_floor_is_the_multiplications_over_the_best_calibration(good: LaunchRecord) -> None:
    slow = change(good, calibration=Calibration(1e10, 1e10))
    uneven = [
        change(good, calibration=Calibration(*rates)) for rates in ((4e10, 1e10), (1e10, 4e10))
    ]
    # 100 M multiplications at 40 G/s take 2.5 ms; BLAS may have missed a quarter of the peak.
    for launches in ([slow, good], [good, slow], *([one] for one in uneven)):
        assert verdicts.floor_ns(launches) == pytest.approx(2.5e6 * 0.75)


def test_a_median_below_the_floor_is_flagged_and_one_above_is_not(good: LaunchRecord) -> None:
    assert found(change(good, samples_ns=steady(1_874_000))) == ["below-floor"]
    assert found(change(good, samples_ns=steady(1_876_000))) == []


def test_one_slow_sample_hides_no_impossible_median(good: LaunchRecord) -> None:
    assert "below-floor" in found(change(good, samples_ns=(*(1_000_000,) * 99, 10_000_000)))


def test_one_fast_sample_makes_no_median_impossible(good: LaunchRecord) -> None:
    assert "below-floor" not in found(change(good, samples_ns=(1_000_000, *(10_000_000,) * 99)))


def test_the_floor_itself_can_be_reached(good: LaunchRecord) -> None:
    assert verdicts.floor_ns([good]) == 1_875_000
    assert found(change(good, samples_ns=steady(1_875_000))) == []


def test_in_fp16_the_floor_is_half_where_any_launch_had_it(good: LaunchRecord) -> None:
    half = change(good, precision="fp16", precision_in_force="fp16", output_error=0.05)
    assert found(change(half, samples_ns=steady(937_000))) == ["below-floor"]
    assert found(change(half, samples_ns=steady(938_000))) == []
    assert verdicts.floor_ns([good, half]) == pytest.approx(2.5e6 * 0.75 / 2)


def test_a_launch_without_a_calibration_is_judged_by_the_others(good: LaunchRecord) -> None:
    blind = change(good, calibration=None)
    assert verdicts.floor_ns([blind, good]) == verdicts.floor_ns([good])


def test_the_floor_of_two_threads_is_half(good: LaunchRecord) -> None:
    one, two = verdicts.floor_ns([good]), verdicts.floor_ns([change(good, threads=2)])
    assert one is not None
    assert two == pytest.approx(one / 2)


def test_without_a_calibration_or_a_count_there_is_no_floor(good: LaunchRecord) -> None:
    fast = change(good, samples_ns=steady(1000))
    assert found(change(fast, floor_madds=None)) == []
    assert found(change(fast, calibration=None)) == []


def test_a_single_tick_of_the_hypervisor_may_be_rounding(good: LaunchRecord) -> None:
    short = change(good, wall_ns=100_000_000)
    assert found(change(short, steal_ns=10_000_000)) == []
    assert found(change(short, steal_ns=20_000_000)) == ["stolen-time"]


@pytest.mark.parametrize(
    ("lost", "flagged"),
    [
        ({"off_core_ns": 19_900_000}, False),
        ({"off_core_ns": 20_100_000}, True),
        ({"waited_ns": 19_900_000}, False),
        ({"waited_ns": 20_100_000}, True),
        # A tick of the hypervisor's is not counted.
        ({"steal_ns": 29_900_000}, False),
        ({"steal_ns": 30_100_000}, True),
        # What the thread waited for and what the hypervisor took are different losses ...
        ({"waited_ns": 15_000_000, "steal_ns": 14_900_000}, False),
        ({"waited_ns": 15_000_000, "steal_ns": 15_100_000}, True),
        # ... and both are among the time off the core, as far as that is known.
        ({"off_core_ns": 19_900_000, "waited_ns": 19_900_000}, False),
        ({"off_core_ns": 19_900_000, "steal_ns": 29_900_000}, False),
        ({"off_core_ns": 19_900_000, "waited_ns": 20_100_000}, True),
        ({"off_core_ns": 20_100_000, "waited_ns": 19_900_000}, True),
        ({"off_core_ns": None, "waited_ns": None, "steal_ns": None}, False),
        ({"off_core_ns": None, "waited_ns": 20_100_000, "steal_ns": None}, True),
    ],
)
def test_a_fiftieth_of_the_timed_loop_may_be_lost(
    good: LaunchRecord, lost: dict[str, object], flagged: bool
) -> None:
    second = change(good, wall_ns=1_000_000_000)
    assert found(change(second, **lost)) == ["stolen-time"] * flagged


def test_a_loop_of_unknown_length_has_lost_nothing_that_is_known(good: LaunchRecord) -> None:
    unknown = dict.fromkeys(("wall_ns", "off_core_ns", "waited_ns", "steal_ns"))
    assert found(change(good, **unknown)) == []
    whole = change(good, wall_ns=1_000_000_000, off_core_ns=20_000_000)
    assert verdicts.pooled_flags([whole, change(good, **unknown)]) == []  # exactly a fiftieth


def test_what_was_lost_is_a_share_of_all_timed_loops(good: LaunchRecord) -> None:
    quiet = change(good, wall_ns=1_000_000_000)
    lost = change(quiet, off_core_ns=60_100_000, waited_ns=60_100_000)
    assert verdicts.pooled_flags([quiet, quiet, quiet]) == []
    assert verdicts.pooled_flags([lost, quiet, quiet]) == ["stolen-time"]
    assert verdicts.pooled_flags([lost, quiet, quiet, quiet]) == []
    ticks = [change(quiet, steal_ns=steal) for steal in (10_000_000, 60_000_000, 0)]
    assert verdicts.pooled_flags(ticks) == []  # one tick's rounding is forgiven to the row
    assert verdicts.pooled_flags([*ticks[:2], change(quiet, steal_ns=100_000)]) == ["stolen-time"]


def test_a_main_thread_that_waits_for_others_lost_no_time(good: LaunchRecord) -> None:
    waiting = change(good, threads=2, cpus=(0, 1), off_core_ns=500_000_000)
    assert found(waiting) == []


def test_the_spread_is_that_of_two_launches_or_more(good: LaunchRecord) -> None:
    launches = [change(good, samples_ns=(ns, ns, 3 * ns)) for ns in (11_000_000, 10_000_000)]
    assert verdicts.launch_spread_percent([]) is None
    assert verdicts.launch_spread_percent(launches[:1]) is None
    assert verdicts.launch_spread_percent(launches) == pytest.approx(100 / 10.5)
    slow = change(good, samples_ns=(14_000_000,))
    assert verdicts.launch_spread_percent([*launches, slow]) == pytest.approx(400 / 11)


def test_medians_exactly_a_tenth_apart_are_no_launch_spread(good: LaunchRecord) -> None:
    medians = (10_000_000,) * 5 + (11_000_000,)
    launches = [change(good, samples_ns=steady(ns, n)) for n, ns in enumerate(medians, start=1)]
    assert verdicts.launch_spread_percent(launches) == 10.0
    assert verdicts.row_flags(launches) == ()


def test_medians_too_far_apart_are_a_launch_spread(good: LaunchRecord) -> None:
    near = change(good, launch=1, samples_ns=steady(10_900_000))
    far = change(good, launch=1, samples_ns=steady(11_500_000))
    goods = [change(good, samples_ns=good.samples_ns[n:]) for n in range(5)]
    assert verdicts.row_flags([good, near]) == ("bimodal",)
    assert verdicts.row_flags([*goods[:4], near]) == ("bimodal",)
    assert verdicts.row_flags([*goods, near]) == ()
    assert verdicts.row_flags([*goods, far]) == ("launch-spread",)


@pytest.mark.parametrize(("extra", "flags"), [(990_000, ()), (1_010_000, ("launch-spread",))])
def test_medians_may_be_a_tenth_of_their_median_apart(
    good: LaunchRecord, extra: int, flags: tuple[str, ...]
) -> None:
    for at, apart in ((0, extra), (3, extra), (0, -extra), (3, -extra)):
        launches = [change(good, samples_ns=steady(10_000_000, n)) for n in range(1, 7)]
        launches[at] = change(good, samples_ns=steady(10_000_000 + apart))
        assert verdicts.row_flags(launches) == flags


def test_a_row_of_failures_is_failed_and_nothing_else(good: LaunchRecord) -> None:
    failed = change(good, error="it died", samples_ns=(), flags=("failed",))
    assert verdicts.row_flags([failed, change(failed, launch=1)]) == ("failed",)


def test_an_output_may_be_off_by_its_tolerance(good: LaunchRecord) -> None:
    for tolerance in (None, 1e-4):
        assert found(change(good, output_error=1e-4, output_tolerance=tolerance)) == []
        off = change(good, output_error=1.001e-4, output_tolerance=tolerance)
        assert found(off) == ["output-mismatch"]


def test_noise_is_judged_over_the_row_and_everything_else_launch_by_launch(
    good: LaunchRecord,
) -> None:
    goods = [change(good, samples_ns=good.samples_ns[n:]) for n in range(1, 4)]
    disturbed = change(good, launch=1, off_core_ns=50_000_000, flags=("stolen-time",))
    assert verdicts.row_flags([*goods, disturbed]) == ()
    assert verdicts.row_flags([goods[0], disturbed]) == ("stolen-time",)
    wrong = change(good, launch=1, flags=("wrong-core",))
    assert verdicts.row_flags([*goods, wrong]) == ("wrong-core",)


@pytest.mark.parametrize(
    ("fields", "flag"),
    [
        ({"precision_in_force": "fp16"}, "wrong-precision"),
        ({"cpu_before": 0}, "wrong-core"),
        ({"cpu_after": None}, "wrong-core"),
        ({"cpus": (), "cpu": None}, "unpinned"),
        ({"off_core_ns": 505_000_000}, "stolen-time"),
        ({"output_sha256": "c" * 64}, "output-mismatch"),
        ({"samples_ns": (10_000_000,) * 100}, "no-variance"),
        ({"samples_ns": (1_000_000,) * 99 + (1_000_001,)}, "below-floor"),
    ],
)
def test_a_launch_is_judged_by_what_it_holds_and_not_by_its_flags(
    good: LaunchRecord, fields: dict[str, object], flag: str
) -> None:
    for number in (1, 2):
        launches = [change(good, launch=n, output_error=None) for n in range(3)]
        launches[0] = good
        launches[number] = change(launches[number], **fields)
        again = verdicts.judged_again(launches)
        assert [record.flags for record in again if record.launch != number] == [(), ()]
        assert again[number].flags == (flag,)
        assert again[number].valid == (flag == "unpinned")
        assert again[number].exit_code == flags.FLAGS[flag].exit_code


def test_one_wrong_output_is_that_of_all_launches_with_it(good: LaunchRecord) -> None:
    launches = [change(good, output_error=1.0), change(good, launch=1, output_error=None)]
    again = verdicts.judged_again(launches)
    assert [record.flags for record in again] == [("output-mismatch",)] * 2


def test_a_row_that_nothing_was_compared_in_is_unverified(good: LaunchRecord) -> None:
    bare = [change(good, launch=number, output_error=None) for number in range(2)]
    assert [record.flags for record in verdicts.judged_again(bare)] == [("unverified",)] * 2


def test_what_a_file_says_of_a_launch_stays(good: LaunchRecord) -> None:
    (hot,) = verdicts.judged_again([change(good, flags=("hot",), exit_code=4, valid=False)])
    assert (hot.flags, hot.valid, hot.exit_code) == (("hot",), False, 4)
    (forgiven,) = verdicts.judged_again([change(good, flags=("hot",), allowed=("hot",))])
    assert (forgiven.flags, forgiven.valid, forgiven.exit_code) == (("hot",), True, 0)


def test_a_failed_launch_stays_failed_with_its_own_code(good: LaunchRecord) -> None:
    died = change(good, error="it died", samples_ns=(), flags=(), exit_code=6)
    (again,) = verdicts.judged_again([died])
    assert (again.flags, again.valid, again.exit_code) == (("failed",), False, 6)
    (unknown,) = verdicts.judged_again([change(died, exit_code=0, valid=True)])
    assert (unknown.valid, unknown.exit_code) == (False, 3)


def test_launches_of_few_runs_vary_among_each_other(good: LaunchRecord) -> None:
    few = [change(good, launch=n, runs=2, samples_ns=(10_000_000,) * 2) for n in range(3)]
    assert found(few[0]) == []
    assert verdicts.row_flags(few[:2]) == ()
    assert verdicts.row_flags(few) == ("no-variance",)


def test_launches_with_the_same_times_spoil_their_row(good: LaunchRecord) -> None:
    assert verdicts.row_flags([good, change(good, launch=1)]) == ("repeated-samples",)
