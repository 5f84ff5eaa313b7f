"""A task in a process of its own ends with a result or with a reason, whatever it does."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.export.processes import task_process
from asymm_deploy.export.processes.task_process import TaskEnd, run_tasks

SPAWN = multiprocessing.get_context("spawn")


def ends_of(task: Any, *arguments: tuple[object, ...], **more: Any) -> list[TaskEnd[Any]]:
    settings = {"at_once": 2, "timeout_s": 60.0, "context": SPAWN, **more}
    return sorted(run_tasks(task, arguments, **settings), key=lambda end: end.index)


def test_results_come_back_with_their_places() -> None:
    ends = ends_of(divmod, (7, 2), (9, 4), (1, 1))
    assert ends == [TaskEnd(0, (3, 1)), TaskEnd(1, (2, 1)), TaskEnd(2, (1, 0))]


@pytest.mark.parametrize("code", [0, 7])
def test_an_exit_without_a_result_is_told_with_its_code(code: int) -> None:
    assert ends_of(os._exit, (code,)) == [TaskEnd(0, None, f"exit code {code}")]


def _leave_a_child_and_exit() -> None:
    if os.fork() == 0:
        time.sleep(20)  # it holds all pipes that it has inherited
    os._exit(0)


def test_a_child_that_is_left_behind_keeps_nobody_waiting() -> None:
    start = time.monotonic()
    assert ends_of(_leave_a_child_and_exit, ()) == [TaskEnd(0, None, "exit code 0")]
    assert time.monotonic() - start < 15


def test_an_error_is_no_result() -> None:
    assert ends_of(divmod, (1, 0), (4, 2)) == [TaskEnd(0, None, "exit code 1"), TaskEnd(1, (2, 0))]


def test_a_result_that_can_not_be_sent_is_no_result() -> None:
    assert ends_of(open, (os.devnull,)) == [TaskEnd(0, None, "exit code 1")]


def test_one_that_takes_too_long_is_ended() -> None:
    start = time.monotonic()
    assert ends_of(time.sleep, (600,), timeout_s=0.5) == [TaskEnd(0, None, "it took over 0.5 s")]
    assert time.monotonic() - start < 60


def test_no_process_is_left_where_the_caller_stops_listening(tmp_path: Path) -> None:
    tasks = run_tasks(
        _tell, [(0.0, tmp_path), (600.0, tmp_path)], at_once=2, timeout_s=60, context=SPAWN
    )
    with closing(tasks):
        first = next(tasks)
    assert first.index == 0
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)


def _tell(seconds: float, folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(seconds)


def test_a_process_that_can_not_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object, **_more: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(task_process, "_Running", refused)
    (end,) = ends_of(divmod, (1, 1))
    assert (end.result, end.started) == (None, False)
    assert "temporarily unavailable" in end.reason


def test_a_ctrl_c_while_a_process_starts_ends_that_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Process.start
    started: list[Any] = []

    def interrupted(process: Any) -> None:
        start(process)
        started.append(process)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(context.Process, "start", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # deaf to it in `make test &`
    try:
        with pytest.raises(KeyboardInterrupt):
            list(run_tasks(time.sleep, [(600,)], at_once=1, timeout_s=600, context=context))
    finally:
        signal.signal(signal.SIGINT, before)
    assert started[0].exitcode == -signal.SIGKILL
