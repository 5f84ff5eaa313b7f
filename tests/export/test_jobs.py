"""Models are exported side by side; one that fails, or whose process dies, stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from asymm_deploy.errors import ConversionError, ExitCode, NumericsError
from asymm_deploy.export import jobs
from asymm_deploy.export.jobs import ExportOutcome, export_all
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.processes.task_process import TaskEnd
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.result import Result
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.names import parse
from asymm_deploy.models.source import CallableModule, NamedNetwork, Source
from asymm_deploy.models.spec import at_resolution

SaveExport = Callable[..., Manifest]
SMALL = NamedNetwork(at_resolution(parse("asymmnet_small_035"), (1, 3, 64, 64)))


def ended(result: Result | None, source: Source = SMALL, **more: Any) -> ExportOutcome:
    """What becomes of a task that ended so."""
    return jobs._outcome(ExportRequest(source, Path("out")), TaskEnd(0, result, **more))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"reason": "signal 9"}, "that exported asymmnet_small_035 ended without a result (signal"),
        ({"reason": "ENOMEM", "started": False}, "no process could be started to export asymm"),
    ],
)
def test_a_worker_that_died_is_a_failed_conversion_of_that_model(
    more: dict[str, Any], what: str
) -> None:
    outcome = ended(None, **more)
    assert outcome.status == "failed"
    assert isinstance(outcome.failure, ConversionError)
    assert what in outcome.failure.what
    assert outcome.failure.hint
    assert outcome.exit_code == ExitCode.CONVERSION


def test_a_users_code_is_named_where_it_may_have_ended_the_process() -> None:
    outcome = ended(None, CallableModule("nets", "make", ()), reason="exit code 0")
    assert outcome.failure is not None
    assert "look in nets for what ends a program, such as os._exit" in outcome.failure.hint


def test_results_become_outcomes(save_export: SaveExport) -> None:
    made, failure = save_export(), NumericsError("off", "look")
    good = ended(Result(made, None, ("a remark",)))
    assert (good.status, good.manifest, good.notes) == ("exported", made, ("a remark",))
    assert good.exit_code == ExitCode.OK
    bad = ended(Result(None, failure, ("a remark",)))
    assert (bad.status, bad.failure, bad.notes) == ("failed", failure, ("a remark",))
    assert bad.exit_code == ExitCode.NUMERICS


def requests_in(out: Path, save_export: SaveExport, *names: str) -> list[ExportRequest]:
    requests = [ExportRequest(NamedNetwork(parse(name)), out) for name in names]
    for request in requests:
        save_export(request.folder, fingerprint=request.fingerprint())
    return requests


def no_worker(*_arguments: object, **_more: object) -> None:
    raise AssertionError("a process was started")


def test_what_is_fresh_needs_no_process_and_comes_in_order(
    tmp_path: Path, save_export: SaveExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_export_stale", no_worker)
    names = [f"asymmnet_small_{width:03}" for width in (100, 35, 75, 50)]
    requests = requests_in(tmp_path, save_export, *names)
    heard: list[ExportOutcome] = []
    outcomes = export_all(requests, jobs=2, on_outcome=heard.append)
    assert [outcome.request for outcome in outcomes] == requests
    assert heard == outcomes
    assert {outcome.status for outcome in outcomes} == {"unchanged"}


def test_a_request_that_can_not_be_looked_at_fails_alone(
    tmp_path: Path, save_export: SaveExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_export_stale", no_worker)
    requests = requests_in(tmp_path, save_export, "asymmnet_small_035", "asymmnet_small_050")
    (requests[0].folder / "manifest.json").write_text('{"schema_version": 99}')
    outcomes = export_all(requests, jobs=2)
    assert [outcome.status for outcome in outcomes] == ["failed", "unchanged"]
    assert [outcome.exit_code for outcome in outcomes] == [ExitCode.USAGE, ExitCode.OK]


def test_force_exports_what_is_fresh(
    tmp_path: Path, save_export: SaveExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = requests_in(tmp_path, save_export, "asymmnet_small_035")
    monkeypatch.setattr(jobs, "_export_stale", no_worker)
    with pytest.raises(AssertionError, match="a process was started"):
        export_all(requests, jobs=1, force=True)


def test_a_folder_in_use_is_waited_for_and_the_user_is_told(
    tmp_path: Path, save_export: SaveExport
) -> None:
    requests = requests_in(tmp_path, save_export, "asymmnet_small_035")
    told: list[Path] = []
    waits = threading.Event()

    def hear(folder: Path) -> None:
        told.append(folder)
        waits.set()

    other = FileLock(tmp_path / ".lock", thread_local=False)
    other.acquire()
    done: list[list[ExportOutcome]] = []
    export = threading.Thread(
        target=lambda: done.append(export_all(requests, jobs=1, on_wait=hear)), daemon=True
    )
    export.start()
    assert waits.wait(30)
    time.sleep(0.1)
    assert done == []
    other.release()
    export.join(30)
    assert told == [tmp_path]
    assert done[0][0].status == "unchanged"


def test_what_a_killed_export_left_is_tidied_up(tmp_path: Path, save_export: SaveExport) -> None:
    requests = requests_in(tmp_path, save_export, "asymmnet_small_035")
    (tmp_path / ".work-abc" / "deep").mkdir(parents=True)
    (tmp_path / ".work-abc" / "deep" / "model.onnx").write_text("half")
    (tmp_path / "work-of-mine").mkdir()
    export_all(requests, jobs=1)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock",
        "asymmnet_small_035",
        "work-of-mine",
    }


def test_a_worker_that_is_killed_leaves_the_others_and_no_litter(tmp_path: Path) -> None:
    dying = CallableModule("os", "abort", (InputShape(None, (1, 3)),))
    sources: tuple[Source, ...] = (dying, SMALL)
    requests = [ExportRequest(source, tmp_path) for source in sources]
    dead, alive = export_all(requests, jobs=2)
    assert dead.failure is not None
    assert dead.failure.what == (
        "the process that exported os.abort ended without a result (signal 6)"
    )
    assert alive.status == "exported"
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "asymmnet_small_035"}


def test_a_model_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "EXPORT_TIMEOUT_S", 0.5)
    slow = CallableModule("signal", "pause", (InputShape(None, (1, 3)),))
    (outcome,) = export_all([ExportRequest(slow, tmp_path)], jobs=1)
    assert outcome.failure is not None
    assert outcome.failure.what == (
        "the process that exported signal.pause ended without a result (it took over 0.5 s)"
    )
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


CODE = """
import os, signal, sys, threading, time, torch

class Own(BaseException):
    pass

class Silent(Exception):
    def __str__(self):
        raise Own("not even that")

def net():
    return torch.nn.Sequential(torch.nn.Linear(4, 30), torch.nn.Tanh())

def exits():
    os._exit(0)

def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)

def closes_everything():
    os.closerange(3, 1000)
    return net()

def exits_and_leaves_a_child():
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)

def a_thread_exits():
    threading.Thread(target=os._exit, args=(0,)).start()
    time.sleep(600)

def raises_its_own():
    raise Own("mine")

def raises_generator_exit():
    raise GeneratorExit

def raises_keyboard_interrupt():
    raise KeyboardInterrupt

def raises_what_says_nothing():
    raise Silent

class Raises(torch.nn.Module):
    def forward(self, x):
        raise Own("in forward")

class RaisesInEval(torch.nn.Module):
    def eval(self):
        raise Own("in eval")

def leaves_a_thread_and_a_child():
    threading.Thread(target=time.sleep, args=(600,)).start()
    if os.fork() == 0:
        time.sleep(600)
    return net()
"""
DIED = "ended without a result"


@pytest.mark.parametrize(
    ("callables", "code", "says"),
    [
        (("exits", "closes_everything"), ExitCode.CONVERSION, DIED),
        (("is_killed", "a_thread_exits"), ExitCode.CONVERSION, DIED),
        (("exits_and_leaves_a_child",), ExitCode.CONVERSION, f"{DIED} (exit code 0)"),
        (("raises_its_own",), ExitCode.USAGE, "raised Own: mine"),
        (("raises_generator_exit",), ExitCode.USAGE, "raised GeneratorExit"),
        (("raises_keyboard_interrupt",), ExitCode.USAGE, "raised KeyboardInterrupt"),
        (("raises_what_says_nothing",), ExitCode.USAGE, "raised Silent"),
        (("Raises",), ExitCode.USAGE, "it raises Own: in forward"),
        (("RaisesInEval",), ExitCode.CONVERSION, "an unexpected error: Own: in eval"),
        (("leaves_a_thread_and_a_child",), ExitCode.OK, ""),
    ],
)
def test_whatever_a_users_code_does_its_export_ends_at_once(
    callables: tuple[str, ...],
    code: ExitCode,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "a_users_traps.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    shape = (InputShape(None, (1, 4)),)
    requests = [
        ExportRequest(CallableModule("a_users_traps", name, shape), tmp_path / "out")
        for name in callables
    ]
    for outcome in export_all(requests, jobs=2):
        assert outcome.exit_code == code
        assert says in (outcome.failure.what if outcome.failure else "")
    assert not list((tmp_path / "out").glob(".work*"))
