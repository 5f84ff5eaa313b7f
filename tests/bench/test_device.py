"""Every device behaves alike: one suite over all implementations. And what is this host's own."""

from __future__ import annotations

import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.host import host_device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.errors import UsageError
from tests.phone.fixtures import (  # noqa: F401
    adb_environment,
    adb_server,
    new_phone,
    phone,
    phone_runner,
)
from tests.phone.phone import Phone

LINUX = platform.system() == "Linux"
SH = ["/bin/sh", "-c"]


@pytest.fixture(params=["host", "phone"])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """Each kind of device, held, so that programs can be run on it."""
    if request.param == "host":
        yield HostDevice()
        return
    request.getfixturevalue("adb_environment")
    attached: Phone = request.getfixturevalue("phone")
    runner: Path = request.getfixturevalue("phone_runner")
    conduct = PhoneOptions(patience_s=20, cool_down_s=0)
    device = AdbDevice(
        Server(address(os.environ)), attached.serial, runner, conduct, lambda _: None
    )
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
    ended = device.run([*SH, f"sleep 60 & echo $! $$ > {pids}; echo half; wait"], timeout_s=1.0)
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


@pytest.mark.skipif(not LINUX, reason="needs core affinity")
class TestCoresOfThisHost:
    """Which cores are chosen, and that the harness keeps off them."""

    allowed = sorted(os.sched_getaffinity(0)) if LINUX else []

    def test_a_core_that_does_not_exist_is_an_error_that_lists_those_that_do(self) -> None:
        with pytest.raises(UsageError, match="core 4095 does not exist") as caught:
            HostDevice().choose_cpus(4095, 1, ())
        assert ", ".join(map(str, self.allowed)) in caught.value.hint

    def test_more_threads_than_cores_are_an_error(self) -> None:
        with pytest.raises(UsageError, match="5000 threads need as many cores"):
            HostDevice().choose_cpus(None, 5000, ())

    def test_the_least_busy_core_is_chosen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        device = _with_cores(monkeypatch, {0: 0.9, 1: 0.31, 2: 0.05, 3: 0.5})
        assert device.choose_cpus(None, 1, ()) == (2,)
        assert device.choose_cpus(None, 2, ()) == (2, 1)

    def test_of_equally_idle_cores_the_highest_is_chosen(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = _with_cores(monkeypatch, {0: 0.0, 1: 0.0, 2: 0.04, 3: 1.0})
        assert device.choose_cpus(None, 1, ()) == (2,)

    def test_of_equally_idle_cores_a_faster_one_is_chosen(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = _with_cores(monkeypatch, {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0})
        monkeypatch.setattr(host_device, "_max_khz", {0: 5000, 1: 5000, 2: 3000, 3: 3000}.get)
        assert device.choose_cpus(None, 1, ()) == (1,)

    def test_a_wanted_core_is_the_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        device = _with_cores(monkeypatch, {0: 0.9, 1: 0.3, 2: 0.0, 3: 0.5})
        assert device.choose_cpus(0, 1, ()) == (0,)
        assert device.choose_cpus(0, 2, ()) == (0, 2)

    def test_earlier_cores_are_kept_while_they_can_be(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        device = _with_cores(monkeypatch, {0: 0.9, 1: 0.3, 2: 0.0, 3: 0.5})
        assert device.choose_cpus(None, 1, (1,)) == (1,)
        assert device.choose_cpus(None, 1, (7,)) == (2,)
        assert device.choose_cpus(3, 1, (1,)) == (3,)

    def test_a_really_busy_core_is_avoided(self) -> None:
        if len(self.allowed) < 2:
            pytest.skip("there is only one core")
        busy = self.allowed[-1]
        spin = f"import os; os.sched_setaffinity(0, {{{busy}}})\nwhile True: pass"
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", spin], os.environ)
        try:
            time.sleep(0.3)
            shares = host_device._busy_shares(0.5)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert shares[busy] > 0.5

    def test_the_harness_keeps_off_the_cores_and_comes_back(self) -> None:
        device = HostDevice()
        with device.held(self.allowed[-1:], []):
            rest = set(self.allowed[:-1]) or set(self.allowed)
            assert os.sched_getaffinity(0) == rest
            # The runner may go there all the same.
            assert device.choose_cpus(self.allowed[-1], 1, ()) == (self.allowed[-1],)
        assert sorted(os.sched_getaffinity(0)) == self.allowed


def test_without_affinity_no_core_is_chosen_and_none_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_device, "_affinity", lambda: None)
    device = HostDevice()
    assert device.choose_cpus(None, 1, ()) == ()
    with pytest.raises(UsageError, match="no core affinity"):
        device.choose_cpus(0, 1, ())
    with device.held((), []):
        pass


def test_a_runner_that_can_not_be_started_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runner").write_text("#!/bin/sh\n")
    for path in (tmp_path / "runner", tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError, match="not an executable program"):
            HostDevice(path)


def test_another_runner_has_another_identity(tmp_path: Path) -> None:
    identities = {HostDevice().runner("mnn").identity, HostDevice().runner("onnxruntime").identity}
    for content in ("#!/bin/sh\n", "#!/bin/sh\ntrue\n"):
        (tmp_path / "runner").write_text(content)
        (tmp_path / "runner").chmod(0o755)
        identities.add(HostDevice(tmp_path / "runner").runner("mnn").identity)
    assert len(identities) == 4


def _with_cores(monkeypatch: pytest.MonkeyPatch, busy: dict[int, float]) -> HostDevice:
    """A host with these cores, that busy."""
    monkeypatch.setattr(host_device, "_affinity", lambda: frozenset(busy))
    monkeypatch.setattr(host_device, "_busy_shares", lambda _seconds: busy)
    monkeypatch.setattr(host_device, "_max_khz", lambda _cpu: None)
    return HostDevice()
