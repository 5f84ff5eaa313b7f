"""Every device behaves alike: one suite over all implementations."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Device, Tell
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.lab.client.lab_device import LabDevice
from asymm_deploy.lab.client.leased_phone import LeasedPhone
from tests.lab.client.conftest import FakeLab, dask_cluster, lab  # noqa: F401
from tests.phone.fixtures import (  # noqa: F401
    adb_environment,
    adb_server,
    kept_server,
    new_phone,
    phone,
    phone_runner,
)
from tests.phone.phone import Phone

SH = ["/bin/sh", "-c"]


@pytest.fixture(params=["host", "phone", "lab"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each kind of device, held, so that programs can be run on it."""
    if request.param == "host":
        yield HostDevice()
        return
    request.getfixturevalue("adb_environment")
    attached: Phone = request.getfixturevalue("phone")
    runner: Path = request.getfixturevalue("phone_runner")
    options = PhoneOptions(patience_s=20, cool_down_s=0)

    def phone_over_adb(options: PhoneOptions, tell: Tell) -> Device:
        return AdbDevice(Server(address(os.environ)), attached.serial, runner, options, tell)

    device = phone_over_adb(options, lambda _: None)
    if request.param == "lab":
        lab: FakeLab = request.getfixturevalue("lab")
        place = lab.lend(attached.serial, phone_over_adb)
        device = LabDevice(LeasedPhone(lab.calls, place, options, "me"))
    with device.held(device.choose_cpus(None, 1, ()), []):
        yield device


def test_it_knows_itself(device: Device) -> None:
    facts = device.facts(())
    assert facts.device
    assert facts.abi
    assert facts.cores >= 1


def test_both_streams_and_the_code_come_back_apart(device: Device) -> None:
    ended = device.run([*SH, "echo out; echo err >&2; exit 7"], timeout_s=10)
    assert (ended.stdout, ended.stderr, ended.returncode) == (b"out\n", b"err\n", 7)
    assert not ended.timed_out
    assert not ended.flooded


def test_a_signal_is_a_negative_code(device: Device) -> None:
    assert device.run([*SH, "kill -9 $$"], timeout_s=10).returncode == -signal.SIGKILL


def test_a_program_that_is_not_there_ends_with_127(device: Device) -> None:
    ended = device.run(["/no/such/program"], timeout_s=10)
    assert ended.returncode == 127
    assert b"/no/such/program" in ended.stderr


def test_arguments_arrive_as_they_are(device: Device) -> None:
    wild = ["a b", "$(id)", ";", "'\"", "é\n*"]
    ended = device.run(["/usr/bin/printf", "%s|", *wild], timeout_s=10)
    assert ended.stdout.decode() == "".join(f"{word}|" for word in wild)


def test_a_program_that_hangs_is_killed_with_all_it_started(device: Device, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    for timeout_s in (1.0, 10.0, 60.0):  # a busy machine may need longer to get that far
        ended = device.run(
            [*SH, f"sleep 60 & echo $! $$ > {pids}; echo half; wait"], timeout_s=timeout_s
        )
        if ended.stdout:
            break
    assert ended.timed_out
    assert ended.stdout == b"half\n"
    assert not any(_alive(int(pid)) for pid in pids.read_text().split())


def test_a_grandchild_that_keeps_the_streams_open_does_not_keep_us(
    device: Device, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    ended = device.run([*SH, f"sleep 60 & echo $! > {pid}; echo done"], timeout_s=30)
    assert (ended.stdout, ended.returncode, ended.timed_out) == (b"done\n", 0, False)
    assert not _alive(int(pid.read_text()))


def test_a_program_that_closes_its_streams_and_hangs_is_killed(device: Device) -> None:
    assert device.run([*SH, "exec >&- 2>&-; sleep 60"], timeout_s=1.0).timed_out


def test_a_flood_is_stopped(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", 2**20)
    ended = device.run(["/usr/bin/yes"], timeout_s=30)
    assert ended.flooded
    assert not ended.timed_out


def test_of_a_long_stderr_the_end_is_kept(device: Device) -> None:
    script = "import sys; sys.stderr.write('x' * 10**6 + 'end')"
    ended = device.run([sys.executable, "-c", script], timeout_s=30)
    assert len(ended.stderr) <= 2**16
    assert ended.stderr.endswith(b"end")


def test_a_file_that_was_put_is_the_same_file(device: Device, tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"model")
    there = device.put(tmp_path / "a b")
    assert device.run(["/bin/cat", there], timeout_s=10).stdout == b"model"


def test_its_runner_says_hello(device: Device) -> None:
    runner = device.runner("mnn")
    request = wire.request(
        model="/no/such/model",
        engine="mnn",
        runs=1,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=(),
        output_values=False,
    )
    ended = device.run([*runner.command, *request], timeout_s=60)
    with pytest.raises(wire.RunnerError, match="can't read the model: No such file"):
        wire.parse_stream(ended.stdout)


def _alive(pid: int) -> bool:
    """Whether the process runs; it may take the kernel a moment to end it."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.02)
    return True
