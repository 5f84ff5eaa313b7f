"""The host as a device: its facts, the cores that are chosen and kept free, and its runner."""

from __future__ import annotations

import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asymm_deploy.bench.host import host_device
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.errors import UsageError

LINUX = platform.system() == "Linux"


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


def test_a_host_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_device, "_max_khz", {3: 4_200_000}.get)
    facts = HostDevice().facts((3, 4))
    assert (facts.device, facts.abi) == (platform.node(), platform.machine())
    assert facts.cores == os.cpu_count()
    assert facts.cpu_max_khz == 4_200_000
    assert facts.os.startswith(platform.system())
    assert HostDevice().facts(()).cpu_max_khz is None
    assert facts.policies == ()


def test_a_host_without_a_name_is_called_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "")
    assert HostDevice().facts(()).device == "host"


CPUINFO = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Some Chip @ 2.80GHz\n\n"
STAT = """\
cpu  1000 0 0 9000 0 0 0 0 0 0
cpu0 100 20 30 700 50 1 2 3 90 0
cpu1 200 0 0 800 0 0 0 0 0 0
intr 12345 0 0
"""


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the kernel's files hold, by path; those that are not listed do not exist."""
    held: dict[str, str] = {}

    def read_text(path: Path, *_: object, **__: object) -> str:
        if str(path) not in held:
            raise FileNotFoundError(2, "No such file or directory")
        return held[str(path)]

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    return held


def test_the_chip_is_the_processors_model_name(files: dict[str, str]) -> None:
    files["/proc/cpuinfo"] = CPUINFO
    assert host_device._processor() == "Some Chip @ 2.80GHz"
    files["/proc/cpuinfo"] = "processor\t: 0\nCPU part\t: 0xd0c\n"  # ARM names none
    assert host_device._processor() is None
    del files["/proc/cpuinfo"]
    assert host_device._processor() is None


def test_macos_is_asked_for_its_chip(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Apple M9\n"

    def run(argv: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert argv[1:] == ["-n", "machdep.cpu.brand_string"]
        return subprocess.CompletedProcess(argv, 0, said)

    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(subprocess, "run", run)
    assert host_device._processor() == "Apple M9"
    said = "\n"
    assert host_device._processor() is None
    assert HostDevice().choose_cpus(None, 2, ()) == ()


def test_a_clock_that_is_hidden_is_unknown(files: dict[str, str]) -> None:
    path = "/sys/devices/system/cpu/cpu5/cpufreq/cpuinfo_max_freq"
    assert host_device._max_khz(5) is None
    files[path] = "<unknown>\n"
    assert host_device._max_khz(5) is None
    files[path] = "4200000\n"
    assert host_device._max_khz(5) == 4_200_000


def test_idle_and_waiting_for_a_disk_are_not_busy(files: dict[str, str]) -> None:
    files["/proc/stat"] = STAT
    assert host_device._ticks() == {0: (156, 906), 1: (200, 1000)}
    del files["/proc/stat"]
    assert host_device._ticks() == {}


def test_a_share_is_that_of_the_time_it_was_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = iter([{0: (100, 1000), 1: (7, 70)}, {0: (105, 1020), 1: (7, 70), 2: (30, 40)}])
    monkeypatch.setattr(host_device, "_ticks", lambda: next(seen))
    assert host_device._busy_shares(0.0) == {0: 0.25, 1: 0.0, 2: 0.75}


def test_a_wanted_core_of_an_earlier_bench_keeps_all_of_its_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = _with_cores(monkeypatch, {0: 0.9, 1: 0.3, 2: 0.0, 3: 0.5})
    assert device.choose_cpus(1, 2, (1, 0)) == (1, 0)
    assert device.choose_cpus(0, 2, (1, 0)) == (0, 2)
    assert device.choose_cpus(None, 1, (1, 0)) == (2,)  # there were two threads


def test_where_every_core_is_needed_none_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    device = _with_cores(monkeypatch, {0: 0.9, 1: 0.3})
    monkeypatch.setattr(host_device, "_busy_shares", pytest.fail)
    assert device.choose_cpus(None, 2, ()) == (1, 0)


@pytest.mark.skipif(not LINUX, reason="needs core affinity")
def test_the_harness_comes_back_when_something_fails_meanwhile() -> None:
    before = os.sched_getaffinity(0)
    with pytest.raises(ZeroDivisionError), HostDevice().held((max(before),), []):
        raise ZeroDivisionError
    assert os.sched_getaffinity(0) == before


def test_our_runner_names_engine_and_versions_and_ends_with_us() -> None:
    runner = HostDevice().runner("mnn")
    assert runner.command[:4] == (sys.executable, "-I", "-m", "asymm_deploy.bench.runner")
    assert runner.command[4:] == ("--die-with", str(os.getpid()))
    assert runner.identity.startswith("mnn ")
    assert " by python " in runner.identity


def test_a_runner_that_was_given_is_started_by_its_full_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runner").write_text("#!/bin/sh\n")
    (tmp_path / "runner").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    runner = HostDevice(Path("runner")).runner("mnn")
    assert runner.command == (str(tmp_path / "runner"), "--die-with", str(os.getpid()))


def test_a_file_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.mnn").touch()
    monkeypatch.chdir(tmp_path)
    assert HostDevice().put(Path("model.mnn")) == str(tmp_path / "model.mnn")


def test_a_host_never_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", pytest.fail)
    HostDevice().cool_down(is_hot=True)
    HostDevice().cool_down(is_hot=False)


def test_what_a_program_says_just_before_its_end_is_read_however_late_we_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, go = HostDevice(), tmp_path / "go"

    class Late(selectors.DefaultSelector):
        """The first time it finds nothing, and comes back once the program has ended."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if go.exists():
                return super().select(timeout)
            go.touch()
            (process,) = device._running
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return []

    monkeypatch.setattr(selectors, "DefaultSelector", Late)
    script = f"while [ ! -e '{go}' ]; do sleep 0.01; done; echo out"
    ended = device.run(["/bin/sh", "-c", script], timeout_s=30)
    assert (ended.stdout, ended.returncode, ended.timed_out) == (b"out\n", 0, False)
