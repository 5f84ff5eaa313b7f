"""The counting of what kills lose: nothing of a good program, and each thing of a bad one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import kill

PROGRAM = """
import sys, tempfile, time
from pathlib import Path
out, kind = Path(sys.argv[1]), sys.argv[2]
out.mkdir(exist_ok=True)
runs = out / "runs.jsonl"
if kind == "leaves a file":
    tempfile.mkstemp()
if kind == "forgets":
    runs.unlink(missing_ok=True)
try:
    for number in range(len(runs.read_text().splitlines()) if runs.exists() else 0, 4):
        with runs.open("a") as file:
            file.write(f'{{"launch": {number}, "try": {time.time_ns()}}}\\n')
        time.sleep(0.1)
except KeyboardInterrupt:
    sys.exit(130)
"""


def killed(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)

    def make(_folder: Path, out: Path) -> kill.Trial:
        return kill.Trial(
            (str(program), str(out), kind), frozenset((0,)), out, kill._lines, lambda _out: []
        )

    def prepare(folder: Path) -> None:
        for name in ("home", "tmp"):
            (folder / name).mkdir()

    monkeypatch.setattr(kill, "_COMMAND", sys.executable)
    monkeypatch.setattr(kill, "_TRIALS", {"program": make})
    monkeypatch.setattr(kill, "_prepare", prepare)
    monkeypatch.setattr(kill, "_GRACE_S", 0.3)
    monkeypatch.setattr(kill, "KINDS", ("SIGKILL",))  # the others may come before its own handler
    return kill.main(["--kills=3", "--seed=1"])


def test_a_program_that_goes_on_where_it_stopped_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert killed("is good", monkeypatch, tmp_path) == 0
    said = capsys.readouterr()
    assert "| program | 3 |" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("kind", "loss"),
    [("leaves a file", "is left"), ("forgets", "was finished and is gone")],
)
def test_what_a_program_loses_is_told(
    kind: str,
    loss: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert killed(kind, monkeypatch, tmp_path) == 1
    assert loss in capsys.readouterr().err


IN_PYTHON = """\
Traceback (most recent call last):
  File "/venv/bin/asymm-deploy", line 4, in <module>
    from asymm_deploy.__main__ import main
  File "<frozen importlib._bootstrap>", line 1176, in _find_and_load
"""
IN_OURS = '  File "/venv/lib/asymm_deploy/cli.py", line 30, in main\n'
FATAL = "Fatal Python error: init_import_site: Failed to import the site module\n"


@pytest.mark.parametrize(
    ("code", "said", "is_pythons"),
    [
        (-2, IN_PYTHON + "KeyboardInterrupt\n", True),
        (-2, "", True),
        (1, FATAL + IN_PYTHON + "KeyboardInterrupt\n", True),
        (1, "KeyboardInterrupt\n", True),
        (-2, IN_PYTHON + IN_OURS + "KeyboardInterrupt\n", False),
        (1, IN_PYTHON + "KeyboardInterrupt\n", False),
        (-2, IN_PYTHON + "ImportError: cannot import name 'main'\n", False),
        (-2, "interrupted; everything that was finished is kept\n", False),
        (1, "", False),
        (3, FATAL + IN_PYTHON + "KeyboardInterrupt\n", False),
    ],
)
def test_a_ctrl_c_before_any_line_of_ours_is_told_apart(
    code: int, said: str, is_pythons: bool
) -> None:
    assert kill.is_of_pythons_start(code, said) is is_pythons
