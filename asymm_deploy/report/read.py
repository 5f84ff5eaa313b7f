"""A results folder -> its rows, without touching a byte of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.records import RowSummary
from asymm_deploy.errors import UsageError

_TO_TRY = "run `asymm-deploy bench` first, or name the folder that it wrote"


def rows_in(results: Path, on_torn: Callable[[str], None] = lambda _: None) -> list[RowSummary]:
    """Return a row for each model and setting in a results folder, or in a runs.jsonl itself.

    A bench may be writing to it. ``on_torn`` is told in a line if the last launch is not whole;
    it is left out and the file stays as it is. Raises UsageError if there is nothing to read.
    """
    try:
        path = results if results.is_file() else results / store.NAME
        if not path.is_file():
            raise UsageError(f"there are no results in {results}", _TO_TRY)
        if path.name != store.NAME:
            raise UsageError(f"{path} is no {store.NAME}", _TO_TRY)
        found = store.read_runs(path)
        rows = stats.latest_rows(found.records)
        if found.torn:
            on_torn(f"{path} ends within a line, which is left out: one launch is not whole")
    except OSError as error:
        raise UsageError(f"can't read {results}: {error.strerror or error}", _TO_TRY) from error
    if not rows:
        raise UsageError(f"{path} has no whole launch", _TO_TRY)
    return rows
