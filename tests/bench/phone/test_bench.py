"""A bench on a phone ends in true timings, with the phone's circumstances beside them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from tests.bench.phone.conftest import LAUNCHES, Bench
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, OLD_PHONE, ONEPLUS_7_PRO, Profile
from tests.phone.server import AdbServer


def row_of(results: Path) -> dict[str, str]:
    with (results / "latency.csv").open() as file:
        (row,) = csv.DictReader(file)
    return row


def test_every_launch_is_timed_on_the_prime_core_and_verified(
    bench: Bench, phone: Phone, tmp_path: Path, is_clean: Callable[[Phone], bool]
) -> None:
    ended = bench()
    assert ended.code == 0, ended.err
    assert [record.launch for record in ended.lines] == list(range(LAUNCHES))
    assert {(record.cpu, record.cpu_before, record.cpu_after) for record in ended.lines} == {
        (7, 7, 7)
    }
    assert len({record.output_sha256 for record in ended.lines}) == 1
    assert ended.lines[0].output_error is not None
    assert ended.lines[0].output_error < 1e-4
    facts = ended.lines[0].device_facts
    assert (facts.device, facts.soc, facts.product) == (phone.serial, "SM8150", "Pixel 4")
    assert (facts.cpu_max_khz, facts.cores, facts.abi) == (2_841_600, 8, "arm64-v8a")
    assert facts.os == "Android 13"
    assert [(policy.cores, policy.max_khz) for policy in facts.policies] == [
        ((0, 1, 2, 3), 1_785_600),
        ((4, 5, 6), 2_419_200),
        ((7,), 2_841_600),
    ]
    assert facts.fingerprint == phone.profile.fingerprint
    row = row_of(tmp_path / "results")
    assert (row["device"], row["soc"], row["cpu"]) == (phone.serial, "SM8150", "7")
    assert (row["cpu_max_khz"], row["valid"]) == ("2841600", "true")
    assert float(row["output_error"]) < 1e-4
    assert is_clean(phone)


def test_a_recorded_input_of_whole_numbers_goes_along(
    bench: Bench, phone: Phone, tmp_path: Path, is_clean: Callable[[Phone], bool]
) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (int64[1,6] ids) => (float[1,6,4] y) { y = Gather(table, ids) }"
    )
    table = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(table, "table"))
    onnx.save(model, tmp_path / "tokens of it.onnx")
    ended = bench(str(tmp_path / "tokens of it.onnx"))
    assert ended.code == 0, ended.err
    tokens = [record for record in ended.lines if record.model == "tokens of it"]
    assert len(tokens) == LAUNCHES
    assert tokens[0].output_error == 0.0
    recorded = ended.lines[0].inputs_sha256, tokens[0].inputs_sha256
    assert None not in recorded
    pushed = [service for service in phone.services if service == "sync:"]
    assert len(pushed) == 1 + 2 * len(set(recorded))  # the runner; each model with its input
    assert is_clean(phone)


def test_the_conditions_around_each_launch_are_recorded(bench: Bench, phone: Phone) -> None:
    for record in bench().lines:
        assert record.conditions is not None
        for reading in (record.conditions.before, record.conditions.after):
            assert (reading.battery_percent, reading.battery_c) == (75, 28.0)
            assert (reading.thermal_status, reading.power_save, reading.screen_on) == (
                0,
                False,
                True,
            )
            assert reading.scaling_max_khz == 2_841_600
        assert record.conditions.time_in_state_before is not None
        assert record.conditions.time_in_state_after is not None
        assert record.conditions.share_at_top_clock is not None
        assert record.conditions.share_at_top_clock > 0.5


@pytest.mark.parametrize("profile", [MI_9, ONEPLUS_7_PRO, OLD_PHONE])
def test_other_phones_work_as_well(
    bench: Bench,
    adb_server: AdbServer,
    new_phone: Callable[[Profile], Phone],
    profile: Profile,
) -> None:
    phone = new_phone(profile)
    adb_server.connect(phone)
    ended = bench("--allow", "no-arm64")
    assert ended.code == 0, ended.err
    assert max(map(len, phone.commands)) < 4000  # an adbd from before Android 7 takes no more
    assert len(ended.finished) == LAUNCHES


def test_the_same_command_again_times_nothing(bench: Bench, phone: Phone) -> None:
    assert bench().code == 0
    again = bench()
    assert again.code == 0
    assert len(phone.launches) == LAUNCHES
    assert f"{LAUNCHES} launches were measured before" in again.err


def test_a_core_can_be_asked_for_and_one_that_is_not_there_is_refused(
    bench: Bench, phone: Phone
) -> None:
    assert {record.cpu for record in bench("--cpu", "4").lines} == {4}
    refused = bench("--cpu", "8")
    assert refused.code == 2
    assert "core 8 does not exist on" in refused.err
    assert "0, 1, 2, 3, 4, 5, 6, 7" in refused.err


def test_a_phone_runs_mnn_only(bench: Bench, phone: Phone) -> None:
    refused = bench("--engine", "onnxruntime")
    assert refused.code == 2
    assert "phones run MNN only" in refused.err


def test_a_phone_of_which_nothing_can_be_read_is_timed_and_marked(
    bench: Bench, phone: Phone
) -> None:
    phone.world.denied.update({"thermal", "thermalservice", "battery", "power", "cpufreq"})
    ended = bench()
    assert ended.code == 0, ended.err
    for record in ended.lines:
        assert "unwatched" in record.flags
        assert record.conditions is not None
        assert record.conditions.before.thermal_status is None
        assert record.conditions.before.battery_c is None
        assert record.conditions.before.scaling_max_khz is None


def test_polling_keeps_off_the_timed_core(bench: Bench, phone: Phone) -> None:
    bench()
    polls = [command for command in phone.commands if "sleep 0." in command]
    assert polls
    assert all(command.startswith("taskset -p 7f $$") for command in polls)
