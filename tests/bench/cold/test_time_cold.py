"""Cold launches take turns, are kept, and come to rows that never call a warm file cold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asymm_deploy.bench.cold.cold_rows import latest_cold_rows
from asymm_deploy.bench.measure import BenchResumed, LaunchDiscarded
from asymm_deploy.errors import ExitCode, UsageError
from tests.bench.fake_device import Launch, Told

NS_PER_MS = 1e6


def test_models_take_turns_and_the_memory_is_read_in_launches_of_its_own(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    device = cold_device()
    rows = cold.start(device, "one", "other", launches=4)
    made = [(record.kind, record.launch.model, record.launch.launch) for record in cold.records]
    timed = [("times", model, number) for number in range(4) for model in ("one", "other")]
    read = [("memory", model, number) for number in range(3) for model in ("one", "other")]
    assert made == [*timed, *read]
    assert ["--stage-memory" in argv for argv in device.asked] == [False] * 8 + [True] * 6
    assert [row.model for row in rows] == ["one", "other"]
    for record in cold.records:
        assert (record.stages is None) == (record.kind == "memory")


def test_a_row_has_medians_over_launches_with_intervals(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    reads = (3_000_000, 4_000_000, 9_000_000, 5_000_000)
    (row,) = cold.start(cold_device(lambda at: {"read_ns": reads[at]} if at < 4 else {}))
    assert row.read.median == 4.5
    assert 3 <= row.read.low < 4.5 < row.read.high <= 9
    assert (row.create.median, row.first.median, row.second.median) == (20, 15, 11)
    assert row.cold.median == 4.5 + 20 + 15
    assert row.engine_load.median == 2
    steady_ms = 10.0
    assert row.steady.median == pytest.approx(steady_ms, rel=0.01)
    assert row.first_over_steady.median == pytest.approx(14 / steady_ms, rel=0.01)
    assert row.cpu_ms == {
        "read": 1,
        "create": 19,
        "first": 14,
        "second": 10,
        "steady": pytest.approx(steady_ms, rel=0.01),
    }
    assert row.memory_mb == {"engine": 10, "read": 11, "created": 12, "first": 13, "second": 14}
    assert (row.memory_peak_mb, row.memory_pss_mb, row.major_faults) == (11, 9, 0)
    assert (row.cache, row.launches, row.warm_read.median) == ("dropped", 4, None)
    assert row.flags == ("unverified",)


@pytest.mark.parametrize(
    ("resident", "cache"), [((100,) * 4, "kept"), ((None,) * 4, "unknown"), ((0, 0, 3, 0), "mixed")]
)
def test_a_file_that_was_in_memory_gives_no_time_of_reading_it_from_the_disk(
    cold: Any, cold_device: Callable[..., Any], resident: tuple[int | None, ...], cache: str
) -> None:
    (row,) = cold.start(
        cold_device(lambda at: {"resident": resident[at], "read_ns": 10**6} if at < 4 else {})
    )
    assert row.cache == cache
    assert "warm-cache" in row.flags
    assert row.valid
    assert row.warm_read.median == 1
    if cache == "mixed":
        assert (row.read.median, row.cold.median) == (1, 36)  # of the others
    else:
        assert (row.read.median, row.cold.median) == (None, None)
    assert row.create.median == 20


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"core": 0}, "wrong-core"),
        ({"waited_ns": 2_000_000}, "stolen-time"),
        ({"steal_ns": 20_000_000}, "stolen-time"),
    ],
)
def test_what_spoils_the_stages_is_flagged(
    cold: Any, cold_device: Callable[..., Any], changes: dict[str, Any], flag: str
) -> None:
    (row,) = cold.start(cold_device(lambda _: changes))
    assert flag in row.flags
    assert not row.valid
    assert latest_cold_rows(cold.records) == [row]


def test_one_disturbed_launch_in_many_spoils_no_row(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    (row,) = cold.start(
        cold_device(lambda at: {"waited_ns": 2_000_000 if at == 1 else 0}), launches=4
    )
    assert row.valid


def test_outputs_that_change_are_a_mismatch_in_a_launch_that_reads_the_memory_too(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    (row,) = cold.start(cold_device(script=lambda x: Told(output="b" if x.count == 5 else "a")))
    assert "output-mismatch" in row.flags
    assert row.exit_code is ExitCode.NUMERICS


def test_times_of_a_launch_that_reads_the_memory_are_not_judged(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    disturbed = lambda launch: Told(flags=("hot",) if launch.count >= 4 else ())  # noqa: E731
    (row,) = cold.start(
        cold_device(lambda at: {"waited_ns": 10**7} if at >= 4 else {}, script=disturbed)
    )
    assert row.valid


def test_the_same_again_starts_nothing_and_fresh_starts_all(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    first = cold.start(cold_device())
    device = cold_device()
    assert cold.start(device) == first
    assert device.asked == []
    assert BenchResumed(7) in cold.events
    cold.start(device, fresh=True)
    assert len(device.asked) == 7
    assert {record.launch.attempt for record in cold.records} == {0, 1}


def test_what_an_interruption_left_is_finished(cold: Any, cold_device: Callable[..., Any]) -> None:
    def interrupted(launch: Launch) -> Told:
        if launch.count == 2:
            raise KeyboardInterrupt
        return Told()

    with pytest.raises(KeyboardInterrupt):
        cold.start(cold_device(script=interrupted))
    assert len(cold.records) == 2
    device = cold_device()
    (row,) = cold.start(device)
    assert len(device.asked) == 5
    assert row.launches == 4


def test_another_file_of_the_same_name_starts_anew(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    cold.start(cold_device())
    cold.arm = "B"
    device = cold_device()
    (row,) = cold.start(device)
    assert len(device.asked) == 7
    assert row.launches == 4


def test_a_model_that_fails_is_not_started_again_and_others_go_on(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    def script(launch: Launch) -> Told:
        return Told(error="no model" if launch.model == "bad" else None)

    device = cold_device(script=script)
    bad, good = cold.start(device, "bad", "good")
    assert (bad.flags, bad.exit_code, bad.launches) == (("failed",), ExitCode.HARNESS, 0)
    assert "no model" in bad.reason
    assert good.launches == 4
    assert len([x for x in device.launched if x.model == "bad"]) == 1


def test_an_older_runner_is_told_to_be_built_again(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    older = cold_device(script=lambda _: Told(error="unrecognized arguments: --cold"))
    (row,) = cold.start(older)
    assert "asymm-deploy runner build" in row.reason


def test_what_is_allowed_is_judged_again(cold: Any, cold_device: Callable[..., Any]) -> None:
    (row,) = cold.start(cold_device(lambda _: {"core": 0}))
    assert not row.valid
    device = cold_device()
    (row,) = cold.start(device, allow=("wrong-core",))
    assert device.asked == []
    assert row.valid


def test_two_models_of_one_name_are_refused(cold: Any, cold_device: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="two of the models are called net"):
        cold.start(cold_device(), "net", "net")


def test_heat_is_no_matter_on_a_device_without_conditions(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    cold.start(cold_device(script=lambda _: Told(flags=("hot",))))
    assert not any(isinstance(event, LaunchDiscarded) for event in cold.events)
