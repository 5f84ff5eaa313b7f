"""The house is in order: rooms know only those to their left, and start fast."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asymm_deploy"
ROOMS = (
    *("models", "engines", "images", "export", "bench", "lab"),
    *("explain", "evaluate", "history", "report", "check"),
)
BESIDE = ("report", "check")
"""Side by side at the end of the way: neither knows the other."""
GARDEN = "postprocess"
"""For users' programs: it knows the models alone, and of the rooms only evaluate knows it."""
TRAINING = "timm"
"""For users' training: it knows the models and how images become inputs, and no room knows it."""
HALL = ("__main__", "cli", "commands", "doctor")
"""What sees all rooms, and what no room may see."""
SHELF = (
    *("bounds", "errors", "files", "jsonl", "locks", "record_files"),
    *("safe", "signals", "text", "versioned"),
)
"""Single files that any room may use, and that know no room."""
SIBLINGS: dict[str, str] = {
    "rendered": "a report in the format of its file, in check/outputs",
    "main": "where a program starts: ours, and the runner",
    "COLUMNS": "the columns of the table that the file makes, in report/",
}
"""Names that several files share on purpose: one verb over things of one kind."""
MOST_LINES = 350
MOST_FILES = 15


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
    closed = (*others, *HALL, TRAINING, *(() if room == "evaluate" else (GARDEN,)))
    wrong = {
        (path.name, name)
        for path in (PACKAGE / room).rglob("*.py")
        for name in imports_of(path)
        if name.split(".")[1:2] and name.split(".")[1] in closed
    }
    assert wrong == set()


def test_every_room_and_file_at_the_top_is_known_here() -> None:
    top = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }
    assert top == {"__init__", *ROOMS, GARDEN, TRAINING, *HALL, *SHELF}


@pytest.mark.parametrize("name", SHELF)
def test_what_every_room_uses_knows_no_room(name: str) -> None:
    used = {imported.split(".")[1] for imported in imports_of(PACKAGE / f"{name}.py")}
    assert used <= {*SHELF, "__version__"}


def test_only_the_command_line_knows_its_commands() -> None:
    users = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("asymm_deploy.commands") for name in imports_of(path))
    }
    assert users == {"cli.py", "commands"}


@pytest.mark.parametrize("home", ["host", "phone"])
def test_what_judges_is_pure_and_knows_no_home_of_the_runner(home: str) -> None:
    knowing = {
        path.name
        for path in (PACKAGE / "bench" / "judge").rglob("*.py")
        if any(name.startswith(f"asymm_deploy.bench.{home}") for name in imports_of(path))
    }
    assert knowing == set()


def test_no_file_holds_more_than_one_idea_and_no_folder_too_many_files() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > MOST_LINES
    }
    full = {
        str(folder.relative_to(PACKAGE)): count
        for folder in {path.parent for path in PACKAGE.rglob("*.py")}
        if (count := sum(path.stem != "__init__" for path in folder.glob("*.py"))) > MOST_FILES
    }
    assert (long, full) == ({}, {})


def public_names() -> dict[str, list[str]]:
    """Return where each public class, function and constant is defined at the top of a file."""
    found: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names = [node.target.id]
            for name in names:
                if not name.startswith("_"):
                    found.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    return found


def test_a_name_stands_for_one_thing_so_that_grep_finds_it() -> None:
    names = {name: places for name, places in public_names().items() if len(places) > 1}
    assert names.keys() <= SIBLINGS.keys(), "rename one, or say below why they are one thing"
    files: dict[str, list[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if path.stem not in {"__init__", "__main__"}:
            files.setdefault(path.name, []).append(str(path.relative_to(PACKAGE)))
    several = {
        name: places
        for name, places in files.items()
        if len([place for place in places if not place.startswith("commands/")]) > 1
    }
    assert several == {}


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


def test_what_timm_gets_knows_the_models_and_the_preprocessing_alone() -> None:
    ours = {
        name.split(".")[1]
        for path in (PACKAGE / TRAINING).rglob("*.py")
        for name in imports_of(path)
    }
    assert ours <= {"models", "images", TRAINING, *SHELF}


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
        "commands.bench_steps",
        "commands.check_progress",
        "check.comparison",
        "bench.measure",
        "bench.runner",
        "export.jobs",
        "report.tables",
    ],
)
def test_torch_is_imported_only_where_a_model_is_built(module: str) -> None:
    code = (
        f"import sys, asymm_deploy.{module}; "
        "heavy = {'torch', 'onnxruntime', 'onnxsim', 'huggingface_hub'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_dependency_is_pinned_and_explained() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    reasons = (ROOT / "docs/adr/0001-dependencies.md").read_text(encoding="utf-8").lower()
    for requirement in project["dependencies"]:
        name = requirement.split(">")[0].lower()
        assert f"\n{name}==" in pins
        assert name in reasons
