"""Which runner a phone gets, and what stands in the way of building one without the NDK."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import asymm_deploy
from asymm_deploy import cli
from asymm_deploy.bench import native_build
from asymm_deploy.bench.native import own_libc, phone_runner
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of

Put = Callable[..., Path]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in (native_build.VARIABLE, "ANDROID_NDK_HOME", "MNN_ROOT", "MNN_LIBRARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def put() -> Put:
    """Leave a runner where one is built to."""

    def made(preset: native_build.Preset, **changes: object) -> Path:
        folder = native_build.folder_of(preset)
        folder.mkdir(parents=True)
        program = folder / native_build.PROGRAM
        program.write_text(f"a program for {preset}", encoding="utf-8")
        record = native_build.Built(
            protocol=PROTOCOL,
            version=asymm_deploy.__version__,
            preset=preset,
            mnn_version="3.6.1",
            files={native_build.PROGRAM: sha256_of(program)},
            libc="glibc" if preset == "linux-arm64" else None,
        )
        changed = msgspec.structs.replace(record, **changes)
        (folder / native_build.RECORD).write_bytes(msgspec.json.encode(changed))
        return program

    return made


def test_the_ndks_comes_first_and_the_other_where_there_is_none(put: Put) -> None:
    other = put("linux-arm64")
    assert phone_runner.where_for_phones() == other
    ndk = put("android-arm64")
    assert phone_runner.where_for_phones() == ndk


def test_an_ndks_of_no_use_is_passed_over_and_that_is_said(put: Put) -> None:
    put("android-arm64", version="0.0.1")
    with pytest.raises(HarnessError, match=r"is of version 0\.0\.1"):
        phone_runner.where_for_phones()
    other = put("linux-arm64")
    said: list[str] = []
    assert phone_runner.where_for_phones(said.append) == other
    assert "is of version 0.0.1" in said[0]
    assert said[0].endswith(f"taking {other}")


def test_one_without_a_c_library_is_of_no_use_on_a_phone(put: Put) -> None:
    put("linux-arm64", libc=None)
    with pytest.raises(HarnessError, match="has no C library beside it") as caught:
        phone_runner.where_for_phones()
    assert caught.value.hint == "asymm-deploy runner build"


def test_one_that_lost_a_library_is_built_again(put: Put) -> None:
    put("linux-arm64", files={"libc.so.6": "0" * 64})
    with pytest.raises(HarnessError, match=r"libc\.so\.6 is missing or was changed") as caught:
        phone_runner.where_for_phones()
    assert caught.value.hint == "asymm-deploy runner build"


def test_where_there_is_none_the_hint_builds_one() -> None:
    with pytest.raises(HarnessError, match="no runner for phones yet") as caught:
        phone_runner.where_for_phones()
    assert caught.value.hint.startswith("asymm-deploy runner build")


def test_what_is_missing_is_installed_by_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.run(["runner", "build"]) == 3
    said = capfd.readouterr().err
    assert "error: not installed: aarch64-linux-gnu-g++, cmake, ninja\n" in said
    assert "hint: sudo apt-get install g++-aarch64-linux-gnu cmake ninja-build" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mnn-root", "x"], "--mnn-root names an MNN for the NDK, and ANDROID_NDK_HOME is not"),
        (["--wheel", "x", "--mnn-library", "y"], "--wheel and --mnn-library both name an MNN"),
        (["--wheel", "x", "--preset", "host"], "--wheel is for linux-arm64, and not for host"),
        (["--wheel", "x", "--preset", "android-arm64"], "and not for android-arm64"),
    ],
)
def test_what_contradicts_itself_is_refused_before_anything_is_built(
    arguments: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["runner", "build", *arguments]) == 2
    assert said in capfd.readouterr().err


def test_an_ndk_that_is_none_is_refused_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    assert cli.run(["runner", "build"]) == 2
    said = capfd.readouterr().err
    assert "which is not an NDK" in said
    assert "unset it and leave out --preset" in said


def test_a_folder_that_can_not_be_made_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not all(shutil.which(tool) for tool in ("aarch64-linux-gnu-g++", "cmake", "ninja")):
        pytest.skip("no cross compiler, cmake or ninja is installed")
    (tmp_path / "file").touch()
    assert cli.run(["runner", "build", "--into", str(tmp_path / "file" / "out")]) == 2
    assert f"error: can't build in {tmp_path / 'file'}: " in capfd.readouterr().err


def test_a_library_that_the_compiler_lacks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, says in (("readelf", " 0x1 (NEEDED) Bibliothek: [libodd.so.1]"), ("g++", "libodd")):
        program = tmp_path / f"aarch64-linux-gnu-{name}"
        program.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
        program.chmod(0o755)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / own_libc.LOADER).touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HarnessError, match=r"has no libodd\.so\.1, which the runner needs"):
        own_libc.put_libc_beside(tmp_path / "out")
    (tmp_path / "aarch64-linux-gnu-readelf").unlink()
    with pytest.raises(HarnessError, match="can't ask aarch64-linux-gnu-readelf"):
        own_libc.put_libc_beside(tmp_path / "out")
