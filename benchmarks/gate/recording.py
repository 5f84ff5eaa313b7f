"""Recorded launches in a small file: rounds of eight, and how each scenario disturbed them.

A round is base, base again, plus5, plus10, in random order, and then the same backwards. So any two
of the four make an ABBA or BAAB block with the same drift on both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

ARMS = ("base", "again", "plus5", "plus10")
SCENARIOS = ("quiet", "other core loaded", "same core loaded")
_NS_PER_STEP = 100
"""Samples are kept to a tenth of a microsecond, which is finer than they vary."""


@dataclass(frozen=True)
class Recording:
    """What was recorded of one scenario."""

    scenario: str
    samples_ns: npt.NDArray[np.int64]
    """(rounds, arms as in ARMS, 2 launches, runs)"""
    flags: npt.NDArray[np.str_]
    """(rounds, arms, 2): what invalidates the launch, by spaces."""
    facts: dict[str, str]
    """Where, when, with what, and how long a launch took."""


def save(recordings: list[Recording], path: Path) -> None:
    """Write all of them to one compressed file."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for number, recording in enumerate(recordings):
        arrays[f"samples_{number}"] = (recording.samples_ns // _NS_PER_STEP).astype(np.uint32)
        arrays[f"flags_{number}"] = recording.flags
        facts = json.dumps({"scenario": recording.scenario, **recording.facts})
        arrays[f"facts_{number}"] = np.array(facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load(path: Path) -> list[Recording]:
    """Return what ``save`` wrote."""
    found = []
    with np.load(path, allow_pickle=False) as arrays:
        for number in range(len(arrays.files) // 3):
            facts = json.loads(str(arrays[f"facts_{number}"]))
            found.append(
                Recording(
                    facts.pop("scenario"),
                    arrays[f"samples_{number}"].astype(np.int64) * _NS_PER_STEP,
                    arrays[f"flags_{number}"],
                    facts,
                )
            )
    return found
