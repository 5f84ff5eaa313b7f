"""Reads the rows of a results folder, without changing anything in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asymm_deploy import jsonl
from asymm_deploy.bench import store
from asymm_deploy.bench.cold.cold_store import COLD_NAME, cold_runs_of
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import curves_in
from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.accuracy import ACCURACY_CSV
from asymm_deploy.evaluate.accuracy_rows import ACCURACIES, MeasuredTop1, trained_top1
from asymm_deploy.evaluate.tasks.task_rows import TASKS, TASKS_CSV, trained_figures
from asymm_deploy.files import read_regular, require_regular
from asymm_deploy.models.spec import IMAGENET_CLASSES

_TO_TRY = "run `asymm-deploy bench` first, or give the folder that it wrote"


def rows_in(
    results: Path, on_torn: Callable[[str], None] = lambda _: None, *, may_lack: bool = False
) -> list[RowSummary]:
    """Return one row for each model and setting in a results folder, or in a given runs.jsonl.

    A bench may be writing to it at the same time. If the last launch is incomplete it is left out,
    and ``on_torn`` gets a line that says so. Raises UsageError if there is nothing to read; a
    folder that ``may_lack`` a runs.jsonl has no rows then.
    """
    try:
        path = results / store.NAME if results.is_dir() else results
        if may_lack and results.is_dir() and not path.exists():
            return []
        if not path.exists():
            _refuse_others(results)
            raise UsageError(f"there are no results in {results}", _TO_TRY)
        require_regular(path)
        if path.name != store.NAME:
            raise UsageError(f"{path} is not a {store.NAME}", _TO_TRY)
        found = store.read_runs(path)
        store.refuse_of_check(
            found.records,
            path,
            "give a folder that `asymm-deploy bench` wrote; check has tables of its own",
        )
        rows = stats.latest_rows(found.records)
        if found.torn:
            on_torn(f"{path} ends in the middle of a line; that launch is left out")
    except OSError as error:
        where = error.filename or results
        raise UsageError(f"can't read {where}: {error.strerror or error}", _TO_TRY) from error
    if not rows:
        raise UsageError(f"{path} has no complete launch", _TO_TRY)
    return rows


def _refuse_others(results: Path) -> None:
    """Raise UsageError if a folder has cold starts or sustained benches, or damage in their place.

    Raises OSError where one of their files can't be read.
    """
    found = {}
    for name, called, are_there in (
        (COLD_NAME, "cold starts", lambda raw, path: cold_runs_of(raw, path).records),
        (SUSTAINED_NAME, "sustained benches", lambda raw, path: curves_in(raw, path)[0]),
    ):
        path = results / name
        if path.is_symlink() or path.exists():
            if not are_there(read_regular(path), path):
                raise UsageError(f"{path} has no complete launch", _TO_TRY)
            found[called] = path.with_suffix(".csv").name
    if found:
        raise UsageError(
            f"{results} has {' and '.join(found)} alone, and no launches to report",
            f"see {' and '.join(found.values())} there, or make a page: "
            "`asymm-deploy report RESULTS --page FILE.html`",
        )


def accuracies_in(results: Path) -> dict[str, MeasuredTop1]:
    """Return what `asymm-deploy evaluate` measured of trained models with ImageNet's classes.

    That is nothing where it wasn't run. Raises UsageError if accuracy.csv can't be read.
    """
    folder = results if results.is_dir() else results.parent
    try:
        return trained_top1(ACCURACIES.read(folder), IMAGENET_CLASSES)
    except ValueError as error:
        raise UsageError(
            f"{folder / ACCURACY_CSV} is damaged: {error}",
            "move it away, and repeat `asymm-deploy evaluate`, which runs nothing again",
        ) from error


def task_figures_in(results: Path, data: str) -> dict[str, dict[str, float]]:
    """Return what `asymm-deploy evaluate` measured of trained models on all of ``data``.

    By model and metric, in percent; nothing where it wasn't run. Raises UsageError if tasks.csv
    can't be read.
    """
    folder = results if results.is_dir() else results.parent
    try:
        return trained_figures(TASKS.read(folder), data)
    except ValueError as error:
        raise UsageError(
            f"{folder / TASKS_CSV} is damaged: {error}",
            "move it away, and repeat `asymm-deploy evaluate`, which runs nothing again",
        ) from error


def costs_in(results: Path) -> list[CostRecord]:
    """Return what `asymm-deploy cost` counted into a results folder, or beside a given runs.jsonl.

    That is nothing where it wasn't run. Raises UsageError if it can't be read.
    """
    path = (results if results.is_dir() else results.parent) / COSTS_NAME
    try:
        require_regular(path)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}",
            "move it away, or count again with `asymm-deploy cost`",
        ) from error
    return jsonl.read_lines(path, CostRecord, COSTS_SCHEMA_VERSION).records
