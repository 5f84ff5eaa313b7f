"""`asymm-deploy bench` against a simulated phone, through the real adb, from its command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from filelock import FileLock

from asymm_deploy import cli
from asymm_deploy.bench import store
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.records import LaunchRecord
from tests.phone.faults import Fault
from tests.phone.fixtures import (  # noqa: F401
    adb_environment,
    adb_server,
    kept_server,
    new_phone,
    phone,
    phone_runner,
)
from tests.phone.phone import Phone

LAUNCHES = 3
ONCE = ("--launches", "1", "--runs", "2")
"""For a bench of which no more is asked than whether it ends well."""
NOISE = ("bimodal", "launch-spread", "stolen-time", "throttled", "capped-clock")
"""Of this machine: allowed where a runner tells its own times, as on the host. The phone's runner
tells the phone's, which have none."""


@dataclass(frozen=True)
class Ended:
    """What a bench came to."""

    code: int
    out: str
    err: str
    lines: tuple[LaunchRecord, ...]
    """All of runs.jsonl."""

    @property
    def finished(self) -> list[LaunchRecord]:
        return [record for record in self.lines if record.error is None]


Bench = Callable[..., Ended]


@pytest.fixture
def told() -> list[str]:
    """What the user was told, line by line."""
    return []


@pytest.fixture
def new_link(adb_environment: object, told: list[str]) -> Callable[..., Link]:  # noqa: F811
    """Make links to phones that are attached."""

    def make(phone: Phone, *, patience_s: float = 20) -> Link:  # noqa: F811
        server = Server(address(os.environ))
        return Link(server, phone.serial, patience_s=patience_s, tell=told.append)

    return make


@pytest.fixture
def link(phone: Phone, new_link: Callable[..., Link]) -> Link:  # noqa: F811
    """A link to the phone."""
    return new_link(phone)


@pytest.fixture
def lose_patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[Fault, float], None]:
    """Have links wait for so many seconds once a fault has happened, and for long until then.

    So only the fault tries their patience, and nothing else that takes its time on a busy machine.
    """

    def after(fault: Fault, patience_s: float) -> None:
        def either(short_s: float, long_s: float) -> property:
            return property(lambda _: short_s if fault.happened else long_s, lambda *_: None)

        monkeypatch.setattr(Link, "_patience_s", either(patience_s, 60.0), raising=False)
        monkeypatch.setattr(Link, "_answer_s", either(patience_s / 4, 3.0), raising=False)

    return after


@pytest.fixture(scope="session")
def exports(shared: Path, folder: Path) -> Path:
    """Where models are exported to; the one of ``folder`` is there."""
    out = shared / "exports-for-phones"
    with FileLock(f"{out}.lock"):
        if not out.exists():
            command = ["export", str(folder / "model.onnx"), "--out", str(out), "--jobs", "1"]
            assert cli.run(command) == 0
    return out


@pytest.fixture
def arguments(folder: Path, exports: Path, tmp_path: Path, phone_runner: Path) -> list[str]:  # noqa: F811
    """A bench of a small network in three short launches; the device comes behind."""
    return [
        *("bench", str(folder / "model.onnx"), "--artifacts", str(exports)),
        *("--out", str(tmp_path / "results"), "--runner", str(phone_runner)),
        *("--runs", "6", "--launches", str(LAUNCHES), "--warmup", "1"),
        *("--patience", "20", "--cool-down", "0.1", "--launch-timeout", "30"),
    ]


@pytest.fixture
def bench(
    arguments: list[str],
    adb_environment: object,  # noqa: F811
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> Bench:
    """Run it in this process, on the phone that is attached unless told otherwise."""

    def run(*more: str, device: str = "auto") -> Ended:
        """Give ``more`` arguments."""
        capfd.readouterr()
        code = cli.run([*arguments, "--device", device, *more])
        said = capfd.readouterr()
        return Ended(code, said.out, said.err, lines_in(tmp_path / "results"))

    return run


@pytest.fixture
def bench_process(
    arguments: list[str],
    adb_environment: object,  # noqa: F811
) -> Callable[..., subprocess.Popen[bytes]]:
    """Start it as a process of its own, on the phone that is attached."""

    def start(*more: str, device: str = "auto") -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "asymm_deploy", *arguments, "--device", device, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(os.environ),
            start_new_session=True,
        )

    return start


def lines_in(results: Path) -> tuple[LaunchRecord, ...]:
    """Return every line of a runs.jsonl, those that later ones replace as well."""
    path = results / store.NAME
    if not path.exists():
        return ()
    return tuple(
        msgspec.json.decode(line, type=LaunchRecord) for line in path.read_bytes().splitlines()
    )


@pytest.fixture
def is_clean() -> Callable[[Phone], bool]:
    """Whether nothing of ours is left on a phone: files, processes, locks, settings."""

    def clean(phone: Phone) -> bool:  # noqa: F811
        left = list(phone.path("/data/local/tmp").iterdir())
        awake = phone.world.setting("stay_on_while_plugged_in")
        return not left and not any(launch.running for launch in phone.launches) and awake == "0"

    return clean
