"""What a worker sends back can be sent, and it says nothing on stdout."""

from __future__ import annotations

import copyreg
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asymm_deploy.errors import ConversionError, DeployError, ExitCode, HarnessError, UsageError
from asymm_deploy.export import pipeline
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.result import Result
from asymm_deploy.export.worker import export_in_worker
from asymm_deploy.models.names import parse
from asymm_deploy.models.source import NamedNetwork

NET = NamedNetwork(parse("asymmnet_small_035"))


class _ForeignError(Exception):
    """One that no other process can unpickle."""

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("can't be pickled")


def export_that_raises(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    def fail(_request: object, _work: object, notes: list[str]) -> None:
        notes.append("a remark")
        raise error from _ForeignError()

    # Dask has every exception of this process pickled with its cause, once a test has imported it.
    for each in [*copyreg.dispatch_table]:
        if issubclass(each, BaseException):
            monkeypatch.delitem(copyreg.dispatch_table, each)
    monkeypatch.setattr(pipeline, "export_model", fail)
    result = export_in_worker(ExportRequest(NET, tmp_path), tmp_path)
    sent: Result = pickle.loads(pickle.dumps(result))
    assert sent.manifest is None
    assert sent.notes == ("a remark",)
    return sent


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("what", "hint"), ExitCode.USAGE),
        (ConversionError("what", "hint"), ExitCode.CONVERSION),
        (HarnessError("what", "hint", exit_code=ExitCode.UNSTABLE), ExitCode.UNSTABLE),
    ],
)
def test_a_failure_arrives_as_it_was_whatever_caused_it(
    error: DeployError,
    code: ExitCode,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    failure = export_that_raises(error, tmp_path, monkeypatch).failure
    assert type(failure) is type(error)
    assert failure is not None
    assert (failure.what, failure.hint, failure.exit_code) == ("what", "hint", code)
    assert "Traceback" not in capfd.readouterr().err


def test_what_nobody_expected_is_a_failed_conversion_with_its_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    failure = export_that_raises(KeyError("odd"), tmp_path, monkeypatch).failure
    assert isinstance(failure, ConversionError)
    assert failure.what == "an unexpected error: KeyError: 'odd'"
    assert "Traceback" in capfd.readouterr().err


def test_a_prepared_worker_ignores_ctrl_c_and_prints_to_stderr_alone() -> None:
    code = (
        "import os, signal, sys, torch\n"
        "from asymm_deploy.export.worker import prepare_worker\n"
        "prepare_worker(3)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print('from Python')\n"
        "os.write(1, b'from native code')\n"
        "sys.exit(torch.get_num_threads())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 3 != -signal.SIGINT
    assert done.stdout == ""
    assert "from Python" in done.stderr
    assert "from native code" in done.stderr
