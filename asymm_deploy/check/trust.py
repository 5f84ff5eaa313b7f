"""Launches that were read from a file, and can't have been measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError


def refuse_impossible(records: Iterable[LaunchRecord], path: Path) -> None:
    """Raise UsageError for samples that no clock gives: somebody has edited the file.

    What is no whole number (NaN) does not get as far as here: the line can't be read.
    """
    for number, record in enumerate(records, start=1):
        if record.error is not None:
            continue
        if any(ns <= 0 for ns in record.samples_ns):
            raise _edited(path, number, f"{record.model} has a run of {min(record.samples_ns)} ns")
        if len(record.samples_ns) != record.runs:
            raise _edited(
                path,
                number,
                f"{record.model} has {len(record.samples_ns)} samples of {record.runs} runs",
            )


def _edited(path: Path, number: int, what: str) -> UsageError:
    return UsageError(
        f"{path}, line {number}: {what}, which can't have been measured",
        "remove that line or measure again; nothing was changed",
    )
