"""Recorded launches of both designs in one file: each run's times, and what disturbed the launch.

A scenario has paired launches, and rounds of separate launches: all arms in random order, and then
the same backwards, so that any two of them make an ABBA or BAAB block.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

ARMS = ("base", "again", "plus3", "plus5", "plus10")
"""Those of separate launches; a paired launch holds the first one and another."""
UNDISTURBED = ("quiet", "others at work", "few others at work")
"""The first scenario's name, and its names if other people use the machine meanwhile."""
DISTURBED = ("other core loaded", "same core loaded")
_NS_PER_STEP = 100
"""Times are kept to a tenth of a microsecond, which is finer than they vary."""

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class PairedLaunches:
    """Paired launches, one an entry, in the order in which they were made."""

    arm: npt.NDArray[np.str_]
    """What was paired with the base."""
    order: npt.NDArray[np.int64]
    """(launches, 2): the side that was loaded first, the one that ran first; the base is 0."""
    times_ns: npt.NDArray[np.int64]
    """(launches, 2 sides, wall and processor, pairs); the base first; 0 behind the last pair."""
    flags: npt.NDArray[np.str_]
    """What voids the launch, by spaces."""
    alone: npt.NDArray[np.str_]
    """Flags that only a launch of one model would have had, by spaces."""
    split: npt.NDArray[np.float64]
    """Share of pairs that were interrupted for long."""
    stolen: npt.NDArray[np.float64]
    """Share of the loop that others took from the core, as far as the system counts it."""
    load: npt.NDArray[np.float64]
    """Processes that wanted to run, on average over a minute."""
    seconds: npt.NDArray[np.float64]
    """How long the launch took, with its process."""


@dataclass(frozen=True)
class SeparateLaunches:
    """Rounds of separate launches."""

    samples_ns: npt.NDArray[np.int64]
    """(rounds, arms as in ARMS, 2 launches, runs)"""
    flags: npt.NDArray[np.str_]
    """(rounds, arms, 2): what voids the launch, by spaces."""
    seconds: npt.NDArray[np.float64]
    """(rounds, arms, 2): how long the launch took."""


@dataclass(frozen=True)
class PairedRecording:
    """What was recorded of one scenario."""

    scenario: str
    paired: PairedLaunches
    separate: SeparateLaunches
    short_s: npt.NDArray[np.float64]
    """How long launches of one run took, as they compare loading and memory."""
    facts: dict[str, str]
    """Where, when, with what."""


def save_pairs(recordings: Sequence[PairedRecording], path: Path) -> None:
    """Write all of them to one compressed file."""
    arrays: dict[str, Array] = {}
    for number, recording in enumerate(recordings):
        facts = json.dumps({"scenario": recording.scenario, **recording.facts})
        arrays[f"{number} facts"] = np.array(facts)
        arrays[f"{number} short_s"] = recording.short_s.astype(np.float32)
        for part in (recording.paired, recording.separate):
            for each in fields(part):
                values = getattr(part, each.name)
                arrays[f"{number} {type(part).__name__} {each.name}"] = _packed(each.name, values)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_pairs(path: Path) -> list[PairedRecording]:
    """Return what ``save_pairs`` wrote."""
    found = []
    with np.load(path, allow_pickle=False) as arrays:

        def part(
            kind: type[PairedLaunches] | type[SeparateLaunches], number: int
        ) -> dict[str, Array]:
            return {
                each.name: _unpacked(each.name, arrays[f"{number} {kind.__name__} {each.name}"])
                for each in fields(kind)
            }

        for number in range(sum(name.endswith(" facts") for name in arrays.files)):
            facts = json.loads(str(arrays[f"{number} facts"]))
            found.append(
                PairedRecording(
                    facts.pop("scenario"),
                    PairedLaunches(**part(PairedLaunches, number)),  # type: ignore[arg-type]
                    SeparateLaunches(**part(SeparateLaunches, number)),  # type: ignore[arg-type]
                    arrays[f"{number} short_s"].astype(np.float64),
                    facts,
                )
            )
    return found


def _packed(name: str, values: Array) -> Array:
    if name.endswith("_ns"):
        return np.round(values.astype(np.float64) / _NS_PER_STEP).astype(np.uint32)
    if values.dtype.kind == "i":
        return values.astype(np.int8)
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _unpacked(name: str, values: Array) -> Array:
    if name.endswith("_ns"):
        return values.astype(np.int64) * _NS_PER_STEP
    if values.dtype.kind == "i":
        return values.astype(np.int64)
    return values.astype(np.float64) if values.dtype.kind == "f" else values
