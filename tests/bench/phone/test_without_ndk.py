"""A phone without an NDK: built here for 64-bit ARM, and started there by its own loader.

The phone's processor is emulated, and nowhere on it is a C library but the one that was pushed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from asymm_deploy import cli
from asymm_deploy.bench import native_build
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.flags import FLAGS
from asymm_deploy.bench.native.own_libc import LOADER
from asymm_deploy.bench.observed.device_values import device_values
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.pushed_files import BASE
from asymm_deploy.bench.phone.server import Server, address
from asymm_deploy.bench.plan import Plan
from tests.bench.phone.conftest import NOISE, lines_in
from tests.made_networks import CLASSIFIER, LOOPED, TWO_ENDED, made_network
from tests.phone.phone import Phone
from tests.phone.processes import marked

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
    command = [sys.executable, "-m", "asymm_deploy", "runner", "build"]
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


def of_bundle(arguments: Sequence[str]) -> list[str]:
    """Return a bench's arguments for what ``runner build`` has built."""
    at = arguments.index("--runner")
    return [*arguments[:at], *arguments[at + 2 :], "--device", "auto", "--cpu", str(HERE)]


FEW_CORES = pytest.mark.skipif(
    HERE > 7, reason="this machine lets us use no core that the phone has, too"
)


@FEW_CORES
def test_from_runner_build_to_a_row(
    at_home: Path,
    arguments: list[str],
    adb_environment: object,
    phone: Phone,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    phone.world.emulator = (shutil.which(QEMU) or QEMU, "-L", str(phone.world.root))
    looped = tmp_path / "looped.onnx"
    made_network(LOOPED, looped)  # a branch and a loop: MNN's Module API, without its headers
    allowed = [f"--allow={name}" for name in NOISE]
    code = cli.run([*of_bundle(arguments), str(looped), *allowed, "--keep"])
    said = capfd.readouterr()
    records = lines_in(tmp_path / "results")
    assert code == 0, said.err
    assert {record.engine_version for record in records} == {BUILT}
    assert {(record.runner, record.cpu_before, record.cpu_after) for record in records} == {
        ("native", HERE, HERE)
    }
    assert [record.flags for record in records if not record.valid] == []
    errors = {record.api: record.output_error for record in records if record.output_error}
    assert set(errors) == {"session", "module"}
    assert max(errors.values()) < 1e-4
    assert BUILT in (tmp_path / "results" / "latency.csv").read_text(encoding="utf-8")
    (there,) = phone.path(str(BASE / "files")).glob("runner-*")
    made = native_build.read(native_build.folder_of("linux-arm64"))
    assert {path.name for path in there.iterdir()} == set(made.files)
    assert not (phone.world.root / "lib").exists()


@FEW_CORES
def test_operators_tell_what_they_make_and_take_what_they_are_given(
    at_home: Path,
    adb_environment: object,
    phone: Phone,
    artifact: Artifact,
    is_clean: Callable[[Phone], bool],
) -> None:
    phone.world.emulator = (shutil.which(QEMU) or QEMU, "-L", str(phone.world.root))
    runner = native_build.folder_of("linux-arm64") / native_build.PROGRAM
    options = PhoneOptions(patience_s=20, cool_down_s=0.0)
    device = AdbDevice(Server(address(os.environ)), phone.serial, runner, options, lambda _: None)
    plan = Plan(runs=1, launches=1, precision="fp16", cpu=HERE)
    made = device_values(device, artifact, plan)
    at = [each.name for each in made].index("total")
    (total,) = made[at].outputs
    assert artifact.reference is not None
    error = np.abs(total - np.asarray(artifact.reference["total"], np.float32)).max()
    assert 1e-4 < error / total.std() < 1e-1
    given = {(at, 0): np.ones_like(total), (at, 1): np.ones_like(total)}
    changed = device_values(device, artifact, plan, given)
    np.testing.assert_array_equal(changed[at].outputs[0], np.full_like(total, 2))
    assert is_clean(phone)


@FEW_CORES
def test_operators_are_explained_by_the_phones_own_arithmetic(
    at_home: Path,
    adb_environment: object,
    phone: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
    capfd: pytest.CaptureFixture[str],
) -> None:
    phone.world.emulator = (shutil.which(QEMU) or QEMU, "-L", str(phone.world.root))
    model = tmp_path / "two_ended.onnx"
    made_network(TWO_ENDED, model)
    allowed = [f"--allow={name}" for name, flag in FLAGS.items() if flag.exit_code == 4]
    places = [f"--artifacts={tmp_path / 'artifacts'}", f"--out={tmp_path / 'results'}"]
    how = ["--device=auto", f"--cpu={HERE}", "--precision=fp16", "--runs=40", "--format=json"]
    code = cli.run(["explain", str(model), *how, *allowed, *places])
    said = capfd.readouterr()
    assert code == 0, said.err
    rows = {row["node"]: row for row in json.loads(said.out) if row["own_error_over_deviation"]}
    assert {row["device"] for row in rows.values()} == {phone.serial}
    assert all(1e-5 < row["own_error_over_deviation"] < row["own_limit"] for row in rows.values())
    assert sum(row["share_percent"] for row in rows.values()) > 50
    assert is_clean(phone)


@FEW_CORES
def test_images_are_answered_a_chunk_a_launch_in_the_phones_own_arithmetic(
    at_home: Path,
    adb_environment: object,
    phone: Phone,
    tmp_path: Path,
    is_clean: Callable[[Phone], bool],
    capfd: pytest.CaptureFixture[str],
) -> None:
    phone.world.emulator = (shutil.which(QEMU) or QEMU, "-L", str(phone.world.root))
    model = tmp_path / "classifier.onnx"
    made_network(CLASSIFIER, model)
    noise = np.random.default_rng(0)
    for name in ("dark", "light", "white"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(13):
            pixels = noise.integers(0, 255, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "images" / "classes.txt").write_text("dark\nlight\nwhite\n4\n5\n6\n7\n8\n")
    places = [f"--artifacts={tmp_path / 'artifacts'}", f"--out={tmp_path / 'results'}"]
    how = ["--device=auto", "--precision=fp16", "--precision=fp32", "--format=json"]
    code = cli.run(["evaluate", str(model), f"--images={tmp_path / 'images'}", *how, *places])
    said = capfd.readouterr()
    assert code == 0, said.err
    found = json.loads(said.out)
    assert [(row["device"], row["precision"]) for row in found] == [
        (phone.serial, "fp16"),
        (phone.serial, "fp32"),
    ]
    assert {row["images"] for row in found} == {"39"}
    assert {row["compared_with"] for row in found} == {"onnxruntime"}
    assert found[1]["agreement_percent"] == "100.000"
    assert float(found[0]["agreement_percent"]) > 80
    assert all(float(row["ms_per_image"]) > 0 for row in found)
    assert is_clean(phone)


@FEW_CORES
def test_a_launch_that_hangs_is_killed_and_nothing_of_it_stays(
    at_home: Path,
    arguments: list[str],
    adb_environment: object,
    phone: Phone,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexport HANGS=here\nexec sleep 600\n")
    hangs.chmod(0o755)
    phone.world.emulator = (str(hangs),)
    assert cli.run([*of_bundle(arguments), "--launch-timeout", "2"]) == 3
    assert "the runner was not finished within 2 s and was killed" in capfd.readouterr().err
    assert marked("HANGS", "here") == []
    assert not phone.path(str(BASE)).exists()
