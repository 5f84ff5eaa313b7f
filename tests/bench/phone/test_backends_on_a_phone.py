"""`bench --backend` on a phone: what fell back, and what a driver spoils, is flagged by name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.bench.phone.conftest import Bench
from tests.phone.faults import FallsBack, SoftwareDriver, Spoils
from tests.phone.phone import Phone

ONE_LAUNCH = ("--backend", "vulkan", "--launches", "1")


def row_of(results: Path) -> dict[str, str]:
    with (results / "latency.csv").open() as file:
        (row,) = csv.DictReader(file)
    return row


def test_where_all_ran_as_asked_the_row_is_valid_and_says_where(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    ended = bench("--backend", "vulkan")
    assert ended.code == 0, ended.err
    assert {record.backend for record in ended.lines} == {"vulkan"}
    for record in ended.lines:  # each may have chosen other kernels
        assert record.output_error is not None
        assert set(record.backends_in_force or ()) == {"vulkan"}
    assert ended.lines[0].precision_in_force == "untold"
    row = row_of(tmp_path / "results")
    assert (row["backend"], row["valid"], row["flags"]) == ("vulkan", "true", "")
    assert "asked to run on vulkan" in ended.out


def test_operators_that_fell_back_spoil_a_row_and_are_named(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    phone.faults.add(FallsBack(operators=1))
    ended = bench(*ONE_LAUNCH)
    assert ended.code == 3
    (record,) = ended.lines
    assert record.flags == ("fell-back",)
    ((kind, name),) = record.ran_elsewhere
    total = sum((record.backends_in_force or {}).values())
    words = f"1 of {total} operators ran on cpu: {kind}"
    assert words in ended.err
    assert row_of(tmp_path / "results")["flags"] == f"fell-back: {words}"
    assert name


def test_a_back_end_that_runs_nothing_is_said_after_one_launch_and_tried_again(
    bench: Bench, phone: Phone
) -> None:
    phone.faults.add(FallsBack())
    ended = bench("--backend", "vulkan")
    assert ended.code == 3
    (record,) = ended.lines  # of three that were planned
    assert record.flags == ("fell-back",)
    assert f"vulkan ran nothing of model on {phone.serial}: all " in ended.err
    assert "libMNN_Vulkan.so" in ended.err
    ended = bench("--backend", "vulkan")  # it has been put there since
    assert ended.code == 0, ended.err
    assert [record.launch for record in ended.finished] == [0, 0, 1, 2]


def test_a_driver_made_of_software_is_the_cpu_under_another_name(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    phone.faults.add(SoftwareDriver())
    ended = bench("--backend", "vulkan")
    assert ended.code == 3
    (record,) = ended.lines  # of three that were planned
    assert (set(record.backends_in_force or ()), record.flags) == ({"vulkan"}, ("fell-back",))
    words = "the driver of vulkan is SwiftShader Device (Subzero), made of software"
    assert words in ended.err
    assert words in row_of(tmp_path / "results")["flags"]


def test_what_fell_back_may_be_allowed(bench: Bench, phone: Phone) -> None:
    phone.faults.add(FallsBack())
    ended = bench(*ONE_LAUNCH, "--allow", "fell-back")
    assert ended.code == 0, ended.err
    assert [record.valid for record in ended.lines] == [True]


def test_launches_on_the_gpu_are_not_mixed_with_those_that_fell_back(
    bench: Bench, phone: Phone, tmp_path: Path
) -> None:
    allowed = ("--backend", "vulkan", "--allow", "fell-back")
    phone.faults.add(FallsBack(times=2))
    ended = bench(*allowed)  # three launches, and the driver comes before the last
    assert ended.code == 3
    assert "model ran on vulkan in this launch, and not in 2 launches before it" in ended.err
    ended = bench(*allowed)
    assert ended.code == 0, ended.err
    assert [record.launch for record in ended.lines] == [0, 1, 2, 0, 1]
    row = row_of(tmp_path / "results")
    assert (row["launches"], row["flags"]) == ("3", "")


@pytest.mark.parametrize(
    ("value", "words"),
    [(float("nan"), "NaN in "), (0.0, "is all zeros"), (float("inf"), "infinity in ")],
    ids=["NaN", "zeros", "infinity"],
)
def test_an_output_that_a_driver_spoils_is_flagged_with_what_is_in_it(
    bench: Bench, phone: Phone, tmp_path: Path, value: float, words: str
) -> None:
    phone.faults.add(Spoils(value=value))
    ended = bench(*ONE_LAUNCH)
    assert ended.code == 5
    (record,) = ended.lines
    assert record.flags == ("output-mismatch",)
    assert words in (record.output_words or "")
    assert words in row_of(tmp_path / "results")["flags"]


def test_fp16_that_a_driver_lacks_shows_in_the_output(bench: Bench, phone: Phone) -> None:
    # The simulated phone computes in fp32, whatever it is asked for.
    ended = bench(*ONE_LAUNCH, "--precision", "fp16")
    assert ended.code == 3
    (record,) = ended.lines
    assert (record.flags, record.precision_in_force) == (("wrong-precision",), "fp32")


def test_rows_of_two_back_ends_never_mix(bench: Bench, phone: Phone, tmp_path: Path) -> None:
    assert bench("--launches", "1").code == 0
    ended = bench(*ONE_LAUNCH)
    assert ended.code == 0
    with (tmp_path / "results" / "latency.csv").open() as file:
        assert [row["backend"] for row in csv.DictReader(file)] == ["cpu", "vulkan"]
    assert ended.lines[0].plan_id != ended.lines[1].plan_id
