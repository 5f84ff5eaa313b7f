"""What a results folder knows of operators: explained.jsonl, a line a model and device."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from asymm_deploy import jsonl
from asymm_deploy.explain.explanation import (
    EXPLAINED_NAME,
    EXPLAINED_SCHEMA_VERSION,
    Explanation,
)
from asymm_deploy.record_files import RecordFile, opened_records

Explained: TypeAlias = RecordFile[Explanation]
"""The explanations that a folder has."""


def opened_explained(
    folder: Path, on_repair: Callable[[str], None]
) -> AbstractContextManager[Explained]:
    """Hold ``folder``'s explanations; see ``opened_records``."""
    return opened_records(
        folder / EXPLAINED_NAME,
        Explanation,
        EXPLAINED_SCHEMA_VERSION,
        lock=".explain.lock",
        doing="explaining into",
        on_repair=on_repair,
    )


def read_explained(path: Path) -> jsonl.Lines[Explanation]:
    """Return what ``path`` holds, nothing if it isn't there. Raises UsageError if it is damaged."""
    return jsonl.read_lines(path, Explanation, EXPLAINED_SCHEMA_VERSION)


def latest_explained(records: Iterable[Explanation]) -> list[Explanation]:
    """Return the last record of each model, device and precision, in the order of these three."""
    latest = {(each.model, each.device, each.precision): each for each in records}
    return [latest[which] for which in sorted(latest)]
