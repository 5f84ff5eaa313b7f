"""Whatever the runner on the phone does, a row says the truth about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from asymm_deploy.bench.phone import phone_launch
from tests.bench.phone.conftest import LAUNCHES, Bench
from tests.phone.faults import (
    ExecDenied,
    Garbage,
    Hangs,
    Killed,
    Meanwhile,
    Migrated,
    SwappedModel,
    Throttles,
    Truncated,
    WrongPrecision,
)
from tests.phone.phone import Phone


def test_a_runner_that_was_killed_is_started_once_more(bench: Bench, phone: Phone) -> None:
    phone.faults.add(Killed(launch=1))
    ended = bench()
    assert ended.code == 0, ended.err
    assert [record.conditions and record.conditions.retries for record in ended.lines] == [0, 1, 0]
    assert len(phone.launches) == LAUNCHES + 1


def test_a_runner_that_is_killed_every_time_fails_its_row_with_the_signal(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(Killed(times=None))
    ended = bench()
    assert ended.code == 3
    assert "signal 9 (SIGKILL)" in ended.err
    assert len(phone.launches) == 3


def test_a_runner_that_hangs_is_killed_in_time(
    bench: Bench,
    phone: Phone,
    is_clean: Callable[[Phone], bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = SimpleNamespace(**vars(time) | {"monotonic": lambda: time.monotonic() + 30})

    def half_a_minute_passes() -> None:
        monkeypatch.setattr(phone_launch, "time", later)

    phone.faults.add(Meanwhile(launch=1, do=half_a_minute_passes))
    phone.faults.add(Hangs(launch=1))
    ended = bench()
    assert ended.code == 3
    assert "the runner was not finished within 30 s" in ended.err
    assert [record.launch for record in ended.finished] == [0]
    assert is_clean(phone)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Truncated(launch=1), "the runner stopped"),
        (Truncated(launch=1, code=7), "the runner ended with code 7"),
        (Garbage(launch=1), "the runner printed no valid"),
        (SwappedModel(launch=1, content=b"another"), "the runner"),
    ],
)
def test_a_stream_that_is_no_result_fails_the_row_and_keeps_what_was_finished(
    bench: Bench, phone: Phone, fault: Truncated, said: str
) -> None:
    phone.faults.add(fault)
    ended = bench()
    assert ended.code == 3
    assert said in ended.err
    assert [record.launch for record in ended.finished] == [0]
    assert "\x1b" not in ended.err + ended.out
    assert "Traceback" not in ended.err
    assert bench().code == 0  # done again where it failed


def test_a_model_that_was_swapped_for_another_that_works_is_found_out(
    bench: Bench, phone: Phone, folder: Path
) -> None:
    phone.faults.add(SwappedModel(launch=1, content=(folder / "model.mnn").read_bytes() + b"\0"))
    ended = bench()
    assert ended.code == 3
    assert "SHA-256" in ended.err


def test_a_phone_that_lets_nothing_run_says_so(bench: Bench, phone: Phone) -> None:
    phone.faults.add(ExecDenied())
    ended = bench()
    assert ended.code == 3
    assert "ermission denied" in ended.err


def test_another_core_at_the_end_is_the_wrong_core(bench: Bench, phone: Phone) -> None:
    phone.faults.add(Migrated(launch=1, core=4))
    ended = bench()
    assert ended.code == 3
    assert "wrong-core" in ended.lines[1].flags
    assert not ended.lines[1].valid


def test_fp16_where_fp32_was_asked_for_is_the_wrong_precision(bench: Bench, phone: Phone) -> None:
    phone.faults.add(WrongPrecision(times=None))
    ended = bench()
    assert ended.code == 3
    assert all("wrong-precision" in record.flags for record in ended.lines)
    assert not any(record.valid for record in ended.lines)


def test_a_throttled_launch_is_done_again_after_a_pause(bench: Bench, phone: Phone) -> None:
    phone.faults.add(Throttles(launch=1))
    phone.faults.add(Meanwhile(launch=2, at="start", do=phone.world.cool))
    ended = bench()
    assert ended.code == 0, ended.err
    assert [record.launch for record in ended.lines] == [0, 1, 1, 1, 2]
    assert [record.valid for record in ended.lines] == [True, False, False, True, True]
    spoilt = ended.lines[1:4]
    around = [record.conditions for record in spoilt if record.conditions is not None]
    # What was read behind one stands before the next.
    assert [reading.before.thermal_status for reading in around] == [0, 2, 0]
    assert [reading.after.thermal_status for reading in around] == [2, 0, 0]
    assert around[0].after.scaling_max_khz == 1_401_600
    assert "throttled" in spoilt[0].flags
    assert "does not count" in ended.err


def test_a_phone_that_stays_throttled_is_flagged_after_the_third_time(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(Throttles(launch=2))
    ended = bench()
    assert ended.code == 4
    assert [record.launch for record in ended.lines] == [0, 1, 2, 2, 2]
    assert [record.valid for record in ended.lines] == [True, True, False, False, False]
    assert all("throttled" in record.flags for record in ended.lines[2:])


def test_a_limit_that_no_pause_ends_costs_a_few_pauses_and_not_one_a_launch(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(Throttles(launch=0))
    ended = bench()
    assert ended.code == 4
    assert [record.launch for record in ended.lines] == [0, 0, 0, 1, 2]


def test_lines_that_end_in_crlf_are_the_runners_own_and_no_matter(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(Garbage(launch=1, content=b"{}\r\n\r\n"))
    ended = bench()
    assert ended.code == 3
    assert "the runner printed no valid" in ended.err
    assert "another cable" not in ended.err
