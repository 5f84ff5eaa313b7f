"""Calibrating: what lacks counts is counted, what can't be is named, and a fit is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from asymm_deploy import cli
from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import COSTS_NAME, CostRecord
from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.phone_calibration import MeasuredModel, measured_phone
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.commands.counting.cost_calibrating import calibrate, name_for
from asymm_deploy.errors import UsageError
from benchmarks import predict

DATA = msgspec.json.decode(predict.DATA.read_bytes(), type=predict.Table5Counts)
COSTS = [
    CostRecord(
        model=one.model,
        artifact_sha256=one.artifact_sha256,
        inputs_sha256=None,
        precision="fp32",
        key=DATA.key,
        counts=one.counts,
        operators=None,
        output_sha256=None,
        relative_error=None,
        flags=(),
        valid=True,
    )
    for one in DATA.models
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def results(good: LaunchRecord, tmp_path: Path) -> Path:
    """Results of a phone that is as fast as the paper's."""
    facts = msgspec.structs.replace(
        good.device_facts, device="R58", product="Pixel 4", soc="SM8150", abi="arm64-v8a"
    )
    records = [
        msgspec.structs.replace(
            good,
            model=one.model,
            artifact_sha256=one.artifact_sha256,
            device="R58",
            device_facts=facts,
            floor_madds=None,
            calibration=None,
            launches_planned=1,
            runs=5,
            samples_ns=tuple(round(ms * 1e6) + step for step in (-2, -1, 0, 1, 2)),
            wall_ns=None,
            off_core_ns=None,
            waited_ns=None,
            steal_ns=None,
        )
        for one, ms in zip(DATA.models, predict.paper_ms().tolist(), strict=True)
    ]
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    (tmp_path / store.NAME).write_bytes(lines)
    return tmp_path


def nothing(_: Sequence[MeasuredModel]) -> list[CostRecord]:
    return []


def never(_: Sequence[MeasuredModel]) -> list[CostRecord]:
    raise AssertionError


def test_a_phone_as_fast_as_the_papers_gets_the_papers_calibration(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = calibrate(results, None, "fp32", COSTS, never)

    shipped = calibrations.named()
    assert calibrations.named("pixel-4-sm8150") == found
    assert found.ns_per == pytest.approx(shipped.ns_per, rel=1e-4)
    assert (found.low, found.high) == pytest.approx((shipped.low, shipped.high), rel=1e-4)
    printed = capsys.readouterr().err
    assert "0.183 ns for each fma, 1.12 ns for each load, from 30 models" in printed
    assert "off by 5.4% on average and 21.1% at worst" in printed


def test_a_calibration_that_is_replaced_is_said_to_be(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for said in (False, True):
        calibrate(results, "mine", "fp32", COSTS, never)
        assert ("in place of the one that was there" in capsys.readouterr().err) is said


def test_without_an_emulator_counts_of_another_processor_are_none(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = b"".join(msgspec.json.encode(record) + b"\n" for record in COSTS)
    (results / COSTS_NAME).write_bytes(lines)
    asked = ["cost", "--calibrate", str(results), "--out", str(results)]
    assert cli.run(asked) == 0
    for more in ("--cpu=cortex-a53", "--fresh"):  # so they would have to be counted
        assert cli.run([*asked, more]) == 3
        assert "the emulator is not set up" in capsys.readouterr().err


def test_what_lacks_counts_is_counted(results: Path) -> None:
    asked: list[str] = []

    def count(models: Sequence[MeasuredModel]) -> list[CostRecord]:
        asked.extend(model.model for model in models)
        return COSTS[20:]

    assert calibrate(results, "mine", "fp32", COSTS[:20], count).models == 30
    assert asked == [record.model for record in COSTS[20:]]


def test_what_cant_be_counted_is_left_out_and_named(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert calibrate(results, "mine", "fp32", COSTS[:28], nothing).models == 28
    printed = capsys.readouterr().err
    assert "2 of 30 models have no counts yet" in printed
    assert "has no counts: pruned_small_125, mbv3_small_125" in printed


def test_too_few_that_could_be_counted_are_an_error_and_nothing_is_kept(results: Path) -> None:
    with pytest.raises(UsageError, match="5 of 30 models"):
        calibrate(results, "mine", "fp32", COSTS[:5], nothing)
    assert calibrations.kept_names() == [calibrations.SHIPPED]


@pytest.mark.parametrize("name", ["../x", calibrations.SHIPPED])
def test_a_name_that_wont_do_is_refused_before_anything_is_counted(
    results: Path, name: str
) -> None:
    with pytest.raises(UsageError, match=r"can't be called|stays as it is"):
        calibrate(results, name, "fp32", [], never)


def test_a_phone_without_a_name_of_letters_is_called_phone(results: Path) -> None:
    phone = measured_phone(results)
    assert name_for(phone) == "pixel-4-sm8150"
    calibrations.require_own_name(name_for(replace(phone, called="x" * 70)))
    assert name_for(replace(phone, called="手机")) == "phone"
