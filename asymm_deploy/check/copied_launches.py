"""Refuses launches that were copied: two processes never take the same times, run by run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import launched
from asymm_deploy.check.copies import (
    chance_of_a_tie,
    first_near_copy,
    is_no_coincidence,
    own_ties,
)
from asymm_deploy.errors import UsageError


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

    def finished(self, launches: Sequence[LaunchRecord]) -> list[FoundLaunch]:
        """Return those of ``launches``, from this file, that finished; each with its first line."""
        wanted = {launched.measured(record) for record in launches if record.error is None}
        return [found for measured, found in self.first_lines.items() if measured in wanted]


def launch_place(record: LaunchRecord, path: Path, line: int) -> str:
    """Return a launch in words, with its file and its line, which counts from 1."""
    return f"launch {record.launch} of {record.model} ({path}, line {line})"


def refuse_copied(files: Sequence[LaunchFile]) -> None:
    """Raise UsageError, naming both, if two launches have the same samples.

    The same launch may stand in several lines and files: bench writes it again when it judges
    another way, and folders are copied.
    """
    groups: dict[tuple[int, ...], dict[bytes, FoundLaunch]] = {}
    for found in _launches(files):
        same = groups.setdefault(found.record.samples_ns, {})
        same.setdefault(launched.measured(found.record), found)
    ties: dict[frozenset[str], tuple[int, float]] = {}
    for samples, same in groups.items():
        if len(same) < 2 or len(samples) < 2:  # single runs say nothing about the clock
            continue
        models = frozenset(found.record.model for found in same.values())
        if models not in ties:
            pool = [
                other
                for other, of in groups.items()
                if not models.isdisjoint(found.record.model for found in of.values())
                for _ in of
            ]
            ties[models] = len(pool), chance_of_a_tie(np.concatenate(pool))
        count, tie = ties[models]
        if is_no_coincidence(len(samples), len(same), count, max(tie, own_ties(samples))):
            one, other, *_ = same.values()
            raise _copied(one, other, f"have the same {len(samples)} samples")


def refuse_shared(sides: Mapping[str, Sequence[FoundLaunch]]) -> None:
    """Raise UsageError if one launch is in use on two sides; the keys say which, in words."""
    seen: dict[bytes, tuple[str, FoundLaunch]] = {}
    for side, launches in sides.items():
        for found in launches:
            other, same = seen.setdefault(launched.measured(found.record), (side, found))
            if other != side:
                raise UsageError(
                    f"{same.place} in {other} is {found.place} in {side}: a launch can't be of "
                    "both",
                    "bench each version into a folder of its own, with --out",
                )


def refuse_nearly_copied(launches: Sequence[FoundLaunch]) -> None:
    """Raise UsageError, naming both, if a launch looks like another one that was changed.

    They may be of several models: what is slower or faster may be a copy too.
    """
    models = {launch.record.model for launch in launches}
    found = first_near_copy(
        [launch.record.samples_ns for launch in launches], of_one_model=len(models) == 1
    )
    if found is not None:
        raise _copied(launches[found.one], launches[found.other], found.how)


def _launches(files: Sequence[LaunchFile]) -> Iterator[FoundLaunch]:
    for file in files:
        for line, record in enumerate(file.records, start=1):
            if record.error is None:
                yield FoundLaunch(file.path, line, record)


def _copied(one: FoundLaunch, other: FoundLaunch, what: str) -> UsageError:
    return UsageError(
        f"{one.place} and {other.place} {what}: one is a copy of the other",
        "remove the copy, or bench again with another --out; nothing was changed",
    )
