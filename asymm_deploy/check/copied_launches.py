"""Refuses launches that were copied: two processes never take the same times, run by run.

What may be the same by chance depends on the clock. So the chance that two runs show the same time
is estimated from the samples themselves: few runs, or runs on a coarse clock, may well agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import launched
from asymm_deploy.errors import UsageError

_UNLIKELY = 1e-5
"""A coincidence of two launches that is rarer than this is none."""
_FEWEST_TO_FIT = 5
"""Runs. Two are always a line, and three may well be."""
_MOST_SAMPLES = 10_000
"""Of a launch, in the search for copies that were changed; more would take minutes."""

_Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FoundLaunch:
    """A launch, and where it stands."""

    path: Path
    line: int
    record: LaunchRecord

    @property
    def place(self) -> str:
        """Return it in words: ``launch 3 of net (old/runs.jsonl, line 4)``."""
        return launch_place(self.record, self.path, self.line)


@dataclass(frozen=True)
class LaunchFile:
    """The records of one file."""

    path: Path
    records: Sequence[LaunchRecord]

    @cached_property
    def first_lines(self) -> dict[bytes, FoundLaunch]:
        """Each launch where it stands first, by what was measured, in the order of the file.

        Bench writes a launch again when it judges another way.
        """
        found: dict[bytes, FoundLaunch] = {}
        for line, record in enumerate(self.records, start=1):
            found.setdefault(launched.measured(record), FoundLaunch(self.path, line, record))
        return found


def launch_place(record: LaunchRecord, path: Path, line: int) -> str:
    """Return a launch in words, with its file and its line, which counts from 1."""
    return f"launch {record.launch} of {record.model} ({path}, line {line})"


def refuse_copied(files: Sequence[LaunchFile]) -> None:
    """Raise UsageError, naming both, if two launches have the same samples.

    The same launch may stand in several lines and files: bench writes it again when it judges
    another way, and folders are copied.
    """
    by_samples: dict[tuple[int, ...], list[FoundLaunch]] = {}
    for found in _launches(files):
        by_samples.setdefault(found.record.samples_ns, []).append(found)
    for samples, same in by_samples.items():
        once = {launched.measured(found.record): found for found in reversed(same)}
        if len(once) < 2 or len(samples) < 2:  # single runs say nothing about the clock
            continue
        models = {found.record.model for found in same}
        pool = [
            other
            for other, of in by_samples.items()
            if not models.isdisjoint(found.record.model for found in of)
        ]
        tie = max(_chance_of_a_tie(pool), _own_ties(samples))
        # As many launches as there are may by chance be so many equal ones, in any combination.
        combinations = math.comb(len(pool) + len(once) - 1, len(once))
        exponent = len(samples) * (len(once) - 1)
        if math.log(combinations) + exponent * math.log(tie) < math.log(_UNLIKELY):
            one, other, *_ = sorted(once.values(), key=same.index)
            raise _copied(one, other, f"have the same {len(samples)} samples")


def refuse_shared(baseline: Sequence[FoundLaunch], candidate: Sequence[FoundLaunch]) -> None:
    """Raise UsageError if one launch is in use on both sides."""
    ours = {launched.measured(found.record): found for found in baseline}
    for found in candidate:
        same = ours.get(launched.measured(found.record))
        if same is not None:
            raise UsageError(
                f"{same.place} in the baseline is {found.place} in the candidate: a launch can't "
                "be of both",
                "bench the candidate, with an --out of its own",
            )


def refuse_nearly_copied(launches: Sequence[FoundLaunch]) -> None:
    """Raise UsageError, naming both, if a launch looks like another one that was changed.

    That is one with many of its samples in the same places, or with all of them multiplied, moved
    by a constant or in another order.
    """
    of_length: dict[int, list[FoundLaunch]] = {}
    for found in launches:
        of_length.setdefault(len(found.record.samples_ns), []).append(found)
    for length, same in of_length.items():
        if length < _FEWEST_TO_FIT or len(same) < 2:
            continue
        samples = np.array([x.record.samples_ns[:_MOST_SAMPLES] for x in same], dtype=np.float64)
        tie = _chance_of_a_tie([x.record.samples_ns[:_MOST_SAMPLES] for x in same])
        ordered = np.sort(samples, axis=1)
        tick = float(np.diff(np.unique(samples)).min(initial=np.inf))
        for one, first in enumerate(same[:-1]):
            others = slice(one + 1, None)
            equal = (samples[one] == samples[others]).sum(axis=1)
            most = int(equal.argmax())
            own = max(tie, _own_ties(first.record.samples_ns[:_MOST_SAMPLES]))
            if _is_no_coincidence(int(equal[most]), samples.shape[1], own):
                what = f"share {equal[most]} of {length} samples"
                raise _copied(first, same[one + 1 + most], what)
            alike = np.flatnonzero(_are_multiples(ordered[one], ordered[others], tick))
            if len(alike):
                what = "have the same samples, but for a factor, a constant or their order"
                raise _copied(first, same[one + 1 + int(alike[0])], what)


def _launches(files: Sequence[LaunchFile]) -> Iterator[FoundLaunch]:
    for file in files:
        for line, record in enumerate(file.records, start=1):
            if record.error is None:
                yield FoundLaunch(file.path, line, record)


def _chance_of_a_tie(pool: Sequence[Sequence[int]]) -> float:
    """Return the chance that two runs show the same time; never 0, as samples are not endless."""
    values = np.concatenate([np.asarray(samples, dtype=np.int64) for samples in pool])
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    pairs = len(values) * (len(values) - 1) / 2
    return float(((counts * (counts - 1) / 2).sum() + 1) / (pairs + 1))


def _own_ties(samples: Sequence[int]) -> float:
    """Return the share of a launch's pairs of runs that are equal: 1 without any variance."""
    counts = np.unique(np.asarray(samples, dtype=np.int64), return_counts=True)[1]
    pairs = len(samples) * (len(samples) - 1) / 2
    return float((counts * (counts - 1.0) / 2).sum() / pairs) if pairs else 0.0


def _is_no_coincidence(equal: int, runs: int, tie: float) -> bool:
    """Whether so many of ``runs`` can't be equal by chance (the bound of the binomial's tail)."""
    return equal > 1 and equal * math.log(tie) + runs * math.log(2) < math.log(_UNLIKELY)


def _are_multiples(one: _Samples, others: _Samples, tick: float) -> npt.NDArray[np.bool_]:
    """Return which rows of ``others`` are ``one`` times a factor plus a constant, rounded to ns.

    All are sorted, and their samples are some steps apart from each other. Those of another process
    would have to fall on the right ``tick`` of the clock within each step.
    """
    middle = one - one.mean()
    rest = others - others.mean(axis=1, keepdims=True)
    factor = rest @ middle / max(1.0, float(middle @ middle))
    rounding = np.maximum(1.0, factor)
    step = np.maximum(1.0, np.median(np.diff(others, axis=1), axis=1))
    chance = np.minimum(1.0, (2 * rounding + tick) / step)
    telling = (len(one) - 2) * np.log(chance) < math.log(_UNLIKELY)
    off = np.abs(rest - factor[:, None] * middle).max(axis=1)
    found: npt.NDArray[np.bool_] = telling & (off <= rounding)
    return found


def _copied(one: FoundLaunch, other: FoundLaunch, what: str) -> UsageError:
    return UsageError(
        f"{one.place} and {other.place} {what}: one is a copy of the other",
        "remove the copy, or bench again with another --out; nothing was changed",
    )
