"""A phone on a TCP port of this machine: plays adbd to the real adb.

``with Phone(PIXEL_4) as phone`` starts it in a thread of its own; ``phone.serial`` is what
``adb connect`` takes. Commands really run on this machine, with their paths turned into a folder.
"""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.phone import cores, processes, services, sync, tools, transport
from tests.phone.disk import PhoneDisk
from tests.phone.faults import (
    CarriageReturns,
    CutShell,
    DiskFull,
    Faults,
    HushedShell,
    Noise,
    Offline,
    ReadOnlyFolder,
    Unauthorized,
)
from tests.phone.launches import Launch, LaunchFollower
from tests.phone.machine import bound_socket, folder_in_memory, remove_tree, respect_file_modes
from tests.phone.profiles import PIXEL_4, Profile
from tests.phone.runner import CONTROL
from tests.phone.world import TMP, World

MARK = "ASYMM_PHONE"
"""The environment variable by which a phone knows its processes."""
_MAX_LINE = 2**20
_OLD_MAX_PAYLOAD = 4096


@dataclass
class _State:
    """What only the phone's own thread may touch."""

    connections: set[transport.Connection] = field(default_factory=set)
    programs: set[services.Program] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    present: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Phone:
    """A simulated phone; ``stop`` leaves nothing of it behind."""

    def __init__(self, profile: Profile = PIXEL_4) -> None:
        self.profile = profile
        self.errors: list[BaseException] = []
        """What went wrong in the phone's own code; raised by ``stop``."""
        # Short, as the path of a socket must be; without links, since outputs are searched for it.
        self._folder = Path(tempfile.mkdtemp(prefix="phone-", dir=folder_in_memory())).resolve()
        self._mark = uuid.uuid4().hex
        self.world = World(profile, self._folder)
        self.traffic = transport.Traffic()
        self.faults = Faults(self)
        self.services: list[str] = []
        """Every service that was requested, in order."""
        self.launches: list[Launch] = []
        self._socket, self.port = bound_socket()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"phone {self.port}")
        self._cores = cores.real_cores()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def commands(self) -> list[str]:
        """Every command that a shell was asked to run, in order."""
        shells = (services.shell_of(name, self.profile.features) for name in self.services)
        return [shell.command for shell in shells if shell is not None]

    def path(self, path: str) -> Path:
        """Return where a file of the phone's lies on this machine."""
        return self.world.root / path.lstrip("/")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Switch it on."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Switch it off: connections, processes, thread and files."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._own.over.set)
            self._thread.join()
        self._socket.close()
        remove_tree(self._folder)
        if self.errors:
            raise self.errors[0]

    def cut(self, away_s: float = 0.0) -> None:
        """Cut every transport, and refuse new ones for a while."""
        self._ask(self._cut(away_s))

    def reboot(self, away_s: float = 0.3, boot_s: float = 0.3) -> None:
        """Kill everything and come back with another boot_id; return when connections are cut."""
        self._ask(self._reboot(away_s, boot_s))

    def authorize(self) -> None:
        """Tap "allow" on the phone's screen."""
        for fault in self.faults.of(Unauthorized):
            self.faults.remove(fault)

        async def authorize() -> None:
            for connection in self._own.connections:
                await connection.greet()

        self._ask(authorize())

    def processes(self) -> list[int]:
        """Return the numbers of the phone's processes."""
        return processes.marked(MARK, self._mark)

    def cut_soon(self, away_s: float) -> None:
        """Cut, from the phone's own thread."""
        self._spawn(self._cut(away_s))

    def hush_soon(self, for_s: float) -> None:
        """Fall silent for a while, from the phone's own thread: as an adbd that is stopped."""
        self._spawn(self._hush(for_s))

    def reboot_soon(self, away_s: float, boot_s: float) -> None:
        """Reboot, from the phone's own thread."""
        self._spawn(self._reboot(away_s, boot_s))

    # The thread.

    def _live(self) -> None:
        respect_file_modes()
        cores.leave_prime(self._cores)
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own = own = _State()
        follower = LaunchFollower(self, self._cores, self._spawn)
        control = await asyncio.start_unix_server(
            follower.follow, self._folder / "control", limit=_MAX_LINE
        )
        own.present.set()
        self._socket.listen()
        self._spawn(self._accept())
        self._ready.set()
        await own.over.wait()
        control.close()
        processes.kill(self.processes)
        for connection in list(own.connections):
            connection.cut()
        for task in own.tasks:
            task.cancel()
        await asyncio.gather(*own.tasks, return_exceptions=True)
        processes.kill(self.processes)
        for program in list(own.programs):
            await program.exited.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._own.tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._own.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.errors.append(error)

    def _ask(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _accept(self) -> None:
        while True:
            await self._own.present.wait()
            try:
                peer, _address = await self._loop.sock_accept(self._socket)
            except OSError:  # it has just been cut
                await asyncio.sleep(0.001)
                continue
            # Otherwise each exchange takes 40 ms; asyncio doesn't recognise this as TCP.
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._connect(peer))

    async def _connect(self, peer: socket.socket) -> None:
        reader = asyncio.StreamReader(limit=2 * transport.MAX_PAYLOAD)
        protocol = asyncio.StreamReaderProtocol(reader)
        end, _protocol = await self._loop.connect_accepted_socket(lambda: protocol, peer)
        writer = asyncio.StreamWriter(end, protocol, reader, self._loop)
        connection = transport.Connection(
            reader, writer, self._greeting(), self._serve, self.traffic
        )
        self._own.connections.add(connection)
        try:
            await connection.run()
        finally:
            self._own.connections.discard(connection)

    def _greeting(self) -> transport.Greeting:
        profile = self.profile
        old = not profile.features
        props = (
            f"ro.product.name={profile.product};ro.product.model={profile.model};"
            f"ro.product.device={profile.device};"
        )
        listed = f"features={','.join(sorted(profile.features))}" if profile.features else ""
        return transport.Greeting(
            banner=f"device::{props}{listed}",
            version=transport.VERSION_WITH_CHECKSUMS if old else transport.VERSION,
            max_payload=_OLD_MAX_PAYLOAD if old else transport.MAX_PAYLOAD,
            knows=lambda name: (
                name == "sync:" or services.shell_of(name, profile.features) is not None
            ),
            authorized=lambda: not self.faults.has(Unauthorized),
            silent=lambda: self.faults.has(Offline),
        )

    async def _cut(self, away_s: float) -> None:
        if away_s and self._own.present.is_set():
            self._own.present.clear()
            # Linux: the socket stays bound, and refuses until it listens again.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._spawn(self._return(away_s))
        for connection in list(self._own.connections):
            connection.cut()

    async def _hush(self, for_s: float) -> None:
        self.traffic.hushes += 1
        try:
            await asyncio.sleep(for_s)
        finally:
            self.traffic.hushes -= 1

    async def _return(self, away_s: float) -> None:
        await asyncio.sleep(away_s)
        self._socket.listen()
        self._own.present.set()

    async def _reboot(self, away_s: float, boot_s: float) -> None:
        await self._cut(away_s)
        processes.kill(self.processes)
        self.world.boot()
        self.world.boot_completed = False

        async def boot() -> None:
            await asyncio.sleep(away_s + boot_s)
            self.world.boot_completed = True

        self._spawn(boot())

    # Services.

    async def _serve(self, name: str, stream: transport.Stream) -> None:
        self.services.append(name)
        try:
            if name == "sync:":
                await sync.serve(stream, PhoneDisk(self).for_push(), self.profile.features)
            elif shell := services.shell_of(name, self.profile.features):
                await self._run(shell, stream)
        except transport.ClosedError:
            pass
        except Exception as error:
            self.errors.append(error)

    async def _run(self, shell: services.Shell, stream: transport.Stream) -> None:
        self.world.show()
        self.world.unseen_s = 0.0
        text = self.world.inward(shell.command)
        if text and self.faults.has(DiskFull):
            # A limit of 0 bytes fails every write to a file, and no other; see _edit.
            text = f"trap '' XFSZ; ulimit -f 0; {text}"
        program = await services.start(
            text, shell, program=tools.shell(), env=self._environment(), cwd=self.world.root
        )
        self._own.programs.add(program)
        self._spawn(self._forget(program))
        for fault in self.faults.of(CutShell):
            if fault.containing in shell.command:
                self.faults.happened(fault)
                self._spawn(self._later(fault.after_s, fault.away_s))
                break
        for hush in self.faults.of(HushedShell):
            if hush.containing in shell.command:
                self.faults.happened(hush)
                self.hush_soon(hush.for_s)
                break
        for noise in self.faults.of(Noise):
            await services.say(stream, shell, noise.text)
        await services.converse(program, stream, shell, self.world.root, self._edit)

    async def _later(self, after_s: float, away_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._cut(away_s)

    async def _forget(self, program: services.Program) -> None:
        await program.exited.wait()
        self._own.programs.discard(program)

    def _edit(self, data: bytes) -> bytes:
        """Change what a shell prints, where a fault wants that."""
        if self.faults.has(DiskFull):
            for said in (b"File too large", b"echo: I/O error"):  # dash says no more than that
                data = data.replace(said, b"No space left on device")
        if self.faults.has(ReadOnlyFolder):
            data = data.replace(b"Permission denied", b"Read-only file system")
        if self.faults.has(CarriageReturns):
            data = data.replace(b"\n", b"\r\n")
        return data

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": str(self.world.bin),
            "HOME": "/",
            "SHELL": "/system/bin/sh",
            "USER": "shell",
            "TMPDIR": str(self.path(TMP)),
            "ANDROID_ROOT": "/system",
            "ANDROID_DATA": "/data",
            MARK: self._mark,
            CONTROL: str(self._folder / "control"),
        }
