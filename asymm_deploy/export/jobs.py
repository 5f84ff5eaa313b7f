"""Export several models at once, each in its own process; one that fails doesn't stop the rest."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal

from asymm_deploy.errors import ConversionError, DeployError, ExitCode, UsageError
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.processes.task_process import TaskEnd, run_tasks
from asymm_deploy.export.quantize.variant_request import VariantRequest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.files import ensure_folder, require_regular, require_text
from asymm_deploy.models.source import CallableModule
from asymm_deploy.signals import holding_back_ctrl_c

if TYPE_CHECKING:
    from asymm_deploy.export.result import Result

EXPORT_TIMEOUT_S = 1800
"""Limit for one model. The largest of the paper's networks takes two seconds."""

_WORK_PREFIX = ".work-"
_HAS_AFFINITY = hasattr(os, "sched_getaffinity")


@dataclass(frozen=True)
class ExportOutcome:
    """The result of one request: a manifest or a failure, and remarks for the user."""

    request: ExportRequest
    status: Literal["exported", "unchanged", "failed"]
    manifest: Manifest | None = None
    failure: DeployError | None = None
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """OK, or the exit code of the failure."""
        return ExitCode.OK if self.failure is None else self.failure.exit_code


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if _HAS_AFFINITY else os.cpu_count() or 1


def export_all(
    requests: Sequence[ExportRequest],
    *,
    jobs: int,
    force: bool = False,
    on_outcome: Callable[[ExportOutcome], None] = lambda _outcome: None,
    on_wait: Callable[[Path], None] = lambda _folder: None,
) -> list[ExportOutcome]:
    """Export what is missing or stale among ``requests``; return outcomes in their order.

    All requests write to one folder; ``jobs`` of them run at a time. The exports that variants are
    made of come first, whether they are among the requests or not. ``on_outcome`` is called with
    each outcome as it is known, ``on_wait`` if another export holds the folder. A KeyboardInterrupt
    ends the workers and keeps the models that are done. Raises UsageError if the folder can't be
    written.
    """
    out = requests[0].out
    require_text(out, "rename the folder, or give another one for the artifacts")
    ensure_folder(out, "artifacts")
    everything = [*requests, *_missing_exports(requests)]
    outcomes: dict[int, ExportOutcome] = {}
    told: dict[Path, tuple[str, ...]] = {}

    def settle(index: int, outcome: ExportOutcome) -> None:
        outcomes[index] = outcome
        request = outcome.request
        if index >= len(requests):
            told[request.folder] = tuple(f"{request.text}: {note}" for note in outcome.notes)
            return
        if isinstance(request, VariantRequest):  # the first says what is to be said of its export
            notes = (*told.pop(request.base.folder, ()), *outcome.notes)
            outcomes[index] = outcome = replace(outcome, notes=notes)
        on_outcome(outcome)

    def settle_all(indices: Sequence[int]) -> None:
        asked = [(everything[i], force and i < len(requests)) for i in indices]
        known = _without_export(asked)
        stale = []
        for index, outcome in zip(indices, known, strict=True):
            if outcome is None:
                stale.append(index)
            else:
                settle(index, outcome)
        if stale:
            with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX, dir=out) as work:
                _export_stale(everything, stale, jobs=jobs, work=Path(work), settle=settle)

    with _locked(out, on_wait):
        variants = {i: x for i, x in enumerate(everything) if isinstance(x, VariantRequest)}
        exports = [i for i in range(len(everything)) if i not in variants]
        settle_all(exports)
        of_folder = {everything[i].folder: outcomes[i] for i in exports}
        exported = []
        for index, variant in variants.items():
            base = of_folder[variant.base.folder]
            if base.failure is None:
                exported.append(index)
            else:
                settle(index, replace(base, request=variant, notes=()))
        settle_all(exported)
    return [outcomes[index] for index in range(len(requests))]


def _missing_exports(requests: Sequence[ExportRequest]) -> list[ExportRequest]:
    """Return the exports that variants are made of and that are not among the requests."""
    bases = [each.base for each in requests if isinstance(each, VariantRequest)]
    there = {each.folder for each in requests}
    return list({each.folder: each for each in bases if each.folder not in there}.values())


def _without_export(
    asked: Sequence[tuple[ExportRequest, bool]],
) -> Iterator[ExportOutcome | None]:
    """Yield the outcome of each request that needs no export, and None for the others.

    Each comes with whether it is to be exported whatever is there.

    Hashing releases the GIL, so threads keep all cores and the disk busy. Nobody waits for them
    after Ctrl-C: a file may be large, or on a disk that doesn't answer.
    """

    def check(request: ExportRequest, force: bool) -> ExportOutcome | None:
        try:
            manifest = None if force else request.fresh_manifest()
        except DeployError as error:
            return ExportOutcome(request, "failed", failure=error)
        return None if manifest is None else ExportOutcome(request, "unchanged", manifest)

    outcomes: list[Future[ExportOutcome | None]] = [Future() for _ in asked]
    waiting = deque(zip(outcomes, asked, strict=True))

    def work() -> None:
        with suppress(IndexError):
            while True:
                outcome, request = waiting.popleft()
                try:
                    outcome.set_result(check(*request))
                except BaseException as error:
                    outcome.set_exception(error)

    try:
        for _ in range(min(cores(), len(asked))):
            Thread(target=work, name="hashing", daemon=True).start()
        for outcome in outcomes:
            yield outcome.result()
    finally:
        waiting.clear()


def _export_stale(
    requests: Sequence[ExportRequest],
    stale: Sequence[int],
    *,
    jobs: int,
    work: Path,
    settle: Callable[[int, ExportOutcome], None],
) -> None:
    workers = min(jobs, len(stale))
    threads_each = max(1, cores() // workers)
    ends = run_tasks(
        _export,
        [(requests[index], work, threads_each) for index in stale],
        at_once=workers,
        timeout_s=EXPORT_TIMEOUT_S,
        context=fork_server_context(),
    )
    with closing(ends):
        for end in ends:
            index = stale[end.index]
            settle(index, _outcome(requests[index], end))


def fork_server_context() -> Any:
    """Return a context of multiprocessing whose fork server is up, unless it can't be.

    It takes seconds to load torch. Ctrl-C ends that wait, and the server; it reaches the server as
    well, which ignores it once it has got so far.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["asymm_deploy.export.processes.fork_server"])
    try:
        with suppress(OSError, EOFError):  # the first model's process will tell why
            with holding_back_ctrl_c():
                forkserver.ensure_running()
            first = context.Process(target=os.getpid)
            first.start()  # returns once the server is up
            first.join()
    except KeyboardInterrupt:
        server = vars(forkserver)["_forkserver"]._forkserver_pid
        if server is not None:
            os.kill(server, signal.SIGKILL)
        raise
    return context


def _export(request: ExportRequest, work: Path, threads: int) -> Result:
    from asymm_deploy.export import worker

    worker.prepare_worker(threads)
    return worker.export_in_worker(request, work)


def _outcome(request: ExportRequest, end: TaskEnd[Result]) -> ExportOutcome:
    model, result = request.source.model, end.result
    if result is None:
        if end.started:
            failure: DeployError = ConversionError(
                f"the process that exported {model} ended without a result ({end.reason})",
                _what_may_end_a_process(request),
            )
        else:
            failure = ConversionError(
                f"no process could be started to export {model}: {end.reason}",
                "set TMPDIR to a shorter path: a socket's name has about 100 characters at most"
                if "AF_UNIX" in end.reason
                else "see the messages above; usually it is memory or the limit on processes",
            )
        return ExportOutcome(request, "failed", failure=failure)
    if result.failure is not None:
        return ExportOutcome(request, "failed", failure=result.failure, notes=result.notes)
    return ExportOutcome(request, "exported", result.manifest, notes=result.notes)


def _what_may_end_a_process(request: ExportRequest) -> str:
    usual = "a converter's native code crashed, or memory ran out; try --jobs 1"
    if isinstance(request.source, CallableModule):
        return (
            f"look in {request.source.module} for what ends a program, such as os._exit; or {usual}"
        )
    return usual


@contextmanager
def _locked(out: Path, on_wait: Callable[[Path], None]) -> Iterator[None]:
    """Lock the folder against other exports, and remove what a killed one has left in it."""
    from filelock import FileLock, Timeout

    lock = FileLock(out / ".lock")
    try:
        with suppress(FileNotFoundError):
            require_regular(out / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait(out)
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        raise UsageError(
            f"can't lock {out / '.lock'}: {getattr(error, 'strerror', None) or error}",
            "remove it if no export is running, or give another folder with --out",
        ) from error
    try:
        for left in out.glob(f"{_WORK_PREFIX}*"):
            if left.is_dir() and not left.is_symlink():  # a pipe would keep us waiting
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
