"""The house is in order: rooms know only those to their left, and start fast."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asymm_deploy"
ROOMS = ("models", "engines", "export", "bench", "report", "check")
BESIDE = ("report", "check")
"""Side by side at the end of the way: neither knows the other."""
GARDEN = "postprocess"
"""For users' programs: it knows the models alone, and no room knows it."""
HALL = ("cli", "console", "benching", "checking", "describe", "phones", "doctor", "native")
"""What sees all rooms, and what no room may see."""


def imports_of(path: Path) -> set[str]:
    """Every module of ours that a file imports, functions' own imports included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("asymm_deploy")}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_the_rooms_to_its_left_and_never_those_to_its_right(room: str) -> None:
    others = set(BESIDE) - {room} if room in BESIDE else ROOMS[ROOMS.index(room) + 1 :]
    closed = (*others, *HALL, GARDEN)
    wrong = {
        (path.name, name)
        for path in (PACKAGE / room).rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[1:2] and name.split(".")[1] in closed
    }
    assert wrong == set()


def test_what_comes_after_a_network_knows_the_models_alone_and_needs_numpy_alone() -> None:
    ours = {
        name.split(".")[1] for path in (PACKAGE / GARDEN).rglob("*.py") for name in imports_of(path)
    }
    assert ours <= {"models", GARDEN}
    code = (
        "import sys; from asymm_deploy.postprocess import action, detection, face, pose; "
        "sys.exit(', '.join({'torch', 'pandas', 'onnx', 'MNN'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_pandas_begins_in_the_report() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if "import pandas" in path.read_text(encoding="utf-8")
    }
    assert users == {"report"}


@pytest.mark.parametrize(
    "module",
    [
        "cli",
        "benching",
        "checking",
        "bench.measure",
        "bench.runner",
        "export.jobs",
        "report.tables",
    ],
)
def test_torch_is_imported_only_where_a_model_is_built(module: str) -> None:
    code = (
        f"import sys, asymm_deploy.{module}; "
        "sys.exit(', '.join({'torch', 'onnxruntime', 'onnxsim'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_the_programs_own_help() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asymm_deploy.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.split("<!-- help begin -->")[1].split("<!-- help end -->")[0]
    body = shown.strip().removeprefix("```text").removeprefix("```").removesuffix("```")
    lines = [line.rstrip() for line in body.strip().splitlines()]
    assert lines == [line.rstrip() for line in done.stdout.strip().splitlines()]


def test_every_dependency_is_pinned_and_explained() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    reasons = (ROOT / "docs/adr/0001-dependencies.md").read_text(encoding="utf-8").lower()
    for requirement in project["dependencies"]:
        name = requirement.split(">")[0].lower()
        assert f"\n{name}==" in pins
        assert name in reasons
