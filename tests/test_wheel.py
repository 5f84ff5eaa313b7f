"""What is published works: the sdist makes the wheel, and the wheel runs where no checkout is.

The wheel is installed into a new environment. That sees the dependencies of this one through a
.pth file, which names the folder without processing the .pth files in it: so the editable install
of the checkout stays out of sight, and nothing has to be downloaded.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path, PurePosixPath

import pytest

import asymm_deploy

ROOT = Path(__file__).parent.parent
VERSION = asymm_deploy.__version__
ROOTS = ("asymm_deploy", f"asymm_deploy-{VERSION}.dist-info")

SMALL_NETWORK = """\
from torch import nn

def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )
"""


@dataclass(frozen=True)
class Built:
    sdist: Path
    wheel: Path

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            names = [PurePosixPath(name) for name in archive.getnames()]
        assert {name.parts[0] for name in names} == {f"asymm_deploy-{VERSION}"}
        return {str(PurePosixPath(*name.parts[1:])) for name in names}

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def read(self, name: str) -> str:
        with zipfile.ZipFile(self.wheel) as archive:
            return archive.read(f"asymm_deploy-{VERSION}.dist-info/{name}").decode()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The sdist of the checkout, and the wheel that was built from that sdist alone."""
    folder = tmp_path_factory.mktemp("dist")
    # `build` makes the wheel from the sdist unless it is told otherwise.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    return Built(sdist, wheel)


def files_in_git(*which: str) -> set[str]:
    """The files that git tracks, or with ``--others`` those that it would track."""
    command = ["git", "ls-files", "--exclude-standard", *which]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, so nothing says which files are the project's")
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


# what is in the files


def test_the_sdist_has_every_tracked_file_and_nothing_that_git_ignores(built: Built) -> None:
    assert files_in_git("--cached") - built.in_sdist() == set()
    ours = files_in_git("--cached", "--others")
    assert built.in_sdist() - ours == {"PKG-INFO"}


def test_the_wheel_has_the_package_and_the_runners_sources_and_no_more(built: Built) -> None:
    ours = files_in_git("--cached", "--others")
    wanted = {name for name in ours if name.startswith("asymm_deploy/")}
    wanted |= {f"asymm_deploy/{name}" for name in ours if name.startswith("android_harness/")}
    info = {name for name in built.in_wheel() if name.startswith(ROOTS[1])}
    assert built.in_wheel() - info == wanted
    assert {name.split("/", 1)[1] for name in info} == {
        "METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "report/paper/table5.csv",
        "report/page/page.js",
        "report/page/page.css",
        "android_harness/CMakeLists.txt",
        "android_harness/CMakePresets.json",
        "android_harness/src/main.cpp",
    ],
)
def test_the_wheel_has_what_is_no_module(built: Built, name: str) -> None:
    assert f"asymm_deploy/{name}" in built.in_wheel()


def test_pypi_shows_the_readme_with_links_that_lead_somewhere(built: Built) -> None:
    metadata = Parser().parsestr(built.read("METADATA"))
    assert metadata["Description-Content-Type"] == "text/markdown"
    shown = str(metadata.get_payload())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(shown.splitlines()) == len(readme.splitlines())
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", []))
    base = f"{urls['Repository']}/blob/v{VERSION}/"
    links = re.findall(r"\]\(([^)]+)\)", shown)
    assert any(link.startswith(base) for link in links)
    relative = [link for link in links if not link.startswith(("https://", "#"))]
    assert relative == []
    for link in links:
        if link.startswith(base):
            assert (ROOT / link.removeprefix(base).split("#")[0]).exists(), link


# the wheel, installed


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and an empty folder to work in, both outside the checkout."""

    environment: Path
    work: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "SLIPCOVER", "ASYMM_DEPLOY"))
        }
        program, *arguments = command
        return subprocess.run(
            [str(self.environment / "bin" / program), *arguments],
            cwd=self.work,
            env=environ | {"HOME": str(self.work), "XDG_DATA_HOME": str(self.work)} | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, clear=True, with_pip=False)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    pip += ["install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, str(built.wheel)], check=True, timeout=120)
    (site_packages,) = (environment / "lib").glob("python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n")
    work = tmp_path_factory.mktemp("work")
    (work / "my_models.py").write_text(SMALL_NETWORK)
    return Installed(environment, work)


def test_the_new_environment_knows_nothing_of_the_checkout(installed: Installed) -> None:
    code = "import json, sys, asymm_deploy; print(json.dumps([asymm_deploy.__file__, sys.path]))"
    done = installed.run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    file, path = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed.environment)
    assert not installed.work.is_relative_to(ROOT)
    assert ROOT not in [Path(entry) for entry in path]


def test_the_installed_program_says_its_version(installed: Installed) -> None:
    done = installed.run("asymm-deploy", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[-1] == VERSION


def test_the_installed_program_lists_the_models(installed: Installed) -> None:
    done = installed.run("asymm-deploy", "models", "*_small_035", "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    names = {row["name"] for row in csv.DictReader(io.StringIO(done.stdout))}
    assert {"asymmnet_small_035", "pruned_small_035", "mbv3_small_035"} <= names


def test_the_installed_program_exports_and_times_a_module(installed: Installed) -> None:
    model = ("my_models:small", "--input-shape", "1,3,8,8")
    done = installed.run("asymm-deploy", "export", *model)
    assert done.returncode == 0, done.stderr
    exported = {path.name for path in (installed.work / "artifacts" / "my_models.small").iterdir()}
    assert {"model.onnx", "model.mnn", "manifest.json", "reference.npz"} <= exported

    allowed = [f"--allow={flag}" for flag in ("bimodal", "launch-spread", "stolen-time")]
    quick = ("--runs=20", "--launches=2", "--warmup=2", *allowed)
    done = installed.run("asymm-deploy", "bench", *model, *quick, "--format=csv")
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["model"], row["runs"], row["valid"]) == ("my_models.small", "20", "true")
    assert float(row["latency_mean_ms"]) > 0


def test_the_installed_program_reports_counts_beside_the_papers(installed: Installed) -> None:
    done = installed.run("asymm-deploy", "report", "--table", "3", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 20
    assert (rows[0]["madds"], rows[0]["paper_input"]) == ("5419008", "224x224x3")


def test_no_runner_is_built_yet_and_its_sources_are_there(installed: Installed) -> None:
    done = installed.run("asymm-deploy", "runner", "where")
    assert (done.returncode, done.stdout) == (3, "")
    error, hint = done.stderr.splitlines()
    assert error == "error: there is no runner for phones yet"
    assert hint.startswith("hint: ")
    assert "asymm-deploy runner build" in hint


def test_the_installed_program_finds_the_runners_sources_before_it_looks_for_a_compiler(
    installed: Installed,
) -> None:
    done = installed.run("asymm-deploy", "runner", "build", PATH=str(installed.environment / "bin"))
    assert done.returncode == 3
    assert done.stderr.startswith("error: not installed: aarch64-linux-gnu-g++, cmake, ninja\n")
