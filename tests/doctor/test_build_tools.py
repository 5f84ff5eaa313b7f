"""NDK, CMake, generator, MNN and cross compiler: there, missing and unfit, each with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asymm_deploy.doctor import build_tools

if TYPE_CHECKING:
    from asymm_deploy.doctor.checklist import Check
    from tests.doctor.conftest import Machine

TOOLCHAIN = "ndk/build/cmake/android.toolchain.cmake"
PROPERTIES = "Pkg.Desc = Android NDK\nPkg.Revision = 27.2.12479018\n"


def by_name(machine: Machine) -> dict[str, Check]:
    return {check.name: check for check in build_tools.build_checks(machine.environment, "phone")}


def test_nothing_is_there_at_first_and_each_has_a_remedy(machine: Machine) -> None:
    found = by_name(machine)
    mnn = found["MNN for the runner"]  # which may be given to the build itself
    assert (mnn.status, mnn.found) == ("unknown", "MNN_ROOT is not set")
    assert {check.status for check in found.values() if check is not mnn} == {"missing"}
    assert all(check.to_do for check in found.values())
    needed = {name for name, check in found.items() if check.need == "phone"}
    assert needed == {"CMake", "build program", "linux-arm64 compiler"}


def test_with_an_ndk_its_mnn_is_needed_and_no_other_compiler(machine: Machine) -> None:
    machine.variables["ANDROID_NDK_HOME"] = str(machine.folder / "nowhere")
    needed = {name for name, check in by_name(machine).items() if check.need == "phone"}
    assert needed == {"Android NDK", "CMake", "build program", "MNN for the runner"}


def test_tools_that_only_could_be_of_use_are_options(machine: Machine) -> None:
    assert {check.need for check in build_tools.build_checks(machine.environment, "option")} == {
        "option"
    }


def test_an_ndk_is_known_by_its_toolchain_and_revision(machine: Machine) -> None:
    folder = machine.file(TOOLCHAIN).parent.parent.parent
    machine.variables["ANDROID_NDK_HOME"] = str(folder)
    assert by_name(machine)["Android NDK"].status == "wrong"
    machine.file("ndk/source.properties", PROPERTIES)
    found = by_name(machine)["Android NDK"]
    assert (found.status, found.found) == ("ok", f"27.2.12479018 in {folder}")


@pytest.mark.parametrize(("value", "what"), [("nowhere", "not a folder"), ("bin", "not an NDK")])
def test_a_folder_that_is_no_ndk_is_wrong(machine: Machine, value: str, what: str) -> None:
    machine.variables["ANDROID_NDK_HOME"] = str(machine.folder / value)
    found = by_name(machine)["Android NDK"]
    assert (found.status, what in found.found) == ("wrong", True)
    assert "ANDROID_NDK_HOME" in found.to_do


@pytest.mark.parametrize(
    ("said", "status", "found"),
    [
        ("cmake version 3.22.0", "ok", "3.22.0"),
        ("cmake version 4.0.1-rc1", "ok", "4.0.1"),
        ("cmake version 3.21.9", "wrong", "3.21.9, older than 3.22"),
        ("no such thing", "wrong", None),
    ],
)
def test_cmake_is_new_enough_or_not(
    machine: Machine, said: str, status: str, found: str | None
) -> None:
    path = machine.program("cmake", said)
    check = by_name(machine)["CMake"]
    assert (check.status, check.found) == (status, found or f"{path} prints no version")
    assert bool(check.to_do) == (status != "ok")


def test_a_cmake_that_can_not_be_started_is_wrong(machine: Machine) -> None:
    machine.program("cmake").write_bytes(b"\x7fELF of another machine")
    assert by_name(machine)["CMake"].status == "wrong"


@pytest.mark.parametrize("name", ["ninja", "make"])
def test_either_build_program_will_do(machine: Machine, name: str) -> None:
    path = machine.program(name)
    assert by_name(machine)["build program"].found == str(path)


@pytest.mark.parametrize(
    "place", ["lib/libMNN.so", "lib/arm64-v8a/libMNN.so", "arm64-v8a/libMNN.so", "libMNN.so"]
)
def test_mnn_below_its_root(machine: Machine, place: str) -> None:
    machine.variables["MNN_ROOT"] = str(machine.folder / "mnn")
    found = by_name(machine)["MNN for the runner"]
    assert found.status == "wrong"
    assert "MNN/Interpreter.hpp, no " in found.found
    machine.file("mnn/include/MNN/Interpreter.hpp")
    library = machine.file(f"mnn/{place}")
    found = by_name(machine)["MNN for the runner"]
    assert (found.status, found.found) == ("ok", str(library))


def test_mnn_by_its_two_parts(machine: Machine) -> None:
    library = machine.file("engine.so")
    machine.variables["MNN_LIBRARY"] = str(library)
    found = by_name(machine)["MNN for the runner"]
    assert (found.status, found.found) == ("wrong", "MNN_INCLUDE_DIR is not set")
    machine.variables["MNN_INCLUDE_DIR"] = str(
        machine.file("headers/MNN/Interpreter.hpp").parent.parent
    )
    found = by_name(machine)["MNN for the runner"]
    assert (found.status, found.found) == ("ok", str(library))


def test_the_cross_compiler_is_found(machine: Machine) -> None:
    path = machine.program("aarch64-linux-gnu-g++")
    found = by_name(machine)["linux-arm64 compiler"]
    assert (found.status, found.found) == ("ok", str(path))
