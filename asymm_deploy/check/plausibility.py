"""Refuses launches in a file that nothing can have measured: somebody edited it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.errors import ExitCode, UsageError

_MOST = {
    "init_ns": 24 * HOUR_NS,
    "peak_memory_mb": 1e7,
    "madds": 2**63,
    "params": 2**63,
    "floor_madds": 2**63,
}
"""The most that a field may hold; times and memory as in ``wire``, which refuses more."""
_EXIT_CODES = set(ExitCode) - {ExitCode.REGRESSION, ExitCode.INTERRUPTED}
"""A launch never has those two."""
_DIGITS = 20


def refuse_impossible(records: Iterable[LaunchRecord], path: Path) -> None:
    """Raise UsageError for what no runner reports: somebody has edited the file.

    A number that is not whole (NaN) does not get this far: its line can't be read.
    """
    for number, record in enumerate(records, start=1):
        for name, most in _MOST.items():
            value = getattr(record, name)
            if value is not None and not 0 <= value <= most:
                raise _edited(path, number, f"{record.model} has {_a(name)} of {_short(value)}")
        if record.exit_code not in _EXIT_CODES:
            raise _edited(path, number, f"{record.model} has an exit_code of {record.exit_code}")
        if record.error is not None:
            continue
        wrong = next((ns for ns in record.samples_ns if not 0 < ns <= HOUR_NS), None)
        if wrong is not None:
            raise _edited(path, number, f"{record.model} has a run of {_short(wrong)} ns")
        if len(record.samples_ns) != record.runs:
            raise _edited(
                path,
                number,
                f"{record.model} has {len(record.samples_ns)} samples of {record.runs} runs",
            )


def _a(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _short(value: float) -> str:
    digits = f"{value:g}" if isinstance(value, float) else str(value)
    return digits if len(digits) <= _DIGITS else f"{digits[:_DIGITS]}..."


def _edited(path: Path, number: int, what: str) -> UsageError:
    return UsageError(
        f"{path}, line {number}: {what}, which can't have been measured",
        "restore the file as it was, or measure again with another --out; nothing was changed",
    )
