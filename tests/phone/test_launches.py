"""The pushed runner runs for real on the phone, and goes wrong where it is ordered to."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import onnx
import onnx.parser
import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.paired import pair_stream
from tests.made_networks import mnn_of
from tests.phone.conftest import Attached, eventually
from tests.phone.faults import (
    CutLaunch,
    Garbage,
    Hangs,
    Killed,
    LaunchFault,
    Migrated,
    Reboots,
    SwappedModel,
    Throttles,
    Truncated,
    WrongPrecision,
)
from tests.phone.runner_program import _set_times_of_pairs

BASE = "/data/local/tmp/asymm-deploy"
GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
pooled (float[1,8,32,32] image) => (float[1,8,1,1] mean)
{ mean = GlobalAveragePool(image) }
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooled")
    onnx.save(onnx.parser.parse_model(GRAPH), folder / "model.onnx")
    return mnn_of(folder / "model.onnx")


def request(model: str, cpu: int = 7) -> list[str]:
    return wire.request(
        model=model, engine="mnn", runs=6, warmup=1, threads=1, precision="fp32",
        cpus=(cpu,), inputs=(), output_values=False,
    )  # fmt: skip


@pytest.fixture
def ready(attached: Attached, phone_runner: Path, model: Path) -> Attached:
    """The runner and a model are on the phone."""
    for source, name in ((phone_runner, "runner"), (model, "model")):
        assert attached.adb("push", str(source), f"{BASE}/{name}").returncode == 0
    return attached


def launch(ready: Attached, cpu: int = 7) -> subprocess.CompletedProcess[bytes]:
    return ready.shell(f"{BASE}/runner {' '.join(request(f'{BASE}/model', cpu))}")


def started(ready: Attached) -> None:
    """Launch detached."""
    command = f"{BASE}/runner {' '.join(request(f'{BASE}/model'))}"
    ready.text(
        f"setsid nohup sh -c '{command} >{BASE}/out 2>{BASE}/err; echo $? >{BASE}/code' "
        ">/dev/null 2>&1 </dev/null &"
    )


def test_a_launch_is_what_the_hosts_runner_reports_but_for_core_and_abi(
    ready: Attached, model: Path
) -> None:
    here = subprocess.run(
        [sys.executable, "-I", "-m", "asymm_deploy.bench.runner",
         *request(str(model), min(os.sched_getaffinity(0)))],
        capture_output=True, check=True,
    )  # fmt: skip
    expected = wire.parse_stream(here.stdout)
    for cpu in (7, 4, 0):
        done = launch(ready, cpu)
        assert done.returncode == 0, done
        report = wire.parse_stream(done.stdout)
        assert report.output == expected.output
        assert report.model.sha256 == expected.model.sha256
        assert report.hello.abi == "arm64-v8a"
        assert (report.cpu.asked, report.cpu.before, report.cpu.after) == ((cpu,), cpu, cpu)
    assert [launch.cores for launch in ready.phone.launches] == [(7,), (4,), (0,)]


def test_a_core_that_the_phone_has_not_is_refused(ready: Attached) -> None:
    done = launch(ready, 8)
    assert done.returncode == 3
    with pytest.raises(wire.RunnerError, match="can't pin to core 8: Invalid argument"):
        wire.parse_stream(done.stdout)


def test_the_prime_core_is_at_its_top_just_while_a_launch_runs(ready: Attached) -> None:
    clock = "/sys/devices/system/cpu/cpufreq/policy7"
    said = ready.shell(
        f"tail -n1 {clock}/stats/time_in_state; "
        f"{BASE}/runner {' '.join(request(f'{BASE}/model'))} >/dev/null; "
        f"tail -n1 {clock}/stats/time_in_state; cat {clock}/scaling_cur_freq"
    )
    before, after, now = said.stdout.splitlines()
    assert int(after.split()[1]) > int(before.split()[1])
    assert now == b"825600"


@pytest.mark.parametrize(
    ("fault", "code", "reason"),
    [
        (Killed(), 137, "stopped before 'cpu'"),
        (Killed(at="start"), 137, "stopped before 'hello'"),
        (Truncated(), 0, "stopped in the middle of a line"),
        (Garbage(), 0, "no valid 'model'"),
        (SwappedModel(content=b"no model"), 3, "can't load the model"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, LaunchFault) else "",
)
def test_a_launch_that_ends_badly_is_no_result_and_the_next_is(
    ready: Attached, model: Path, fault: LaunchFault, code: int, reason: str
) -> None:
    ready.phone.faults.add(fault)
    done = launch(ready)
    assert done.returncode == code
    with pytest.raises(wire.WireError, match=reason):
        wire.parse_stream(done.stdout)
    ready.adb("push", str(model), f"{BASE}/model")
    wire.parse_stream(launch(ready).stdout)


def test_a_fault_waits_for_its_launch(ready: Attached) -> None:
    ready.phone.faults.add(WrongPrecision(launch=1))
    precisions = [wire.parse_stream(launch(ready).stdout).model.precision for _ in range(3)]
    assert precisions == ["fp32", "fp16", "fp32"]


def test_a_launch_may_end_on_another_core(ready: Attached) -> None:
    ready.phone.faults.add(Migrated(core=4))
    cpu = wire.parse_stream(launch(ready).stdout).cpu
    assert (cpu.before, cpu.after) == (7, 4)


def test_throttling_slows_the_second_half_and_shows_until_it_has_cooled(ready: Attached) -> None:
    show = (
        "cat /sys/devices/system/cpu/cpufreq/policy7/scaling_max_freq; "
        "dumpsys thermalservice | grep Status:"
    )

    def throttled(fault: Throttles) -> None:
        ready.phone.faults.add(fault)
        report = wire.parse_stream(launch(ready).stdout)
        calibration = report.calibration
        assert calibration.after_mac_per_s < 0.75 * calibration.before_mac_per_s
        assert sum(report.samples.ns) <= report.samples.wall_ns

    throttled(Throttles(khz=1_401_600))
    assert ready.text(show) == "1401600\nThermal Status: 2\n"
    ready.phone.world.cool()
    assert ready.text(show) == "2841600\nThermal Status: 0\n"
    throttled(Throttles(khz=1_401_600, cools_after_s=0.1))
    assert eventually(lambda: ready.text(show) == "2841600\nThermal Status: 0\n")


@pytest.fixture
def two(ready: Attached, tmp_path: Path, model: Path) -> tuple[str, ...]:
    """Another model on the phone, and the arguments that time both in turns."""
    (tmp_path / "other").write_bytes(model.read_bytes() + b"\0")
    assert ready.adb("push", str(tmp_path / "other"), f"{BASE}/other").returncode == 0
    return ("--second-model", f"{BASE}/other")


def launch_both(ready: Attached, two: tuple[str, ...], *more: str) -> bytes:
    words = [*request(f"{BASE}/model"), *two, *more]
    return ready.shell(f"{BASE}/runner {' '.join(words)}").stdout


@pytest.mark.parametrize("starts", ["first", "second"])
def test_of_two_models_both_are_hashed_and_timed_in_turns(
    ready: Attached, two: tuple[str, ...], model: Path, starts: str
) -> None:
    report = pair_stream.parse_pair_stream(launch_both(ready, two, "--starts", starts))
    content = model.read_bytes()
    assert report.first.model.sha256 == hashlib.sha256(content).hexdigest()
    assert report.second.model.sha256 == hashlib.sha256(content + b"\0").hexdigest()
    assert report.first.output == report.second.output
    assert report.first.hello.abi == "arm64-v8a"
    assert report.first.cpu == wire.Cpu(asked=(7,), before=7, after=7)
    assert take_turns(report, starts)
    (seen,) = ready.phone.launches
    assert (seen.model.name, seen.second_model.name) == ("model", "other")


def take_turns(report: pair_stream.PairReport, starts: str) -> bool:
    """Whether each run began after the one before it, within the loop."""
    pairs = report.pairs
    sides = [pairs.first, pairs.second]
    if starts == "second":
        sides.reverse()
    free_ns = 0
    for index in range(len(pairs.first.ns)):
        for side in sides:
            if side.start_ns[index] < free_ns:
                return False
            free_ns = side.start_ns[index] + side.ns[index]
    return free_ns <= pairs.wall_ns


@pytest.mark.parametrize("starts", ["first", "second"])
def test_throttling_in_mid_launch_slows_both_of_a_pair_alike(
    ready: Attached, two: tuple[str, ...], starts: str
) -> None:
    runs = ("--runs", "60", "--starts", starts)
    ready.phone.faults.add(Throttles(khz=825_600))  # of 2841600
    report = pair_stream.parse_pair_stream(launch_both(ready, two, *runs))
    calibration = report.first.calibration
    assert calibration.after_mac_per_s < 0.5 * calibration.before_mac_per_s
    assert take_turns(report, starts)
    for turns in (report.pairs.first, report.pairs.second):
        assert turns.cpu_ns is not None
        for each in (turns.ns, turns.cpu_ns):
            assert median(each[30:]) > 1.5 * median(each[:30])
    assert sum(report.pairs.first.cpu_ns or ()) <= report.pairs.cpu_ns


def test_times_are_the_phones_and_those_of_two_launches_differ_a_little(ready: Attached) -> None:
    first, second = (wire.parse_stream(launch(ready).stdout) for _ in range(2))
    assert first.calibration == second.calibration
    assert first.calibration.before_mac_per_s == first.calibration.after_mac_per_s
    samples = [*first.samples.ns, *second.samples.ns]
    assert len(set(samples)) > 1
    assert max(samples) < 1.01 * min(samples)
    assert first.samples.ns != second.samples.ns
    for report in (first, second):
        assert sum(report.samples.ns) < report.samples.wall_ns == report.samples.cpu_ns
        assert (report.samples.waited_ns, report.samples.steal_ns) == (0, 0)


def test_a_lower_clock_lengthens_all_runs_after_it_of_a_pair_and_keeps_their_turns() -> None:
    pairs: dict[str, Any] = {
        "first": {"ns": [7, 7], "cpu_ns": [7, 7], "start_ns": [300, 710]},
        "second": {"ns": [7, 7], "cpu_ns": [7, 7], "start_ns": [0, 405]},
    }
    _set_times_of_pairs(pairs, (0.5, 0.25), lambda: 100)
    assert pairs == {
        "first": {"ns": [200, 400], "cpu_ns": [200, 400], "start_ns": [700, 2300]},
        "second": {"ns": [200, 400], "cpu_ns": [200, 400], "start_ns": [0, 1400]},
        "wall_ns": 3200,
        "cpu_ns": 3200,
        "waited_ns": 0,
        "steal_ns": 0,
    }


def test_a_fault_of_one_launch_is_one_of_both_its_models(
    ready: Attached, two: tuple[str, ...]
) -> None:
    ready.phone.faults.add(WrongPrecision())
    report = pair_stream.parse_pair_stream(launch_both(ready, two))
    assert (report.first.model.precision, report.second.model.precision) == ("fp16", "fp16")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Killed(), "stopped before 'model'"),
        (Truncated(), "stopped in the middle of a line"),
        (Garbage(), "no valid 'model'"),
        (SwappedModel(content=b"no model"), "the first model: MNN can't load the model"),
        (
            SwappedModel(content=b"no model", second=True),
            "the second model: MNN can't load the model",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, LaunchFault) else "",
)
def test_a_launch_of_two_that_ends_badly_is_no_result(
    ready: Attached, two: tuple[str, ...], fault: LaunchFault, reason: str
) -> None:
    ready.phone.faults.add(fault)
    with pytest.raises(wire.WireError, match=reason):
        pair_stream.parse_pair_stream(launch_both(ready, two))


def test_a_cap_from_the_start_slows_all_of_a_launch(ready: Attached) -> None:
    free = wire.parse_stream(launch(ready).stdout).calibration
    ready.phone.world.cap(7, 825_600)
    capped = wire.parse_stream(launch(ready).stdout).calibration
    assert capped.before_mac_per_s < 0.7 * free.before_mac_per_s
    assert capped.after_mac_per_s < 0.7 * free.after_mac_per_s


def test_a_runner_that_hangs_does_so_until_it_is_killed(ready: Attached) -> None:
    ready.phone.faults.add(Hangs())
    started(ready)
    assert eventually(lambda: bool(ready.phone.launches))
    pid = ready.phone.launches[0].pid
    assert ready.phone.launches[0].running
    ready.text(f"kill -9 {pid}")
    code = ready.phone.path(f"{BASE}/code")
    assert eventually(lambda: code.exists() and code.read_text() == "137\n")


def test_a_launch_goes_on_while_the_phone_is_away(ready: Attached) -> None:
    ready.phone.faults.add(CutLaunch(away_s=0.3))
    started(ready)
    code = ready.phone.path(f"{BASE}/code")
    assert eventually(lambda: code.exists() and code.read_text() == "0\n")
    wire.parse_stream(ready.phone.path(f"{BASE}/out").read_bytes())
    assert ready.phone.launches[0].running is False


def test_a_reboot_ends_a_launch_without_a_code(ready: Attached) -> None:
    boot_id = ready.phone.world.boot_id
    ready.phone.faults.add(Reboots(away_s=0.05, boot_s=0.0))
    started(ready)
    assert eventually(lambda: ready.phone.world.boot_id != boot_id)
    assert eventually(lambda: not ready.phone.processes())
    assert not ready.phone.path(f"{BASE}/code").exists()
