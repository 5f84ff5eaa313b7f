"""A lab on this machine: hosts with adb servers of their own, simulated phones, a scheduler.

``with LabBed(folder, hosts=3, phones=4) as bed`` has everything running. Hosts differ by their adb
server, their home and their cache, and run the real commands. Phones live in this process, so they
survive whatever is killed. Nothing of the bed is left at its end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from asymm_deploy.errors import DeployError
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.lab_address import lab_address
from asymm_deploy.lab.joining.lab_client import lab_client
from asymm_deploy.lab.roster import Roster, roster
from tests.lab import counted_scheduler, runner_program
from tests.lab.renaming_server import RenamingServer
from tests.lab.supervised import Supervised
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, OLD_PHONE, ONEPLUS_7_PRO, PIXEL_4, Profile
from tests.phone.server import AdbServer

if TYPE_CHECKING:
    from distributed import Client

COMMAND = str(Path(sysconfig.get_path("scripts")) / "asymm-deploy")
PROFILES = (PIXEL_4, MI_9, ONEPLUS_7_PRO, OLD_PHONE)
"""Of each host's phones, in this order, and over again."""
NAMES = ("host-a", "host-b", "host-c")
READY_S = 60.0
_CACHE = "cache"


@dataclass
class LabHost:
    """A machine with phones: what its programs see of it, and its agent."""

    name: str
    folder: Path
    temporary: Path
    """Its TMPDIR, with a path that is short enough for sockets."""
    server: AdbServer
    phones: list[Phone] = field(default_factory=list)
    other_serials: dict[str, str] = field(default_factory=dict)
    """What phones are called on this host, by their serial numbers, unless it is those."""
    port: int | None = None
    """Of the adb server that its programs see, unless it is the real one."""
    agent: Supervised = field(init=False)

    def environment(self) -> dict[str, str]:
        """Return the variables of a program on this host."""
        own = {f"XDG_{kind.upper()}_HOME": str(self.folder / kind) for kind in ("data", "config")}
        return {
            **_clean_environment(),
            **self.server.env,
            "ANDROID_ADB_SERVER_PORT": str(self.port or self.server.port),
            **own,
            "XDG_CACHE_HOME": str(self.folder / _CACHE),
            "TMPDIR": str(self.temporary),
        }

    def attach(self) -> None:
        """Plug in all phones: after the adb server was killed, over USB they would be back."""
        for phone in self.phones:
            self.server.connect(phone)

    def lose_power(self) -> None:
        """Kill the agent with all that it started, and the adb server."""
        self.agent.kill_all()
        self.server.kill()

    def get_power(self) -> None:
        """Start adb's server and the agent again."""
        self.server.start()
        self.attach()
        self.agent.start()

    def steal(self, phone: Phone, model: Path, runner: Path, results: Path) -> Supervised:
        """Start a bench of somebody else's on a phone of this host."""
        argv = [COMMAND, "bench", str(model), "--device", phone.serial, "--runner", str(runner)]
        argv += ["--runs", "20", "--launches", "2", "--warmup", "0", "--out", str(results)]
        thief = Supervised(
            [*argv, "--allow", "unverified"], self.environment(), results.with_suffix(".log")
        )
        thief.start()
        return thief

    def cached(self) -> dict[str, int]:
        """Return the files in its cache, each with the number that tells it from a later one."""
        folder = self.folder / _CACHE
        return {
            str(path.relative_to(folder)): path.stat().st_ino
            for path in folder.rglob("*")
            if path.is_file()
        }


class LabBed:
    """The whole lab; ``client`` makes a program that uses it."""

    def __init__(
        self,
        folder: Path,
        *,
        hosts: int = 3,
        phones: int = 4,
        launch_s: float = 1.0,
        files: Certificates | None = None,
        counted: Path | None = None,
        profiles: Sequence[Profile] = PROFILES,
        names: Sequence[str] = NAMES,
        serials: Sequence[str] = (),
    ) -> None:
        """Take an empty folder; with ``files`` for TLS, all have the same certificate.

        ``names`` are the hosts'. ``serials`` are what all phones are called there, one host after
        the other, if it is not what they are. What passes through the scheduler is ``counted``
        into a file.
        """
        self.folder = folder
        self.port = free_port()
        self._files = files
        self.lab_options = [] if files is None else tls_options(files)
        scheme = "tcp" if files is None else "tls"
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        self.runner = make_lab_runner(folder / "runner", launch_s)
        self._stack = ExitStack()
        self._agents: list[Supervised] = []
        (folder / "home").mkdir()
        self.scheduler_temporary = folder / "scheduler-tmp"
        self.scheduler_temporary.mkdir()
        command = [COMMAND]
        if counted is not None:
            command = [sys.executable, counted_scheduler.__file__, str(counted)]
        self.scheduler = Supervised(
            [*command, "lab", "scheduler", "--port", str(self.port), *self.lab_options],
            {**self._environment(), "TMPDIR": str(self.scheduler_temporary)},
            folder / "scheduler.log",
        )
        self.hosts = [self._host(number, name) for number, name in enumerate(names[:hosts])]
        for number, host in enumerate(self.hosts):
            host.phones = [Phone(profiles[which % len(profiles)]) for which in range(phones)]
            real = (phone.serial for phone in host.phones)
            host.other_serials = dict(zip(real, serials[number * phones :], strict=False))

    @property
    def phones(self) -> list[Phone]:
        """All phones of all hosts."""
        return [phone for host in self.hosts for phone in host.phones]

    def called(self, phone: Phone) -> str:
        """Return a phone's serial number as the lab knows it."""
        names = (host.other_serials for host in self.hosts)
        return next((known[phone.serial] for known in names if phone.serial in known), phone.serial)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for host in self.hosts:
                stack.callback(shutil.rmtree, host.temporary, ignore_errors=True)
            for host in self.hosts:
                stack.enter_context(host.server)
                for phone in host.phones:
                    stack.enter_context(phone)
                host.attach()
                if host.other_serials:
                    between = RenamingServer(host.server.port, host.other_serials)
                    host.port = stack.enter_context(between).port
            # Before the adb servers end: an agent would start another in the place of its own.
            stack.callback(self._end_processes)
            self.scheduler.start()
            eventually(self.scheduler_answers, "the scheduler answers")
            for host in self.hosts:
                host.agent = self._agent(host)
                self._agents.append(host.agent)
                host.agent.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()
        assert [host.name for host in self.hosts if host.server.pids()] == []  # of adb servers

    def scheduler_answers(self) -> bool:
        """Whether something listens where the scheduler should."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client(self, argv: Sequence[str], log: Path) -> Supervised:
        """Return a command of a user who is on no host, not yet started."""
        return Supervised([COMMAND, *argv], self._environment(), log)

    def bench(self, models: Sequence[Path], results: Path, *more: str) -> list[str]:
        """Return the arguments of a bench over this lab."""
        argv = ["bench", *map(str, models), "--lab", self.address, *self.lab_options]
        argv += ["--warmup", "0", "--out", str(results)]
        return [*argv, "--allow", "unverified", *more]

    def run(self, *argv: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run a user's command to its end."""
        return subprocess.run(
            [COMMAND, *argv],
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def roster(self) -> Roster:
        """Return who is in the lab now; nobody while there is no scheduler."""
        with suppress(DeployError, OSError), self._asking() as client:
            return roster(client)
        return Roster((), (), ())

    def await_phones(self, count: int | None = None) -> None:
        """Return once so many phones are in the lab, all of them unless told otherwise."""
        wanted = len(self.phones) if count is None else count
        self.await_roster(
            lambda now: [phone.state for phone in now.phones].count("free") == wanted,
            f"{wanted} phones are in the lab, and free",
        )

    def await_roster(self, fits: Callable[[Roster], bool], what: str) -> None:
        """Return once the scheduler says who is in the lab, and it is as it should be."""

        def does_fit() -> bool:
            # One client for all looks: to make one takes longer than the pause between two.
            with suppress(DeployError, OSError), self._asking() as client:
                eventually(lambda: fits(roster(client)), what)
                return True
            return False

        eventually(does_fit, what)

    def _asking(self) -> AbstractContextManager[Client]:
        at = lab_address(self.address, with_certificates=self._files is not None)
        return lab_client(at, self._files)

    def dirty(self) -> list[str]:
        """Return what is wrong with phones that nobody should use now."""
        return [line for phone in self.phones for line in left_on(phone)]

    def overlaps(self) -> list[str]:
        """Return every launch that began while another one ran on its phone."""
        return [
            f"launch {launch.number} on {phone.serial} began during another one"
            for phone in self.phones
            for launch in phone.launches
            if launch.overlaps
        ]

    def _environment(self) -> dict[str, str]:
        home = str(self.folder / "home")
        own = {f"XDG_{kind}_HOME": home for kind in ("DATA", "CONFIG", "CACHE")}
        # A client has no adb server, and can start none at such a port: only hosts touch phones.
        return {**_clean_environment(), **own, "HOME": home, "ANDROID_ADB_SERVER_PORT": "70000"}

    def _host(self, number: int, name: str) -> LabHost:
        folder = self.folder / f"host-{number}"  # a name may be none that a file can have
        folder.mkdir()
        return LabHost(name, folder, Path(tempfile.mkdtemp(prefix="host")), AdbServer())

    def _agent(self, host: LabHost) -> Supervised:
        argv = [COMMAND, "lab", "worker", self.address, "--name", host.name]
        argv += ["--runner", str(self.runner), *self.lab_options]
        return Supervised(argv, host.environment(), host.folder / "agent.log")

    def _end_processes(self) -> None:
        for one in (*self._agents, self.scheduler):
            if one.is_started:
                one.kill_all()


def tls_options(files: Certificates) -> list[str]:
    """Return the options that give certificates to a command."""
    options = ("--tls-ca-file", "--tls-cert", "--tls-key")
    given = zip(options, (files.authority, files.certificate, files.key), strict=True)
    return [word for option, path in given for word in (option, str(path))]


def left_on(phone: Phone) -> list[str]:
    """Return what a lab has left on a phone: a lock, a lit screen, a launch that runs."""
    found = []
    if phone.path("/data/local/tmp/asymm-deploy.lock").exists():
        found.append(f"{phone.serial} is locked")
    if phone.world.setting("stay_on_while_plugged_in") != "0":
        found.append(f"{phone.serial} is kept awake")
    if any(launch.running for launch in phone.launches):
        found.append(f"a launch runs on {phone.serial}")
    return found


def make_lab_runner(path: Path, launch_s: float) -> Path:
    """Write the program that phones get; a launch of it lasts so many seconds."""
    program = Path(runner_program.__file__).read_text(encoding="utf-8")
    program = program.replace("\nLAUNCH_S = 1.0\n", f"\nLAUNCH_S = {launch_s}\n")
    path.write_text(f"#!{sys.executable} -IS\n{program}", encoding="utf-8")
    path.chmod(0o755)
    return path


def make_models(folder: Path, count: int, size: int = 20_000) -> list[Path]:
    """Write files that no engine reads, each of other bytes."""
    folder.mkdir()
    paths = [folder / f"net{number}.mnn" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(f"network {number} ".encode() * (size // 10))
    return paths


def eventually(true: Callable[[], bool], what: str, within_s: float = READY_S) -> None:
    """Wait until something becomes true."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.1)


@contextmanager
def running(process: Supervised) -> Iterator[Supervised]:
    """Have a process run within a block, and nothing of it afterwards."""
    process.start()
    try:
        yield process
    finally:
        process.kill_all()


def _clean_environment() -> dict[str, str]:
    left_out = ("ANDROID_", "ADB_", "XDG_", "DASK_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
