"""Phones that can't be timed, or go wrong while they are: each says what it is and what to try."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.phone import lock
from tests.made_networks import made_network
from tests.phone import faults
from tests.phone.fixtures import missing
from tests.phone.phone import Phone
from tests.phone.profiles import MI_9, PIXEL_4
from tests.phone.runner import make_runner
from tests.phone.server import AdbServer

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
tiny (float[1,3,8,8] x) => (float[1,8,8,8] y)
{
  y = Conv<pads=[1,1,1,1]>(x, weight)
}
"""
NOISE = ("bimodal", "launch-spread", "stolen-time", "throttled", "capped-clock")
"""Of this machine; flags that a row is about are not allowed in it."""


@pytest.fixture(scope="module")
def server() -> Iterator[AdbServer]:
    """A real adb server for all rows."""
    if reason := missing():
        pytest.skip(reason)
    with AdbServer() as started:
        yield started


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.mnn and the runner to push."""
    folder = tmp_path_factory.mktemp("made")
    made_network(GRAPH, folder / "tiny.onnx")
    make_runner(folder / "runner")
    return folder


@dataclass
class Scene:
    """What a row may spoil before the command."""

    server: AdbServer
    phone: Phone
    folder: Path
    """The current one, empty."""
    patch: pytest.MonkeyPatch
    more: Callable[[], Phone]
    """Attaches a second phone."""


Spoil = Callable[[Scene], object]


@dataclass(frozen=True)
class Row:
    """What is wrong, and what the bench must then say; ``{serial}`` stands for the phone's."""

    name: str
    spoil: Spoil
    names: tuple[str, ...]
    options: tuple[str, ...] = ()
    device: str = "auto"
    code: int = 3
    in_its_row: bool = False
    strict: tuple[str, ...] = ()
    """Of NOISE: what the row is about."""


def world(**state: Any) -> Spoil:
    def spoil(scene: Scene) -> None:
        for name, value in state.items():
            assert hasattr(scene.phone.world, name)
            setattr(scene.phone.world, name, value)

    return spoil


def fault(kind: type[faults.Fault], **more: Any) -> Spoil:
    return lambda scene: scene.phone.faults.add(kind(**more))


def unauthorized(scene: Scene) -> None:
    scene.phone.faults.add(faults.Unauthorized())
    scene.phone.cut()


def locked_by_a_process_that_lives(scene: Scene) -> None:
    folder = scene.phone.path(lock.FOLDER)
    folder.mkdir()
    pid = os.getppid()
    owner = lock._Owner("0" * 16, lock._host(), pid, lock._started(pid))
    (folder / "owner").write_bytes(msgspec.json.encode(owner))


def program(content: bytes, **libraries: bytes) -> Spoil:
    def spoil(scene: Scene) -> None:
        (scene.folder / "program").write_bytes(content)
        (scene.folder / "program").chmod(0o755)
        for name, library in libraries.items():
            (scene.folder / f"{name}.so").write_bytes(library)

    return spoil


def environment(name: str, value: str) -> Spoil:
    return lambda scene: scene.patch.setenv(name, value)


def nothing(_scene: Scene) -> None:
    """The command itself is what is wrong."""


ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00"
"""A program of 64 bits; the number of its machine follows."""
SOON = ("--patience", "1")
ROWS = [
    # The phone as it is.
    Row("prime core in no cpuset", world(allowed=frozenset(range(4))),
        ("core 0", "core 7 (2841600 kHz) is faster", "cpuset", "--allow not-prime-core")),
    Row("prime core offline", world(offline=frozenset({7})), ("core 7", "offline", "--cpu")),
    Row("no setsid", fault(faults.NoTool, name="setsid"), ("{serial} has no `setsid`",)),
    Row("no taskset", fault(faults.NoTool, name="taskset"), ("{serial} has no `taskset`",)),
    Row("no sha256sum", fault(faults.NoTool, name="sha256sum"), ("{serial} has no `sha256sum`",)),
    Row("no 64-bit programs", world(abilist="armeabi-v7a,armeabi"), ("arm64-v8a", "no-arm64")),
    Row("screen off", world(screen_on=False), ("screen is off", "--allow screen-off")),
    Row("throttled", world(thermal_status=3), ("throttling", "--allow throttled"),
        strict=("throttled",)),
    Row("clock limited", lambda scene: scene.phone.world.cap(7, 2_131_200),
        ("limited to 2131200 of 2841600 kHz", "--allow capped-clock"), strict=("capped-clock",)),
    Row("hot", world(battery_tenths_c=412), ("41.2 degC", "--allow hot")),
    Row("battery low", world(battery_percent=9), ("9 %", "--allow battery-low")),
    Row("power save", world(low_power=True), ("power-save", "--allow power-save")),
    Row("little space", world(free_kb=100), ("0 MiB left", "--allow no-space")),
    Row("storage full", fault(faults.DiskFull), ("{serial}", "No space left on device")),
    Row("storage read-only", fault(faults.ReadOnlyFolder), ("Read-only file system",)),
    Row("lock held", locked_by_a_process_that_lives,
        ("another benchmark", f"process {os.getppid()}", "--allow busy")),
    Row("nothing may run", fault(faults.ExecDenied), ("ermission denied",), in_its_row=True),
    # Which phone, and how it is reached.
    Row("two phones", lambda scene: scene.more(), ("two phones attached", "--device")),
    Row("unknown serial", nothing, ("no phone R58M is attached", "hint: attached: {serial}"),
        device="R58M"),
    Row("serial with a command", nothing, ("no phone $(reboot) is attached",), device="$(reboot)"),
    Row("serial that is a flag", nothing, ("no phone --x is attached",), device="--x"),
    Row("empty serial", nothing, ("no phone '' is attached", "attached: {serial}"), device=""),
    Row("unknown in the environment", environment("ANDROID_SERIAL", "R58M"),
        ("ANDROID_SERIAL is R58M", "{serial}")),
    Row("nothing at an address", nothing, ("127.0.0.1:1", "refused"), device="127.0.0.1:1"),
    Row("unauthorized", unauthorized, ("{serial}", "Allow USB debugging"), device="{serial}"),
    Row("server killed", lambda scene: scene.server.kill(), ("no phone is attached", "plug")),
    Row("server elsewhere", environment("ANDROID_ADB_SERVER_HOST", "no.such.host.invalid"),
        ("no.such.host.invalid", "adb server")),
    Row("port of no number", environment("ANDROID_ADB_SERVER_PORT", "x"),
        ("ANDROID_ADB_SERVER_PORT",), code=2),
    Row("port of many digits", environment("ANDROID_ADB_SERVER_PORT", "9" * 5000),
        ("ANDROID_ADB_SERVER_PORT",), code=2),
    Row("server of no name", environment("ANDROID_ADB_SERVER_HOST", "\udcff"),
        ("host can't be called", "ANDROID_ADB_SERVER_HOST"), code=2),
    Row("server of a long name", environment("ANDROID_ADB_SERVER_HOST", "h" * 5000),
        ("host can't be called",), code=2),
    Row("socket of no name", environment("ADB_SERVER_SOCKET", "tcp:\udcff:1"),
        ("host can't be called", "ADB_SERVER_SOCKET"), code=2),
    # While it is timed.
    Row("silent at once", fault(faults.HushedShell, containing="getprop"),
        ("{serial} did not answer for 1 s", "wake it"), SOON),
    Row("silent in a push", fault(faults.HushedPush, after_bytes=100),
        ("{serial} did not answer for 1 s", "wake it"), SOON),
    Row("silent in a launch", fault(faults.HushedLaunch, launch=0),
        ("{serial} did not answer for 1 s", "wake it"), SOON),
    Row("runner swapped", fault(faults.SwappedFile, launch=1, pattern="runner-*/runner"),
        ("runner", "is not the file that was pushed", "SHA-256 there", "something else writes")),
    Row("library put there", fault(faults.SwappedFile, launch=1, pattern="runner-*/libm.so"),
        ("libm.so", "is not the file that was pushed")),
    Row("model swapped", fault(faults.SwappedModel, launch=1, content=b"another"),
        ("the runner",), in_its_row=True),
    Row("killed every time", fault(faults.Killed, times=None), ("SIGKILL",), in_its_row=True),
    Row("hangs", fault(faults.Hangs), ("not finished within 1 s", "--launch-timeout"),
        ("--launch-timeout", "1"), in_its_row=True),
    Row("cut short", fault(faults.Truncated), ("stopped in the middle",), in_its_row=True),
    Row("prints no lines", fault(faults.Garbage), ("no valid",), in_its_row=True),
    # The runner.
    Row("runner of x86-64", program(ELF + b"\x3e\x00"), ("program is built for x86-64", "arm64"),
        ("--runner", "program"), code=2),
    Row("runner of 32 bits", program(b"\x7fELF\x01" + ELF[5:] + b"\x28\x00"),
        ("program is built for 32-bit arm", "runner build"), ("--runner", "program"), code=2),
    Row("library of x86-64", program(b"#!/bin/sh\n", libMNN=ELF + b"\x3e\x00"),
        ("libMNN.so is built for x86-64", "runner build"), ("--runner", "program"), code=2),
    Row("empty runner", program(b""), ("program is empty",), ("--runner", "program"), code=2),
    Row("no runner", nothing, ("can't read the runner nowhere",), ("--runner", "nowhere"), code=2),
    Row("runner of text", program(b"hello\n"), ("ended with code 127", "program"),
        ("--runner", "program"), in_its_row=True),
    Row("another processor", program(ELF + b"\xb7\x00"), ("ended with code 126", "format error"),
        ("--runner", "program"), in_its_row=True),
]  # fmt: skip


@pytest.fixture
def scene(server: AdbServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    for name in ("ANDROID_SERIAL", "ADB_SERVER_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    others: list[Phone] = []

    def more() -> Phone:
        others.append(Phone(MI_9))
        others[-1].start()
        server.connect(others[-1])
        return others[-1]

    with Phone(PIXEL_4) as phone:
        server.connect(phone)
        yield Scene(server, phone, folder, monkeypatch, more)
        phone.faults.clear()
        monkeypatch.undo()
        for each in (phone, *others):
            server.adb("disconnect", each.serial)
        for other in others:
            other.stop()


def bench_of(row: Row, scene: Scene, made: Path) -> list[str]:
    allowed = [name for name in NOISE if name not in row.strict]
    return [
        *("bench", str(made / "tiny.mnn"), "--out", "results", "--runner", str(made / "runner")),
        *("--runs", "6", "--launches", "2", "--warmup", "1", "--cool-down", "0.1"),
        *("--device", row.device.replace("{serial}", scene.phone.serial)),
        *(word for name in allowed for word in ("--allow", name)),
        *row.options,
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_phone_is_timed_in_silence(
    refused: Callable[..., Any], scene: Scene, made: Path, row: Row
) -> None:
    row.spoil(scene)
    names = [name.replace("{serial}", scene.phone.serial) for name in row.names]
    told = refused(bench_of(row, scene, made), row.code, *names, in_its_row=row.in_its_row)
    print(told.err)


def test_an_honest_phone_is_timed(refused: Callable[..., Any], scene: Scene, made: Path) -> None:
    refused(bench_of(Row("good", nothing, ()), scene, made), 0)
