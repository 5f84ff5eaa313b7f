"""The runner is built whole or not at all, and what stands in the way is named with a way out."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import asymm_deploy
from asymm_deploy.bench import native_build
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.files import sha256_of
from tests.bench.quick_builds import build_quickly

SOURCE = Path(__file__).parents[2] / "android_harness"
FAKE_MNN = SOURCE / "tests" / "fake_mnn" / "include"
HAS_TOOLS = all(shutil.which(tool) for tool in ("cmake", "ninja", "c++"))
builds = pytest.mark.skipif(not HAS_TOOLS, reason="cmake, ninja or c++ is not installed")

RECORD = native_build.Built(
    protocol=PROTOCOL,
    version=asymm_deploy.__version__,
    preset="android-arm64",
    mnn_version="3.6.1",
    files={},
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty, and nothing said by the environment."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv(native_build.VARIABLE, raising=False)
    monkeypatch.delenv("ANDROID_NDK_HOME", raising=False)
    return tmp_path / "data"


def put(record: native_build.Built) -> Path:
    """Leave a runner where one is built to."""
    folder = native_build.folder_of("android-arm64")
    folder.mkdir(parents=True)
    program = folder / native_build.PROGRAM
    program.write_text("a program", encoding="utf-8")
    files = {native_build.PROGRAM: sha256_of(program)} | record.files
    record = msgspec.structs.replace(record, files=files)
    (folder / native_build.RECORD).write_bytes(msgspec.json.encode(record))
    return program


def tools(folder: Path, *names: str) -> str:
    """A PATH with these of this machine's programs and nothing else."""
    folder.mkdir()
    for name in names:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        (folder / name).symlink_to(found)
    return str(folder)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_it_is_imported_without_torch() -> None:
    code = "import sys, asymm_deploy.bench.native_build; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sources_are_those_of_the_checkout() -> None:
    assert native_build.sources() == SOURCE


def test_sources_are_found_in_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "asymm_deploy"
    (package / "android_harness").mkdir(parents=True)
    monkeypatch.setattr(asymm_deploy, "__file__", str(package / "__init__.py"))
    with pytest.raises(HarnessError, match="sources are missing"):
        native_build.sources()
    (package / "android_harness" / "CMakeLists.txt").touch()
    assert native_build.sources() == package / "android_harness"


def test_where_none_was_built_the_command_to_build_it_is_the_hint(home: Path) -> None:
    with pytest.raises(HarnessError, match="no runner for android-arm64 yet") as caught:
        native_build.where()
    assert caught.value.hint.startswith("asymm-deploy runner build --preset android-arm64")


def test_what_was_built_is_found(home: Path) -> None:
    program = put(RECORD)
    assert native_build.where() == program
    assert home in program.parents


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"protocol": PROTOCOL + 1}, f"speaks protocol {PROTOCOL + 1}, this program speaks"),
        ({"version": "0.0.1"}, "is of version 0.0.1, this program of"),
        ({"mnn_version": None}, "was built without MNN"),
        ({"files": {"libMNN.so": "0" * 64}}, "libMNN.so is missing"),
        (
            {"files": {native_build.PROGRAM: "0" * 64}},
            f"{native_build.PROGRAM} is missing or was changed",
        ),
    ],
)
def test_one_that_is_of_no_use_says_why_and_how_to_build_another(
    home: Path, changes: dict[str, object], why: str
) -> None:
    put(msgspec.structs.replace(RECORD, **changes))
    with pytest.raises(HarnessError, match=re.escape(why)) as caught:
        native_build.where()
    assert "asymm-deploy runner build" in caught.value.hint


def test_one_without_its_record_is_refused(home: Path) -> None:
    (put(RECORD).parent / native_build.RECORD).write_text("{", encoding="utf-8")
    with pytest.raises(HarnessError, match="does not say what the runner is"):
        native_build.where()


def test_the_environment_may_name_another(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(RECORD)
    other = tmp_path / "other"
    monkeypatch.setenv(native_build.VARIABLE, str(other))
    with pytest.raises(UsageError, match="which is not a file"):
        native_build.where()
    other.touch()
    assert native_build.where() == other


@builds
def test_a_build_replaces_the_former_and_says_what_it_does(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_quickly(monkeypatch)
    into = native_build.folder_of("host")
    into.mkdir(parents=True)
    (into / native_build.RECORD).touch()
    (into / "old.so").touch()
    said: list[str] = []
    made = native_build.build_native_runner("host", say=said.append)
    assert said == [
        "configuring the runner for host",
        "compiling the runner for host",
        "installing the runner for host",
        "built without MNN: it can only calibrate",
    ]
    assert sorted(path.name for path in into.iterdir()) == [
        native_build.PROGRAM,
        native_build.RECORD,
    ]
    assert native_build.read(into) == made
    assert (made.preset, made.mnn_version) == ("host", None)
    assert made.files == {native_build.PROGRAM: sha256_of(into / native_build.PROGRAM)}
    # Nothing is left aside but the log.
    assert sorted(path.name for path in into.parent.iterdir()) == ["host", "host.log"]
    ended = subprocess.run(
        [into / native_build.PROGRAM, "--calibrate"], capture_output=True, check=True
    )
    assert ended.stdout.count(b"\n") == 4


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="something other than a runner"):
        native_build.build_native_runner("host", into=tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def refused(
    into: Path, preset: native_build.Preset = "host", *, source: Path = SOURCE, **mnn: Path
) -> DeployError:
    """How a build was refused; it must have left nothing behind."""
    with pytest.raises(DeployError) as caught:
        native_build.build_native_runner(
            preset,
            into=into,
            source=source,
            mnn_root=mnn.get("mnn_root"),
            mnn_include_dir=mnn.get("mnn_include_dir"),
            mnn_library=mnn.get("mnn_library"),
        )
    assert not into.exists()
    assert not list(into.parent.glob(f".{into.name}.*"))
    return caught.value


def test_without_cmake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path / "bin"))
    error = refused(tmp_path / "out")
    assert error.what == "cmake is not installed"
    assert "install cmake" in error.hint


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("echo cmake version 3.18.4", "cmake is too old: 3.18; 3.22 is needed"),
        ("echo hello", "cmake does not tell its version"),
        ("exit 1", "cmake can't be started"),
    ],
)
def test_with_a_cmake_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, why: str
) -> None:
    monkeypatch.setenv("PATH", tools(tmp_path / "bin"))
    script(tmp_path / "bin" / "cmake", says)
    assert why in refused(tmp_path / "out").what


def test_without_a_compiler_or_anything_that_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, compiling = tools(tmp_path / "1", "cmake"), tools(tmp_path / "2", "cmake", "c++")
    monkeypatch.setenv("PATH", bare)
    assert refused(tmp_path / "out").what == "the compiler c++ is not installed"
    error = refused(tmp_path / "out", "linux-arm64")
    assert error.what == "the compiler aarch64-linux-gnu-g++ is not installed"
    assert "apt install g++-aarch64-linux-gnu" in error.hint
    monkeypatch.setenv("PATH", compiling)
    assert "neither ninja nor make is installed" in refused(tmp_path / "out").what


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_without_an_ndk(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused(tmp_path / "out", "android-arm64")
    assert "ANDROID_NDK_HOME is not set" in error.what
    assert "docs/android.md" in error.hint
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    assert "which is not an NDK" in refused(tmp_path / "out", "android-arm64").what


@builds
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mnn_root": "nowhere"}, "MNN's headers are missing: .*nowhere/include has no MNN/Inter"),
        ({"mnn_include_dir": "."}, r"MNN's headers are missing: .* has no MNN/Interpreter\.hpp"),
        ({"mnn_root": "root"}, r"MNN's library is missing: no libMNN\.so in .*root/lib"),
        ({"mnn_root": "root", "mnn_library": "none.so"}, r"library is missing: no file .*none\.so"),
        ({"mnn_root": "root", "mnn_library": "text.so"}, r"text\.so is no shared object"),
        ({"mnn_root": "root", "mnn_library": "empty.so"}, "does not export MNN's C.. API"),
    ],
)
def test_with_an_mnn_of_no_use(tmp_path: Path, given: dict[str, str], why: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "include").symlink_to(FAKE_MNN)
    (tmp_path / "text.so").write_text("text", encoding="utf-8")
    if given.get("mnn_library") == "empty.so":
        command = ["c++", "-shared", "-x", "c++", os.devnull, "-o", str(tmp_path / "empty.so")]
        subprocess.run(command, check=True)
    paths = {name: tmp_path / value for name, value in given.items()}
    error = refused(tmp_path / "out", "host", source=SOURCE, **paths)
    assert isinstance(error, UsageError)
    assert re.search(why, error.what)
    assert "--mnn-root" in error.hint


@builds
def test_a_program_that_does_not_compile_shows_the_error_and_where_the_log_is(
    tmp_path: Path,
) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    (source / "src" / "base64.cpp").write_text("int broken = missing;", encoding="utf-8")
    error = refused(tmp_path / "out", source=source)
    assert isinstance(error, HarnessError)
    assert error.what.startswith("compiling the runner failed:\n")
    assert "base64.cpp:1:14: error: " in error.what
    log = tmp_path / "out.log"
    assert str(log) in error.hint
    assert "error: " in log.read_text(encoding="utf-8")


@builds
def test_a_failed_build_leaves_the_former_runner(tmp_path: Path) -> None:
    into = tmp_path / "out"
    into.mkdir()
    (into / native_build.RECORD).touch()
    with pytest.raises(UsageError):
        native_build.build_native_runner("host", into=into, mnn_root=tmp_path)
    assert [path.name for path in into.iterdir()] == [native_build.RECORD]


NDK = """
# Like the NDK's: says where it is, and which compiler to take.
set(asked "${ANDROID_ABI} ${ANDROID_PLATFORM} ${ANDROID_STL}")
if(NOT asked STREQUAL "arm64-v8a android-28 c++_shared")
  message(FATAL_ERROR "asked for ${asked}")
endif()
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ANDROID_ABI ANDROID_PLATFORM ANDROID_STL)
get_filename_component(ANDROID_NDK "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
set(CMAKE_CXX_COMPILER c++)
"""


@builds
def test_for_a_phone_the_ndks_toolchain_is_asked_and_its_libcxx_comes_along(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a toolchain file that stands for the NDK's; there is no NDK in these tests."""
    ndk = tmp_path / "ndk"
    (ndk / "build" / "cmake").mkdir(parents=True)
    (ndk / "build" / "cmake" / "android.toolchain.cmake").write_text(NDK, encoding="utf-8")
    monkeypatch.setenv("ANDROID_NDK_HOME", str(ndk))
    build_quickly(monkeypatch)
    assert "the NDK has no libc++_shared.so" in refused(tmp_path / "out", "android-arm64").what
    lib = ndk / "toolchains/llvm/prebuilt/linux-x86_64/sysroot/usr/lib/aarch64-linux-android"
    lib.mkdir(parents=True)
    (lib / "libc++_shared.so").write_text("the NDK's", encoding="utf-8")
    made = native_build.build_native_runner("android-arm64")
    assert set(made.files) == {native_build.PROGRAM, "libc++_shared.so"}
    with pytest.raises(HarnessError, match="was built without MNN"):
        native_build.where()
