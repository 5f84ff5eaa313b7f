"""The native runner without MNN, built once for each preset, for all tests and workers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from asymm_deploy.bench import native_build
from tests.bench.quick_builds import build_quickly

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "android_harness"
FAKE_MNN = SOURCE / "tests" / "fake_mnn"
COMPILERS = {
    "host": "c++",
    "host-asan": "c++",
    "linux-arm64": "aarch64-linux-gnu-g++",
}
# A unity build compiles each standard header once. `native_build.build` makes the optimised build.
UNITY = "-DCMAKE_UNITY_BUILD=ON"
QUICKLY = {
    "host": (UNITY, "-DCMAKE_CXX_FLAGS_RELEASE=-O0"),
    "host-asan": (UNITY, "-DCMAKE_CXX_FLAGS_RELEASE=-O0"),
    "linux-arm64": (UNITY, "-DCMAKE_CXX_FLAGS_RELEASE=-O0"),
}
QEMU = ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")


def step(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def need(*tools: str) -> None:
    """Skip the test where a tool is not installed, and say which."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@dataclass(frozen=True)
class Tree:
    """The folder that a preset was built in."""

    folder: Path
    emulator: tuple[str, ...]

    def command(self) -> list[str]:
        """Starts the runner; skips the test where nothing here can run it."""
        if self.emulator:
            need(self.emulator[0])
        return [*self.emulator, str(self.folder / native_build.PROGRAM)]


@pytest.fixture(scope="session")
def tree(shared: Path) -> Callable[[str], Tree]:
    """Builds a preset without MNN, tests included, unless that is done already."""

    def built(preset: str) -> Tree:
        need("cmake", "ninja", COMPILERS[preset])
        folder = shared / f"runner-{preset}"
        with FileLock(f"{folder}.lock"):
            if not (folder / "whole").exists():
                options = ["-B", str(folder), "-G", "Ninja", *QUICKLY[preset]]
                step(["cmake", "--preset", preset, *options], SOURCE)
                step(["cmake", "--build", str(folder)], SOURCE)
                (folder / "whole").touch()
        return Tree(folder, QEMU if preset == "linux-arm64" else ())

    return built


@pytest.fixture(scope="session")
def with_vulkan(shared: Path) -> Path:
    """A runner with an MNN that has Vulkan in a library of its own, and no Module API."""
    folder, root = shared / "with-vulkan", shared / "mnn-with-vulkan"
    compiler = ("c++", "-std=c++17", "-shared", "-fPIC", f"-I{FAKE_MNN / 'include'}")
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            (root / "lib").mkdir(parents=True)
            (root / "include").symlink_to(FAKE_MNN / "include")
            engine = (str(FAKE_MNN / "mnn.cpp"), "-Wl,-soname,libMNN.so")
            step([*compiler, *engine, "-o", str(root / "lib" / "libMNN.so")], SOURCE)
            driver, library = root / "libvulkan.so", root / "lib" / "libMNN_Vulkan.so"
            made = (str(FAKE_MNN / "vulkan.cpp"), "-Wl,-soname,libvulkan.so", "-o", str(driver))
            step([*compiler, *made], SOURCE)
            linked = ("-Wl,--no-as-needed", str(driver), f"-Wl,-rpath,{root}", "-o", str(library))
            step([*compiler, *linked], SOURCE)
            with pytest.MonkeyPatch.context() as patched:
                build_quickly(patched)
                native_build.build_native_runner("host", into=folder, mnn_root=root)
    return folder


@pytest.fixture(scope="session")
def shared_object(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """What the emulator's plugin decides with, without QEMU."""
    need("cc")
    path = tmp_path_factory.mktemp("emulator") / "parts.so"
    sources = [str(SOURCE / "emulator" / name) for name in ("a64.c", "caches.c")]
    step(["cc", "-O1", "-shared", "-fPIC", *sources, "-o", str(path)], SOURCE)
    return ctypes.CDLL(str(path))
