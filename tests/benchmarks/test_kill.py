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
