"""What can be wrong with a timing, by name: what it means and what follows from it.

The names are a contract: they stand in runs.jsonl and latency.csv, and ``--allow`` takes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from asymm_deploy.errors import ExitCode, UsageError, worst


@dataclass(frozen=True, slots=True)
class Flag:
    """One thing that a launch or a row can be flagged with."""

    name: str
    exit_code: ExitCode
    """What ``bench`` ends with because of it; OK where the row stays valid."""
    meaning: str

    @property
    def invalidates(self) -> bool:
        """Whether a row with this flag is invalid unless the flag is allowed."""
        return self.exit_code is not ExitCode.OK


_OK, _HARNESS = ExitCode.OK, ExitCode.HARNESS
_UNSTABLE, _NUMERICS = ExitCode.UNSTABLE, ExitCode.NUMERICS

FLAGS = {
    flag.name: flag
    for flag in (
        Flag("failed", _HARNESS, "no result; the reason stands beside it"),
        Flag("output-mismatch", _NUMERICS, "the output is not the artifact's reference output"),
        Flag("wrong-core", _HARNESS, "it ran on another core than asked for"),
        Flag("wrong-precision", _HARNESS, "the engine computed in another precision than asked"),
        Flag("below-floor", _HARNESS, "faster than the core can multiply: it can't be true"),
        Flag("bimodal", _UNSTABLE, "the samples fall into two groups"),
        Flag("launch-spread", _UNSTABLE, "medians of launches are too far apart"),
        Flag("stolen-time", _UNSTABLE, "something else ran on the core during the timed loop"),
        Flag("throttled", _UNSTABLE, "the device slowed down to cool"),
        Flag("capped-clock", _UNSTABLE, "the core's clock was limited from the start"),
        Flag("hot", _UNSTABLE, "the device was too warm"),
        Flag("battery-low", _UNSTABLE, "the battery was too low for full speed"),
        Flag("power-save", _UNSTABLE, "power-save mode was on"),
        Flag("screen-off", _UNSTABLE, "the screen was off, which lets a phone slow down"),
        Flag("unpinned", _OK, "this system can't pin a process to a core"),
        Flag("unwatched", _OK, "its temperature or clock can't be read, so limits go unseen"),
        Flag("unverified", _OK, "there is no reference output to compare with"),
        # Reasons not to begin, which no row is ever flagged with.
        Flag("not-ready", _HARNESS, "adb can't use the phone"),
        Flag("no-arm64", _HARNESS, "the phone runs no arm64 programs"),
        Flag("busy", _HARNESS, "another benchmark is running on the phone"),
        Flag("no-space", _HARNESS, "the phone has too little space left"),
    )
}

FAILED = "failed"


def check_allowed(names: Iterable[str]) -> tuple[str, ...]:
    """Return ``--allow``'s names in the order of FLAGS; raise UsageError for an unknown one."""
    given = list(names)
    for name in given:
        if name not in FLAGS:
            near = get_close_matches(name, FLAGS, n=3)
            raise UsageError(
                f"there is no flag {name!r} to allow",
                f"did you mean {' or '.join(near)}?" if near else f"flags are: {', '.join(FLAGS)}",
            )
    return gravest_first(given)


def gravest_first(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names once each, in the order of FLAGS: the graver first."""
    unique = set(names)
    return tuple(name for name in FLAGS if name in unique)


def leave_valid(names: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether a launch or row with these flags counts as a measurement."""
    return not any(FLAGS[name].invalidates for name in set(names) - set(allowed))


def exit_code_for(
    names: Iterable[str], allowed: Iterable[str], failure: ExitCode = ExitCode.HARNESS
) -> ExitCode:
    """Return what the process ends with for a row; ``failure`` is the failed row's own code."""
    codes = [
        failure if name == FAILED else FLAGS[name].exit_code for name in set(names) - set(allowed)
    ]
    return worst(codes)
