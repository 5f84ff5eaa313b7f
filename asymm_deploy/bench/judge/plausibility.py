"""Times that nothing can have measured: a runner made them up, or somebody edited a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.errors import ExitCode, UsageError
from asymm_deploy.text import counted

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

FEWEST_TO_COMPARE = 5
"""Runs. Of fewer, the coarser clocks can show the same times twice by chance."""
_CLOCKS_AGREE = 1.01
"""The runner's clock may be another machine's, and may not be corrected while ours is."""
_ROUNDING_NS = 10**6


def told_too_long(record: LaunchRecord) -> str | None:
    """Return what says that a launch can't have taken as long as it is said to; None if it can.

    The timed loop holds the runs, and the process holds the loop and the loading of the model.
    """
    runs_ns = sum(record.samples_ns)
    if record.wall_ns is not None and runs_ns > record.wall_ns:
        return (
            f"its runs add up to {_seconds(runs_ns)}, and the loop around them took "
            f"{_seconds(record.wall_ns)}"
        )
    if record.process_ns is None:
        return None
    inside_ns = max(runs_ns, record.wall_ns or 0) + (record.init_ns or 0)
    if is_longer(inside_ns, record.process_ns):
        return (
            f"its runs and the loading of the model are said to take {_seconds(inside_ns)}, and "
            f"the runner's process lived for {_seconds(record.process_ns)}"
        )
    return None


def is_longer(inside_ns: int, process_ns: int) -> bool:
    """Whether what a runner says it did took longer than our own clock saw its process live."""
    return inside_ns > process_ns * _CLOCKS_AGREE + _ROUNDING_NS


def is_invariant(samples_ns: Sequence[int]) -> bool:
    """Whether all of these runs took equally long, which no clock shows of real ones."""
    return len(samples_ns) >= FEWEST_TO_COMPARE and min(samples_ns) == max(samples_ns)


def repeated(finished: Sequence[LaunchRecord]) -> tuple[LaunchRecord, LaunchRecord] | None:
    """Return two launches with the same times, run by run; None if there are none.

    Short launches may agree by chance, but not one after the other. Launches of equal runs
    throughout are no pair: ``is_invariant`` tells of them.
    """
    seen: dict[tuple[int, ...], list[LaunchRecord]] = {}
    for record in finished:
        samples = record.samples_ns
        same = seen.setdefault(samples, [])
        if len(same) * len(samples) >= FEWEST_TO_COMPARE and min(samples) != max(samples):
            return same[0], record
        same.append(record)
    return None


def refuse_impossible(records: Iterable[LaunchRecord], path: Path) -> None:
    """Raise UsageError for what no runner reports: somebody has edited the file.

    A number that is not whole (NaN) does not get this far: its line can't be read.
    """
    for number, record in enumerate(records, start=1):
        refuse_impossible_launch(record, path, number)
        if record.error is not None:
            continue
        if len(record.samples_ns) != record.runs:
            raise _edited(
                path,
                number,
                f"{record.model} has {len(record.samples_ns)} samples of "
                f"{counted(record.runs, 'run')}",
            )
        told = _told_of_turns(record)
        if told is not None:
            raise _edited(path, number, f"{record.model}: {told}")


def refuse_impossible_launch(record: LaunchRecord, path: Path, number: int) -> None:
    """Raise UsageError for what no runner reports of a launch, however many samples are kept."""
    for name, most in _MOST.items():
        value = getattr(record, name)
        if value is not None and not 0 <= value <= most:
            raise _edited(path, number, f"{record.model} has {_a(name)} of {_short(value)}")
    if record.exit_code not in _EXIT_CODES:
        raise _edited(path, number, f"{record.model} has an exit_code of {record.exit_code}")
    if record.error is not None:
        return
    wrong = next((ns for ns in record.samples_ns if not 0 < ns <= HOUR_NS), None)
    if wrong is not None:
        raise _edited(path, number, f"{record.model} has a run of {_short(wrong)} ns")
    told = told_too_long(record)
    if told is not None:
        raise _edited(path, number, f"{record.model}: {told}")


def _told_of_turns(record: LaunchRecord) -> str | None:
    """Return what a record says of turns that it can't have run in; None if all is well."""
    paired = record.paired
    if paired is None:
        return None
    runs = len(record.samples_ns)
    for what, values in (("processor times", paired.cpu_ns), ("starts", paired.start_ns)):
        if values is not None and len(values) != runs:
            return f"it has {len(values)} {what} of {counted(runs, 'run')}"
        wrong = next((ns for ns in values or () if not 0 <= ns <= 24 * HOUR_NS), None)
        if wrong is not None:
            return f"among its {what} is {_short(wrong)} ns"
    return None


def _seconds(ns: float) -> str:
    return f"{ns / 1e9:.3g} s"


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
