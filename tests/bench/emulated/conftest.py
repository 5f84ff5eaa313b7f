"""A machine whose compiler, CMake, pip and QEMU are scripts."""

from __future__ import annotations

import base64
import hashlib
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.emulated import emulator_home, emulator_setup, qemu
from asymm_deploy.bench.emulated.trial import TRIAL_MADDS, trial_artifact
from tests.bench.wheels import wheel_file

QEMU = """\
case "$1" in
  --version) echo "qemu-aarch64 version {version} (Debian)" ;;
  -h) echo "{options}" ;;
  *)
    {trial}
    file=${{2#*out=}}
    cp "{answers}/counts" "${{file%%,*}}"
    cat "{answers}/stream" ;;
esac
"""
COUNTED = "asymm-count 1 caches=on\n0 {zeros}\n1 {counts}\nend\n"
CMAKE = """\
case "$1" in
  --version) echo "cmake version 3.25.1" ;;
  --preset)
    for each; do
      case "$each" in
        -DCMAKE_INSTALL_PREFIX=*) out="${{each#*=}}" ;;
        -DMNN_LIBRARY=*) library="${{each#*=}}" ;;
      esac
    done
    mkdir -p "$4" "$out"
    printf {mnn} > "$4/mnn_version.txt"
    echo program > "$out/asymm-runner"
    cp "$library" "$out" ;;
  --build) {build} ;;
esac
"""
COMPILER = 'while [ "$1" != -o ]; do shift; done; echo plugin > "$2"'


@dataclass
class Bench:
    """What a test puts together, and ``run``, which gives the exit code."""

    folder: Path
    home: Path
    capture: pytest.CaptureFixture[str]
    said: str = field(default="", init=False)
    """What the last command wrote to stderr."""
    compiler: str = COMPILER

    def program(self, name: str, body: str) -> Path:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def qemu(
        self,
        version: str = "7.2.22",
        *,
        options: str = "-plugin",
        trial: str = "",
        fma: int = TRIAL_MADDS // 4,
        off: float = 0.0,
        name: str = "qemu-aarch64",
    ) -> Path:
        """Write one that counts ``fma`` in setup's trial, whose output is ``off`` by so much."""
        answers = self.folder / f"{name} answers"
        answers.mkdir(exist_ok=True)
        counts = [fma + 50, fma, 10, 10, 10, 10, 10, 99, 99, 3, 2, 1]
        (answers / "counts").write_text(
            COUNTED.format(zeros=" ".join("0" for _ in counts), counts=" ".join(map(str, counts)))
        )
        (answers / "stream").write_bytes(_stream(off))
        body = QEMU.format(version=version, options=options, trial=trial, answers=answers)
        return self.program(name, body)

    def cmake(self, *, mnn: str | None = None, build: str = "true") -> None:
        mnn = mnn or emulator_home.engine_version()
        self.program("cmake", CMAKE.format(mnn=mnn, build=build))

    def pip(self, body: str) -> None:
        """Have Python be this, so that ``-m pip download ...`` is."""
        sys.executable = str(self.program("python-with-pip", body))

    def remove(self, name: str) -> None:
        (self.folder / "bin" / name).unlink()

    def link(self, name: str) -> None:
        """Have a program of this machine."""
        found = shutil.which(name, path="/usr/bin:/bin")
        assert found is not None
        (self.folder / "bin" / name).symlink_to(found)

    def wheel(self) -> Path:
        return wheel_file(self.folder)

    def run(self, *arguments: object) -> int:
        self.capture.readouterr()
        code = cli.run(["emulator", *map(str, arguments)])
        self.said = self.capture.readouterr().err
        return code

    def set_up(self) -> Path:
        """Set it up from a wheel, and return the folder of the parts."""
        assert self.run("setup", "--wheel", self.wheel()) == 0
        return emulator_home.parts_folder()

    def left(self) -> set[str]:
        """What is in the data folder but the lock."""
        return {path.name for path in self.home.iterdir()} - {".lock"}


def _stream(off: float) -> bytes:
    """What the counting runner prints of setup's trial."""
    trial = trial_artifact()
    assert trial.reference is not None
    ((name, output),) = trial.reference.items()
    values = (output.astype("<f4") + np.float32(off)).tobytes()
    version = emulator_home.engine_version()
    messages: list[dict[str, object]] = [
        {
            "type": "hello",
            "protocol": 1,
            "runner": "native",
            "runner_version": "0",
            "engine": "mnn",
            "engine_version": version,
            "abi": "aarch64",
            "pid": 1,
        },
        {
            "type": "model",
            "sha256": trial.sha256,
            "input_shape": [1, 16, 8, 8],
            "init_ns": 1,
            "memory_mb": 1,
            "precision": "fp32",
            "threads": 1,
            "api": "session",
        },
        {"type": "operators", "names": [], "types": []},
        {
            "type": "output",
            "sha256": hashlib.sha256(values).hexdigest(),
            "values": {name: base64.b64encode(values).decode()},
        },
        {"type": "done", "count": 1},
    ]
    return b"".join(msgspec.json.encode(each) + b"\n" for each in messages)


@pytest.fixture
def bench(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bench:
    """A machine that has all that setup needs, a data folder of its own, and no network."""
    made = Bench(tmp_path, tmp_path / "data" / "asymm-deploy" / "emulator", capsys)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where the data folder is without that
    monkeypatch.delenv(qemu.QEMU_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", sys.executable)  # so that it is put back
    for module in (emulator_home, emulator_setup):
        monkeypatch.setattr(module, "SYSROOT", tmp_path / "sysroot")
    (tmp_path / "sysroot" / "lib").mkdir(parents=True)
    for name in ("libc.so.6", "libm.so.6"):
        (tmp_path / "sysroot" / "lib" / name).write_text(name)
    made.qemu()
    made.cmake()
    made.program("cc", COMPILER)
    made.program("aarch64-linux-gnu-g++", "true")
    made.program("ninja", "true")
    made.pip("exit 1")
    for name in ("mkdir", "cp", "cat", "env", "sleep"):
        made.link(name)
    return made
