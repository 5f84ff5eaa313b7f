"""Everything that can be wrong with a timing, by name: its meaning and its consequence.

The names are a contract: runs.jsonl and latency.csv contain them, and ``--allow`` takes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from asymm_deploy.errors import ExitCode, UsageError, worst


@dataclass(frozen=True, slots=True)
class Flag:
    """Something that a launch or a row can be flagged with."""

    name: str
    exit_code: ExitCode
    """What ``bench`` exits with because of it; OK if the row stays valid."""
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
        Flag("failed", _HARNESS, "there is no result; the error message says why"),
        Flag(
            "output-mismatch", _NUMERICS, "the output differs from the artifact's reference output"
        ),
        Flag("wrong-core", _HARNESS, "it ran on a different core than requested"),
        Flag("wrong-precision", _HARNESS, "the engine used a different precision than requested"),
        Flag("fell-back", _HARNESS, "operators ran on another back end than was asked for"),
        Flag("below-floor", _HARNESS, "faster than the core can multiply, which is impossible"),
        Flag("repeated-samples", _HARNESS, "two of its launches have the same times, run by run"),
        Flag("no-variance", _HARNESS, "all its runs took equally long, to the nanosecond"),
        Flag("not-prime-core", _HARNESS, "not the fastest core of the phone, as far as it says"),
        Flag("busy", _HARNESS, "another benchmark was running on the phone"),
        Flag("bimodal", _UNSTABLE, "the samples fall into two groups"),
        Flag("launch-spread", _UNSTABLE, "medians of launches are too far apart"),
        Flag("stolen-time", _UNSTABLE, "something else ran on the core during the timed loop"),
        Flag("split-pairs", _UNSTABLE, "too many of its pairs of runs were interrupted for long"),
        Flag("throttled", _UNSTABLE, "the device slowed down to cool"),
        Flag("capped-clock", _UNSTABLE, "the core's clock was limited from the start"),
        Flag("hot", _UNSTABLE, "the device was too warm"),
        Flag("battery-low", _UNSTABLE, "the battery was too low for full speed"),
        Flag("power-save", _UNSTABLE, "power-save mode was on"),
        Flag("screen-off", _UNSTABLE, "the screen was off, and phones slow down then"),
        Flag(
            "slower",
            _OK,
            "it became slower in a sustained bench, for 3 s at least; it is not known why",
        ),
        Flag("late", _OK, "frames came while another was run: that took long, or began late"),
        Flag("unpinned", _OK, "this system can't pin a process to a core"),
        Flag("unwatched", _OK, "its temperature or clock can't be read, so a limit goes unnoticed"),
        Flag("warm-cache", _OK, "the model file was in memory when it was read, or may have been"),
        Flag("unverified", _OK, "there is no reference output to compare with"),
        Flag("tolerance-raised", _OK, "the export's --tolerance allowed larger errors than usual"),
        Flag("variant", _OK, "fewer bits than fp32: the output is judged by the variant's limit"),
        # Reasons not to start; no row is ever flagged with them.
        Flag("not-ready", _HARNESS, "adb can't use the phone"),
        Flag("no-arm64", _HARNESS, "the phone runs no arm64 programs"),
        Flag("no-space", _HARNESS, "the phone has too little space left"),
    )
}

FAILED = "failed"


def check_allowed(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names given to ``--allow``, gravest first; raise UsageError for an unknown one."""
    given = list(names)
    for name in given:
        if name not in FLAGS:
            near = get_close_matches(name, FLAGS, n=3)
            raise UsageError(
                f"there is no flag {name!r} to allow",
                f"did you mean {' or '.join(near)}?"
                if near
                else f"the flags are: {', '.join(FLAGS)}",
            )
    return gravest_first(given)


def gravest_first(names: Iterable[str]) -> tuple[str, ...]:
    """Return each of the names once, in the order of FLAGS."""
    unique = set(names)
    return tuple(name for name in FLAGS if name in unique)


def leave_valid(names: Iterable[str], allowed: Iterable[str]) -> bool:
    """Whether a launch or row with these flags is still valid."""
    return not any(FLAGS[name].invalidates for name in set(names) - set(allowed))


def exit_code_for(
    names: Iterable[str], allowed: Iterable[str], failure: ExitCode = ExitCode.HARNESS
) -> ExitCode:
    """Return the exit code that a row asks for; ``failure`` is that of a row that failed."""
    codes = [
        failure if name == FAILED else FLAGS[name].exit_code for name in set(names) - set(allowed)
    ]
    return worst(codes)


def cell_of(
    names: Sequence[str], failure: str | None, words: Iterable[tuple[str, str]] = ()
) -> str:
    """Return a cell under ``flags``: all names, then why it failed and the words of other flags.

    Words stand behind their flag: ``hot: 45 degC``, and of several ``busy hot: hot: 45 degC``.
    """
    told = [*([(FAILED, failure)] if failure else []), *words]
    shown = [text if [*names] == [name] else f"{name}: {text}" for name, text in told]
    return ": ".join(part for part in (" ".join(names), "; ".join(shown)) if part)
