"""A phone without an NDK: built here for 64-bit ARM, and started there by its own loader.

The phone's processor is emulated, and nowhere on it is a C library but the one that was pushed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from asymm_deploy import cli
from asymm_deploy.bench import native_build
from asymm_deploy.bench.native.own_libc import LOADER
from asymm_deploy.bench.phone.pushed_files import BASE
from tests.bench.phone.conftest import NOISE, lines_in
from tests.phone.phone import Phone

QEMU = "qemu-aarch64"
HERE = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
"""A core that the emulated runner can pin itself to, since pinning is not emulated."""
BUILT = "3.6.1 linux-arm64 glibc"


@pytest.fixture(scope="session")
def built(shared: Path) -> Path:
    """The data folder with what ``runner build`` has built, by whichever worker came first."""
    for tool in ("cmake", "ninja", "aarch64-linux-gnu-g++", QEMU):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    data = shared / "data-without-ndk"
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in {"ANDROID_NDK_HOME", native_build.VARIABLE}
    }
    command = [sys.executable, "-m", "asymm_deploy.cli", "runner", "build"]
    with FileLock(f"{data}.lock"):
        if not (data / "asymm-deploy" / "runner" / "linux-arm64").exists():
            done = subprocess.run(
                command,
                env=env | {"XDG_DATA_HOME": str(data)},
                capture_output=True,
                text=True,
                check=False,
            )
            if "pip can't fetch" in done.stderr:
                pytest.skip(done.stderr.strip().splitlines()[0])
            assert done.returncode == 0, done.stderr
            assert done.stdout == f"{data}/asymm-deploy/runner/linux-arm64/asymm-runner\n"
    return data


@pytest.fixture
def at_home(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder, in force."""
    monkeypatch.setenv("XDG_DATA_HOME", str(built))
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    monkeypatch.delenv(native_build.VARIABLE, raising=False)
    return built


def test_every_library_that_it_needs_is_beside_it(at_home: Path) -> None:
    folder = native_build.folder_of("linux-arm64")
    made = native_build.read(folder)
    assert (made.preset, made.libc, made.mnn_version) == ("linux-arm64", "glibc", "3.6.1")
    assert set(made.files) == {path.name for path in folder.iterdir()} - {native_build.RECORD}
    command = [QEMU, str(folder / LOADER), "--library-path", str(folder), "--list"]
    listed = subprocess.run(
        [*command, str(folder / native_build.PROGRAM)], capture_output=True, text=True, check=True
    ).stdout
    found = [line.split(" => ")[1].split(" (")[0] for line in listed.splitlines() if "=>" in line]
    assert {Path(path).parent for path in found} == {folder}
    assert "libc.so.6" in {Path(path).name for path in found}


@pytest.mark.skipif(HERE > 7, reason="this machine lets us use no core that the phone has, too")
def test_from_runner_build_to_a_row(
    at_home: Path,
    arguments: list[str],
    adb_environment: object,
    phone: Phone,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    phone.world.emulator = (shutil.which(QEMU) or QEMU, "-L", str(phone.world.root))
    at = arguments.index("--runner")
    argv = [*arguments[:at], *arguments[at + 2 :], "--device", "auto", "--cpu", str(HERE)]
    allowed = [f"--allow={name}" for name in NOISE]
    code = cli.run([*argv, *allowed, "--keep"])
    said = capfd.readouterr()
    records = lines_in(tmp_path / "results")
    assert code == 0, said.err
    assert {record.engine_version for record in records} == {BUILT}
    assert {(record.runner, record.cpu_before, record.cpu_after) for record in records} == {
        ("native", HERE, HERE)
    }
    assert [record.flags for record in records if not record.valid] == []
    error = records[0].output_error
    assert error is not None
    assert error < 1e-4
    assert BUILT in (tmp_path / "results" / "latency.csv").read_text(encoding="utf-8")
    (there,) = phone.path(str(BASE / "files")).glob("runner-*")
    made = native_build.read(native_build.folder_of("linux-arm64"))
    assert {path.name for path in there.iterdir()} == set(made.files)
    assert not (phone.world.root / "lib").exists()
