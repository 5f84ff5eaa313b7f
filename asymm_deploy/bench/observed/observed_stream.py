"""What a runner prints that timed a model by operator: as of a launch, and its operators."""

from __future__ import annotations

import msgspec

from asymm_deploy.bench.observed import operators_line
from asymm_deploy.bench.observed.operators_line import TimedOperators
from asymm_deploy.bench.wire import MADE_UP, RunnerReport, Samples, WireError, parse_stream

_OPERATORS_AT = 5
"""After samples."""


class ObservedReport(msgspec.Struct, frozen=True):
    """A complete stream of a launch by operator."""

    launch: RunnerReport
    """Of the plain runs, but for its loop, which holds the watched runs too."""
    operators: TimedOperators


def parse_observed_stream(stream: bytes) -> ObservedReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    rest, line = operators_line.taken_out(stream, _OPERATORS_AT)
    found = None if line is None else operators_line.operators_in(line, TimedOperators)
    report = parse_stream(rest)
    if found is None:
        raise WireError("the runner named no operators")
    _check_counts(found, len(report.samples.ns))
    _check_times(found, report.samples)
    return ObservedReport(report, found)


def _check_counts(found: TimedOperators, runs: int) -> None:
    """Raise WireError unless there is one of everything for each operator and each run."""
    count = len(found.names)
    if count == 0:
        raise WireError("the runner named no operators")
    for what, length, wanted in (
        ("types", len(found.types), count),
        ("shapes", len(found.shapes), count),
        ("flops", len(found.flops_m), count),
        ("least times", len(found.least_ns), count),
        ("medians", len(found.median_ns), count),
        ("gaps", len(found.gap_ns), count + 1),
        ("watched runs", len(found.watched_ns), runs),
    ):
        if length != wanted:
            raise WireError(f"the runner sent {length} {what} where {wanted} belong")


def _check_times(found: TimedOperators, loop: Samples) -> None:
    """Raise WireError for times that nothing can have measured."""
    if any(least > usual for least, usual in zip(found.least_ns, found.median_ns, strict=True)):
        raise WireError(f"{MADE_UP}: an operator's least time is above its median")
    if sum(found.least_ns) + sum(found.gap_ns) > min(found.watched_ns):
        raise WireError(f"{MADE_UP}: the operators add up to more than the run that they are of")
    if sum(loop.ns) + sum(found.watched_ns) > loop.wall_ns:
        raise WireError("the runner's runs add up to more than its timed loop took")
