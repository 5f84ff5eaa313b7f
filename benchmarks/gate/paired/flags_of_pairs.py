"""What disturbs a paired launch, and how far its datum is off then; tables for docs/gate.md.

    python -m benchmarks.gate.paired.flags_of_pairs [FILE]

A launch is off by its datum minus the median over all launches of its arm in its scenario.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.gate.paired.judge_pairs import CPU, DATA, WALL, markdown, pair_data
from benchmarks.gate.paired.pair_recording import ARMS, PairedLaunches, PairedRecording, load_pairs

Values = npt.NDArray[np.float64]
Chosen = npt.NDArray[np.bool_]
_SPREAD = 1.1
"""A launch is slow if its base took so many times as long as the median launch's."""
_PAIR_OFF = 0.1
"""A pair is disturbed if its two runs differ by so much more or less than the median pair's."""


def main() -> int:
    """Print the tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    recordings = load_pairs(parser.parse_args().file)
    rows = [row for recording in recordings for row in flag_rows(recording)]
    print(markdown(rows, ["scenario", "launches", "with it", *_HEADERS]))
    print()
    print(markdown(bias_rows(recordings), ["paired with the base", *_bias_headers(recordings)]))
    return 0


_HEADERS = (
    "with it: deviation, %",
    "without: deviation, %",
    "with it: 90 % within, %",
    "without: 90 % within, %",
    "with it: mean, %",
)


def flag_rows(recording: PairedRecording) -> list[list[object]]:
    """Return, for each disturbance, how far launches are off that had it, and that had not."""
    launches = recording.paired
    off = _off(launches)
    rows: list[list[object]] = []
    for name, chosen in disturbances(launches).items():
        parts = off[chosen], off[~chosen]
        rows.append(
            [
                recording.scenario,
                name,
                f"{len(parts[0])} of {len(off)}",
                *(_percent(part.std(ddof=1)) if len(part) > 1 else "" for part in parts),
                *(_percent(np.percentile(abs(x), 90)) if len(x) > 1 else "" for x in parts),
                f"{100 * parts[0].mean():+.2f}" if len(parts[0]) else "",
            ]
        )
    return rows


def disturbances(launches: PairedLaunches) -> dict[str, Chosen]:
    """Return which launches had which disturbance."""
    times = np.where(launches.times_ns > 0, launches.times_ns, np.nan).astype(np.float64)
    base_ns = np.nanmedian(times[:, 0, 0], axis=1)
    logs = np.log(times[:, 1, 1]) - np.log(times[:, 0, 1])
    apart = np.abs(logs - np.nanmedian(logs, axis=1, keepdims=True)) > _PAIR_OFF
    odd = apart.sum(axis=1) / np.sum(~np.isnan(logs), axis=1)
    return {
        "void: split-pairs": np.char.find(launches.flags, "split-pairs") >= 0,
        "void: anything": launches.flags != "",
        "bimodal, if alone": np.char.find(launches.alone, "bimodal") >= 0,
        "stolen-time (2 %), if alone": np.char.find(launches.alone, "stolen-time") >= 0,
        "20 % stolen": launches.stolen > 0.2,
        "40 % stolen": launches.stolen > 0.4,
        "base 10 % slower than the median launch's": base_ns > _SPREAD * np.median(base_ns),
        "10 % of pairs disturbed": odd > 0.1,
        "20 % of pairs disturbed": odd > 0.2,
        "30 % of pairs disturbed": odd > 0.3,
        "40 % of pairs disturbed": odd > 0.4,
    }


def bias_rows(recordings: Sequence[PairedRecording]) -> list[list[object]]:
    """Return each arm's difference by both clocks in each scenario."""
    rows = []
    for arm in ARMS[1:]:
        row: list[object] = [arm]
        for recording in recordings:
            data = pair_data(recording.paired, recording.paired.times_ns.shape[-1])
            of_arm = data.difference[(recording.paired.arm == arm) & ~data.void]
            row += [_with_error(of_arm[:, clock]) for clock in (CPU, WALL)]
        rows.append(row)
    return rows


def _bias_headers(recordings: Sequence[PairedRecording]) -> list[str]:
    return [f"{r.scenario}: by {clock}, %" for r in recordings for clock in ("processor", "wall")]


def _off(launches: PairedLaunches) -> Values:
    difference = pair_data(launches, launches.times_ns.shape[-1]).difference[:, CPU]
    off = difference.copy()
    for arm in set(launches.arm):
        of_arm = launches.arm == arm
        off[of_arm] -= np.median(difference[of_arm])
    return off


def _with_error(logs: Values) -> str:
    if len(logs) < 2:
        return ""
    return f"{100 * logs.mean():+.2f} ± {200 * logs.std(ddof=1) / len(logs) ** 0.5:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


if __name__ == "__main__":
    sys.exit(main())
