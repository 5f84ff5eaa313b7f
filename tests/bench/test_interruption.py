"""Ctrl-C and kill -9 lose at most the launch in flight, and leave no runner behind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.artifact import Artifact

DEADLINE_S = 60.0


class Harness(Protocol):
    def start(self, *arguments: object) -> subprocess.Popen[str]: ...


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_lines(folder: Path) -> int:
    path = folder / store.NAME
    return path.read_bytes().count(b"\n") if path.exists() else 0


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if platform.system() == "Linux":
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def hanging(fake_runner: Callable[[str], Path]) -> Path:
    """A runner that hangs in its third launch, and not when it is started again."""
    return fake_runner("if launch == 2: time.sleep(600)")


def has_hung(runner: Path) -> bool:
    """Whether its third launch has begun."""
    started = runner.parent / "started"
    return started.exists() and started.read_text().count("\n") == 3


def test_ctrl_c_keeps_finished_launches_and_ends_the_runner(
    artifact: Artifact, harness: Harness, hanging: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = (artifact.path, artifact.sha256, out, 5, 5, hanging)
    with harness.start(*arguments) as bench:
        until(lambda: has_hung(hanging))
        bench.send_signal(signal.SIGINT)
        _said, complaint = bench.communicate(timeout=DEADLINE_S)
    assert bench.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in complaint
    runner = int((hanging.parent / "started").read_text().split()[2])
    until(lambda: not alive(runner))
    kept = store.load(out)
    assert [record.launch for record in kept] == [0, 1]

    with harness.start(*arguments) as again:
        said, _complaint = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0
    assert "BenchResumed(kept=2)" in said
    assert store.load(out)[:2] == kept
    assert [record.launch for record in store.load(out)] == [0, 1, 2, 3, 4]


@pytest.mark.skipif(platform.system() != "Linux", reason="finds children through /proc")
def test_kill_9_ends_the_real_runner(artifact: Artifact, harness: Harness, tmp_path: Path) -> None:
    # It would take minutes: it is killed well within its first timed loop.
    with harness.start(artifact.path, artifact.sha256, tmp_path, 2, 2_000_000, "") as bench:
        until(lambda: bool(children(bench.pid)))
        (runner,) = children(bench.pid)
        until(lambda: processor_seconds(runner) > 1.0)
        bench.kill()
        bench.wait(DEADLINE_S)
    until(lambda: not alive(runner))
    assert count_lines(tmp_path) == 0


def test_kill_9_in_the_middle_of_a_write_keeps_finished_launches(
    artifact: Artifact, harness: Harness, hanging: Path, tmp_path: Path
) -> None:
    arguments = (artifact.path, artifact.sha256, tmp_path / "out", 5, 5, hanging)
    with harness.start(*arguments) as bench:
        until(lambda: has_hung(hanging))
        bench.kill()
        bench.wait(DEADLINE_S)
    _end_hanging(hanging)
    kept = store.load(tmp_path / "out")
    path = tmp_path / "out" / store.NAME
    path.write_bytes(path.read_bytes() + path.read_bytes()[:500])

    with harness.start(*arguments) as again:
        said, complaint = again.communicate(timeout=DEADLINE_S)
    assert again.returncode == 0, complaint
    assert "ended in the middle of a line; 500 bytes of it went to runs.jsonl.torn" in said
    assert "BenchResumed(kept=2)" in said
    records = store.load(tmp_path / "out")
    assert records[:2] == kept
    assert [record.launch for record in records] == [0, 1, 2, 3, 4]


def test_a_second_bench_on_the_folder_is_refused(
    artifact: Artifact, harness: Harness, hanging: Path, tmp_path: Path
) -> None:
    arguments = (artifact.path, artifact.sha256, tmp_path / "out", 5, 5, hanging)
    with harness.start(*arguments) as first:
        until(lambda: has_hung(hanging))
        with harness.start(*arguments) as second:
            said, _complaint = second.communicate(timeout=DEADLINE_S)
        assert second.returncode == 3
        assert f"process {first.pid}, since 20" in said
        first.kill()
        first.communicate(timeout=DEADLINE_S)
    _end_hanging(hanging)
    with harness.start(*arguments) as third:
        third.communicate(timeout=DEADLINE_S)
    assert third.returncode == 0


def _end_hanging(runner: Path) -> None:
    """The fake runner has no --die-with."""
    pid = int((runner.parent / "started").read_text().split()[2])
    if alive(pid):
        os.kill(pid, signal.SIGKILL)
