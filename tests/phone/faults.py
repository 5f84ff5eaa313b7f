"""What can go wrong with a phone, on demand: ``phone.faults.add(Killed(launch=1))``.

A fault is removed once it has happened ``times`` times; one that is a state, such as a slow link,
stays until it is removed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.phone import tools
from tests.phone.world import TMP

if TYPE_CHECKING:
    from tests.phone.launches import Launch
    from tests.phone.phone import Phone

GARBAGE = b"\x00\xff\x1b[31m{\x1b]0;owned\x07=HYPERLINK(\x80\n\n\x9b2J"
"""No UTF-8, no JSON, and sequences that would reach a terminal."""


@dataclass(eq=False, kw_only=True)
class Fault:
    """Something that goes wrong."""

    times: int | None = None
    """How often it happens; None: until it is removed."""
    happened: int = 0

    def begin(self, phone: Phone) -> None:
        """Called as it is added."""

    def end(self, phone: Phone) -> None:
        """Called as it is removed."""


class Unauthorized(Fault):
    """The host's key is not accepted until ``phone.authorize()``."""


class Offline(Fault):
    """The phone accepts connections and says nothing."""


@dataclass(eq=False, kw_only=True)
class SlowLink(Fault):
    """Every packet takes this long, in both directions."""

    bytes_per_s: float | None = None
    latency_s: float = 0.0

    def begin(self, phone: Phone) -> None:
        phone.traffic.bytes_per_s, phone.traffic.latency_s = self.bytes_per_s, self.latency_s

    def end(self, phone: Phone) -> None:
        phone.traffic.bytes_per_s, phone.traffic.latency_s = None, 0.0


@dataclass(eq=False, kw_only=True)
class CutPush(Fault):
    """The transport is cut once this many bytes of a file have arrived."""

    times: int | None = 1
    after_bytes: int = 0
    away_s: float = 0.2
    """How long the phone refuses connections."""


@dataclass(eq=False, kw_only=True)
class CutShell(Fault):
    """The transport is cut while a command runs."""

    times: int | None = 1
    containing: str = ""
    """Which command: one with this text in it."""
    after_s: float = 0.1
    away_s: float = 0.2


class Hush(Fault):
    """Nothing gets through any more, and no connection breaks: adbd stopped, or Wi-Fi asleep."""

    def begin(self, phone: Phone) -> None:
        phone.traffic.hushes += 1

    def end(self, phone: Phone) -> None:
        phone.traffic.hushes -= 1


@dataclass(eq=False, kw_only=True)
class HushedShell(Fault):
    """The phone falls silent as a command begins."""

    times: int | None = 1
    containing: str = ""
    for_s: float = 3600.0


@dataclass(eq=False, kw_only=True)
class HushedPush(Fault):
    """The phone falls silent once this many bytes of a file have arrived."""

    times: int | None = 1
    after_bytes: int = 0
    for_s: float = 3600.0


@dataclass(eq=False, kw_only=True)
class DiskFull(Fault):
    """Pushes fail after this many bytes, and the shell writes nothing. ``df`` is not affected."""

    after_bytes: int = 0


class ReadOnlyFolder(Fault):
    """Nothing in /data/local/tmp can be made, changed or removed."""

    def begin(self, phone: Phone) -> None:
        self._modes = {path: path.stat().st_mode for path in _tree(phone.path(TMP))}
        for path, mode in self._modes.items():
            path.chmod(mode & 0o7555)

    def end(self, phone: Phone) -> None:
        for path, mode in self._modes.items():
            if path.exists():
                path.chmod(mode & 0o7777)


@dataclass(eq=False, kw_only=True)
class NoTool(Fault):
    """The shell has no program of this name."""

    name: str

    def begin(self, phone: Phone) -> None:
        self._place = phone.world.bin / self.name
        self._aside = self._place.rename(phone.world.state / f"{self.name}.aside")

    def end(self, phone: Phone) -> None:
        self._aside.rename(self._place)


class ExecDenied(Fault):
    """Nothing in /data/local/tmp can be executed, whatever chmod is told to do."""

    def begin(self, phone: Phone) -> None:
        tools.deny_execution(phone.world.bin)
        for path in _tree(phone.path(TMP)):
            if path.is_file():
                path.chmod(path.stat().st_mode & 0o7666)

    def end(self, phone: Phone) -> None:
        tools.allow_execution(phone.world.bin)


class CarriageReturns(Fault):
    """Every line that a shell prints ends in CRLF."""


@dataclass(eq=False, kw_only=True)
class Noise(Fault):
    """Every shell prints this first, on stdout."""

    text: bytes = b"WARNING: linker: unsupported flags DT_FLAGS_1=0x8000001\n"


# What happens to a launch.


@dataclass(eq=False, kw_only=True)
class LaunchFault(Fault):
    """Something that goes wrong with one launch of the runner."""

    times: int | None = 1
    launch: int | None = None
    """Which one on this phone, counted from 0; None: the next."""
    at: str = "model"
    """When: ``start`` (nothing loaded), ``model`` (before the timed loop), ``looped`` or
    ``samples`` (after it), or ``second`` (of a launch that lasts, before it tells of it)."""
    after_seconds: int = 0
    """With ``second``: how many it has told of before."""

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        """Do the phone's part; return what the runner is ordered to do."""
        return {}


@dataclass(eq=False, kw_only=True)
class Killed(LaunchFault):
    """The runner is killed, as by Android's low-memory killer."""

    signal: int = signal.SIGKILL

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"kill": int(self.signal)}


@dataclass(eq=False, kw_only=True)
class FallsBack(LaunchFault):
    """Operators run on the CPU and not on the back end that was asked for."""

    at: str = "samples"
    operators: int | None = None
    """How many; None: all of them, since the back end's library is not there."""

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"fallen": self.operators}


@dataclass(eq=False, kw_only=True)
class SoftwareDriver(LaunchFault):
    """The back end's driver is made of software: all that runs there, runs on the CPU."""

    at: str = "samples"

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"driver": "SwiftShader Device (Subzero)"}


@dataclass(eq=False, kw_only=True)
class Spoils(LaunchFault):
    """What is computed is one number everywhere, as of a driver that is broken."""

    at: str = "samples"
    value: float

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"spoilt": self.value}


@dataclass(eq=False, kw_only=True)
class Hangs(LaunchFault):
    """The runner stops doing anything."""

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"hang": True}


@dataclass(eq=False, kw_only=True)
class Truncated(LaunchFault):
    """The runner ends in the middle of its samples, with this exit code."""

    at: str = "samples"
    code: int = 0

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"cut": self.code}


@dataclass(eq=False, kw_only=True)
class Garbage(LaunchFault):
    """The runner prints bytes that are no message."""

    content: bytes = GARBAGE

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"garbage": self.content.hex()}


@dataclass(eq=False, kw_only=True)
class WrongPrecision(LaunchFault):
    """The engine computes in another precision than asked."""

    precision: str = "fp16"

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"precision": self.precision}


@dataclass(eq=False, kw_only=True)
class Migrated(LaunchFault):
    """The runner ends on another core than it was pinned to."""

    core: int = 4

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        return {"migrated": self.core}


@dataclass(eq=False, kw_only=True)
class SwappedModel(LaunchFault):
    """The file at the model's path has been replaced by another."""

    at: str = "start"
    content: bytes = b""
    second: bool = False
    """That of the second model, in a launch of two."""

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        place = launch.second_model if self.second else launch.model
        aside = place.with_name(place.name + ".swapped")
        aside.write_bytes(self.content)
        aside.replace(place)
        return {}


@dataclass(eq=False, kw_only=True)
class SwappedFile(LaunchFault):
    """A file of ours is written to, as big as before and with the times of before."""

    pattern: str
    """Which one, below our folder: ``runner-*/libMNN.so``. One that is not there is made."""
    in_place: bool = False

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        files = phone.path(f"{TMP}/asymm-deploy/files")
        parent, _, name = self.pattern.rpartition("/")
        folder = next(files.glob(parent)) if parent else files
        place = next(folder.glob(name), folder / name)
        was = place.stat() if place.exists() else None
        text = place.read_bytes() if was else b"x"
        text = text[:-1] + bytes([text[-1] ^ 42])
        aside = place if self.in_place else place.with_name("aside")
        aside.write_bytes(text)
        if was:
            aside.chmod(was.st_mode)
            os.utime(aside, ns=(was.st_atime_ns, was.st_mtime_ns))
        aside.rename(place)
        return {}


@dataclass(eq=False, kw_only=True)
class Throttles(LaunchFault):
    """The phone gets hot in the timed loop: a lower clock from then on, and a thermal status."""

    policy: int = 7
    khz: int = 1_401_600  # Pixel 4 at a skin of 47 degC
    status: int = 2
    cools_after_s: float | None = None
    """Seconds after the launch's end; None: only by ``World.cool``."""

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        phone.world.cap(self.policy, self.khz)
        phone.world.thermal_status = self.status
        launch.cools_after_s = self.cools_after_s
        return {}


@dataclass(eq=False, kw_only=True)
class Meanwhile(LaunchFault):
    """A test's own doing; the launch goes on only once it is done, however busy this machine is."""

    do: Callable[[], object]

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        self.do()
        return {}


@dataclass(eq=False, kw_only=True)
class CutLaunch(LaunchFault):
    """The transport is cut while the runner runs; the runner goes on."""

    away_s: float = 0.2

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        phone.cut_soon(self.away_s)
        return {}


@dataclass(eq=False, kw_only=True)
class HushedLaunch(LaunchFault):
    """The phone falls silent while the runner runs; the runner goes on."""

    for_s: float = 3600.0

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        phone.hush_soon(self.for_s)
        return {}


@dataclass(eq=False, kw_only=True)
class Reboots(LaunchFault):
    """The phone reboots while the runner runs."""

    away_s: float = 0.3
    boot_s: float = 0.3

    def happen(self, phone: Phone, launch: Launch) -> dict[str, Any]:
        phone.reboot_soon(self.away_s, self.boot_s)
        return {"hang": True}  # until it is killed, in a moment


AnyFault = TypeVar("AnyFault", bound=Fault)


@dataclass
class Faults:
    """Those that a phone has at the moment; safe to change from a test while it works."""

    phone: Phone
    _present: list[Fault] = field(default_factory=list)

    def add(self, fault: AnyFault) -> AnyFault:
        """Have a fault happen from now on; return it, for ``remove``."""
        fault.begin(self.phone)
        self._present.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Remove a fault; does nothing if it is gone already."""
        if fault in self._present:
            self._present.remove(fault)
            fault.end(self.phone)

    def clear(self) -> None:
        for fault in list(self._present):
            self.remove(fault)

    def of(self, kind: type[AnyFault]) -> Iterator[AnyFault]:
        """Yield the faults of one kind, oldest first."""
        return (fault for fault in list(self._present) if isinstance(fault, kind))

    def has(self, kind: type[Fault]) -> bool:
        return any(self.of(kind))

    def happened(self, fault: Fault) -> None:
        """Count that a fault happened, and remove it after the last time."""
        fault.happened += 1
        if fault.times is not None and fault.happened >= fault.times:
            self.remove(fault)


def _tree(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
