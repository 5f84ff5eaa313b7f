"""Judge the recording of both designs as ``check`` does, and as others do; tables for docs/gate.md.

    python -m benchmarks.gate.paired.judge_pairs [FILE] [--pairs 50] [--first-look 4]
    python -m benchmarks.gate.paired.judge_pairs [FILE] --settings

"x 1.05" is the same model with its times multiplied; the slower models are real. "Any arm" takes
what an arm costs, the median over the recording, off its launches: that makes more comparisons of
one noise. The table of settings takes comparisons from every second launch on: they overlap.
Differences are of natural logarithms, times 100: 5.0 is 5.1 %, 10.9 is 11.5 %.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from scipy import stats
from tabulate import tabulate

from asymm_deploy.check.live import procedure
from asymm_deploy.check.policy import LEAST_BLOCKS, USUAL_RUNS
from benchmarks.gate.paired.pair_comparisons import (
    ANY,
    CPU,
    WALL,
    Case,
    Compared,
    PairData,
    block_comparisons,
    launches_of,
    other_rules,
    pair_data,
    paired_comparisons,
)
from benchmarks.gate.paired.pair_recording import ARMS, PairedRecording, load_pairs

DATA = Path(__file__).parent.parent / "data" / "paired.npz"
CASES = (
    Case("same model", "again"),
    Case("same model, threshold 2 %", "again", percent=2.0),
    Case("same model x 1.02", "again", 1.02),
    Case("same model x 1.05", "again", 1.05),
    Case("about 3 % slower, threshold 2 %", "plus3", percent=2.0),
    Case("about 5 % slower", "plus5"),
    Case("about 10 % slower", "plus10"),
    Case("any arm, made alike", ANY, alike=True),
    Case("any arm, made alike, threshold 2 %", ANY, percent=2.0, alike=True),
    Case("any arm, made alike x 1.03, threshold 2 %", ANY, 1.03, 2.0, alike=True),
    Case("any arm, made alike x 1.05", ANY, 1.05, alike=True),
)
_GRID = CASES[-4:]
"""What the table of settings compares."""


def main() -> int:
    """Print the tables of each scenario; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    parser.add_argument(
        "--pairs", type=int, default=USUAL_RUNS["paired"], help="take the first of a launch"
    )
    parser.add_argument("--first-look", type=int, default=LEAST_BLOCKS["paired"])
    parser.add_argument("--settings", action="store_true", help="compare settings of the rule")
    given = parser.parse_args()
    recordings = load_pairs(given.file)
    if given.settings:
        rows = [row for recording in recordings for row in settings_rows(recording)]
        print(markdown(rows, [*_SETTINGS, *_grid_headers()]))
        return 0
    with patch.dict(LEAST_BLOCKS, paired=given.first_look):
        for recording in recordings:
            report(recording, given.pairs)
        print(f"\n### All scenarios\n\n{markdown(summary_rows(recordings, given.pairs), _SUMMARY)}")
    return 0


_SUMMARY = (
    "candidate",
    "paired comparisons",
    "slower, % (95 % interval)",
    "undecided, % (95 % interval)",
    "median launches",
    "median s",
    "90 % within, s",
)


def summary_rows(recordings: Sequence[PairedRecording], pairs: int) -> list[list[object]]:
    """Return how paired comparisons of all scenarios end, none of which shares a launch."""
    rows: list[list[object]] = []
    for case in CASES:
        found = [
            each
            for recording in recordings
            for part in launches_of(recording.paired, pair_data(recording.paired, pairs), case)
            for each in paired_comparisons(part, case)
        ]
        if found:
            counts = Counter(each.verdict for each in found)
            undecided = counts["inconclusive"] + counts["unstable"]
            shares = [_binomial(number, len(found)) for number in (counts["regressed"], undecided)]
            rows.append([case.name, len(found), *shares, *_ending(found)[2:]])
    return rows


def _binomial(count: int, total: int) -> str:
    """Return the share in percent with Clopper and Pearson's interval."""
    interval = stats.binomtest(count, total).proportion_ci(0.95)
    return f"{100 * count / total:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


_SETTINGS = ("scenario", "pairs", "first look", "most launches", "deviation, %")


def settings_rows(recording: PairedRecording) -> list[list[object]]:
    """Return how the rule does with fewer pairs in a launch, and if it looks later or longer."""
    rows = []
    for pairs, first_look, most in itertools.product((7, 20, 50, 100), (4, 5, 6), (20, 40)):
        data = pair_data(recording.paired, pairs)
        again = data.difference[recording.paired.arm == "again", CPU]
        row: list[object] = [recording.scenario, pairs, first_look, most]
        row.append(f"{100 * again.std(ddof=1):.2f}")
        with patch.dict(LEAST_BLOCKS, paired=first_look):
            for case in (replace(each, max_blocks=most) for each in _GRID):
                found = [
                    each
                    for part in launches_of(recording.paired, data, case)
                    for each in paired_comparisons(part, case, step=2)
                ]
                row.append(_grid_cell(found))
        rows.append(row)
    return rows


def _grid_headers() -> list[str]:
    return [case.name.removeprefix("any arm, made ") for case in _GRID]


def _grid_cell(found: Sequence[Compared]) -> str:
    """Return shares in percent, and times to a verdict."""
    if not found:
        return ""
    counts = Counter(each.verdict for each in found)
    undecided = counts["inconclusive"] + counts["unstable"]
    seconds = [each.seconds for each in found]
    return (
        f"{100 * counts['regressed'] / len(found):.1f} slower, "
        f"{100 * undecided / len(found):.1f} undecided, "
        f"{np.median(seconds):.0f} s ({np.percentile(seconds, 90):.0f})"
    )


def report(recording: PairedRecording, pairs: int) -> None:
    """Print the tables of a scenario."""
    print(f"\n### {recording.scenario}\n")
    print(", ".join(f"{key}: {value}" for key, value in recording.facts.items()))
    data = pair_data(recording.paired, pairs)
    print(
        f"{len(data.void)} paired launches, {data.void.sum()} void; "
        f"{len(recording.separate.samples_ns)} rounds of separate launches, "
        f"{100 * np.mean(recording.separate.flags != ''):.1f} % of them flagged.\n"
    )
    print(markdown(_noise_rows(recording, data), ["paired with the base", *_NOISE_HEADERS]))
    by_rule: dict[str, dict[str, Counter[str]]] = {}
    rows = []
    for case in CASES:
        parts = launches_of(recording.paired, data, case)
        paired = [each for part in parts for each in paired_comparisons(part, case)]
        blocks = block_comparisons(recording.separate, case)
        for design, found in (("paired", paired), ("blocks", blocks)):
            verdicts = Counter(each.verdict for each in found)
            by_rule.setdefault(f"check, {design}", {})[case.name] = verdicts
            if found:
                rows.append([case.name, design, *_ending(found)])
        for name, counts in other_rules(recording.separate, case).items():
            by_rule.setdefault(name, {})[case.name] = counts
    print(f"\n{markdown(rows, ['candidate', 'design', 'verdicts', *_ENDING_HEADERS])}")
    names = [case.name for case in CASES if case.arm != ANY]
    shares = [[rule, *(_share(of.get(n)) for n in names)] for rule, of in by_rule.items()]
    print(f"\n{markdown(shares, ['called slower, in %', *names])}")
    if len(recording.short_s):
        each = np.median(recording.short_s)
        count = 2 * procedure.LOAD_BLOCKS
        print(f"\n{count} short launches for load time and memory take {count * each:.1f} s more.")


_NOISE_HEADERS = (
    "launches",
    "by processor time, %",
    "its deviation, %",
    "by wall time, %",
    "its deviation, %",
    "blocks, %",
    "their deviation, %",
)


def _noise_rows(recording: PairedRecording, data: PairData) -> list[list[object]]:
    """Return, for each arm, its difference from the base and how much a launch is off."""
    medians = np.log(np.median(recording.separate.samples_ns, axis=3)).mean(axis=2)
    rows = []
    for arm in ARMS[1:]:
        of_arm = data.only((recording.paired.arm == arm) & ~data.void)
        wall, cpu = of_arm.difference[:, WALL], of_arm.difference[:, CPU]
        blocks = medians[:, ARMS.index(arm)] - medians[:, 0]
        cells = [text for values in (cpu, wall, blocks) for text in _mean_and_deviation(values)]
        rows.append([arm, len(of_arm.void), *cells])
    return rows


def _mean_and_deviation(logs: npt.NDArray[np.float64]) -> tuple[str, str]:
    if len(logs) < 2:
        return "", ""
    sd = 100 * float(logs.std(ddof=1))
    return f"{100 * logs.mean():+.2f} ± {2 * sd / len(logs) ** 0.5:.2f}", f"{sd:.2f}"


_ENDING_HEADERS = ("comparisons", "median launches", "median s", "90 % within, s")


def _ending(found: Sequence[Compared]) -> list[object]:
    if not found:
        return ["", 0, "", "", ""]
    verdicts = Counter(each.verdict for each in found)
    seconds = [each.seconds for each in found]
    return [
        ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common()),
        len(found),
        f"{np.median([each.launches for each in found]):.0f}",
        f"{np.median(seconds):.0f}",
        f"{np.percentile(seconds, 90):.0f}",
    ]


def _share(counts: Counter[str] | None) -> str:
    return f"{100 * counts['regressed'] / counts.total():.1f}" if counts else ""


def markdown(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    """Return the table as it stands in a page."""
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


if __name__ == "__main__":
    sys.exit(main())
