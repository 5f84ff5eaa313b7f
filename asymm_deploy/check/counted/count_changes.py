"""Two records of counts -> a change of instructions and of misses, and who caused it; pure.

Counts are the same every time, so nothing is left to chance and there is nothing to repeat: any
difference is real, and one run decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.emulated.counts import CostRecord, Counts
from asymm_deploy.check.counted.operator_changes import matched_counts, operator_changes
from asymm_deploy.check.findings import UNITS, Change, Metric, Verdict, change_without_figures
from asymm_deploy.check.outputs.words import METRICS
from asymm_deploy.errors import ExitCode, UsageError

NOTICE_PERCENT = 0.1
"""A change of this size is shown, even if it passes."""
FLOOR_MISSES = 200
"""So many more misses always pass: 20 us if each took 100 ns, as latencies may grow by 20 us."""

COUNTED: dict[Metric, Callable[[Counts], int | None]] = {
    "instructions": lambda counts: counts.insn,
    "l2_misses": lambda counts: counts.l2_misses,
    "l3_misses": lambda counts: counts.l3_misses,
}
"""What is compared, and where it stands among the counts; None if caches were not counted."""


def count_changes(
    model: str,
    baseline: CostRecord,
    candidate: CostRecord,
    thresholds: Mapping[Metric, float],
    allow: Sequence[str] = (),
) -> list[Change]:
    """Return the change of each count; of a version that failed, one that says why.

    Flags in ``allow`` spoil nothing. Raises UsageError if the counts were not made alike.
    """
    failures = [
        failure
        for side, record in (("baseline", baseline), ("candidate", candidate))
        if (failure := _failure(model, side, record, allow)) is not None
    ]
    if failures:
        return [max(failures, key=lambda failure: failure.exit_code)]
    refuse_other_counts(model, baseline, candidate)
    return [
        _change(model, metric, baseline, candidate, thresholds[metric])
        for metric, count in COUNTED.items()
        if _both(count, baseline, candidate) is not None
    ]


def counts_without_figures(
    model: str, verdict: Verdict, why: str, exit_code: ExitCode = ExitCode.HARNESS
) -> Change:
    """Return a verdict on a model of which no counts can be shown."""
    return change_without_figures(model, "instructions", verdict, why, exit_code)


def refuse_other_counts(model: str, baseline: CostRecord, candidate: CostRecord) -> None:
    """Raise UsageError if two records differ in more than the model, saying in what."""
    found = baseline.key.differences(candidate.key)
    if baseline.precision != candidate.precision:
        found.append(f"precision: {baseline.precision} and {candidate.precision}")
    if found:
        raise UsageError(
            f"{model}: the counts of the baseline and of the candidate can't be compared: "
            + "; ".join(found),
            "count both with one emulator",
        )


def _failure(model: str, side: str, record: CostRecord, allow: Sequence[str]) -> Change | None:
    """Return what to say of a version that gave no counts, or the wrong output; None if good."""
    if record.error is not None or record.counts is None:
        why = record.error or "it gave no counts"
        return counts_without_figures(model, "failed", f"The {side} can't be counted: {why}")
    code = flags.exit_code_for(record.flags, allow)
    if code == ExitCode.OK:
        return None
    spoilt = [name for name in record.flags if not flags.leave_valid([name], allow)]
    meaning = flags.FLAGS[flags.gravest_first(spoilt)[0]].meaning
    return counts_without_figures(model, "failed", f"In the {side} {meaning}.", code)


def _both(
    count: Callable[[Counts], int | None], baseline: CostRecord, candidate: CostRecord
) -> tuple[int, int] | None:
    """Return what is counted in both versions; None where one of them doesn't have it."""
    if baseline.counts is None or candidate.counts is None:
        return None
    before, after = count(baseline.counts), count(candidate.counts)
    return None if before is None or after is None else (before, after)


def _change(
    model: str,
    metric: Metric,
    baseline: CostRecord,
    candidate: CostRecord,
    allowed_percent: float,
) -> Change:
    count = COUNTED[metric]
    both = _both(count, baseline, candidate)
    assert both is not None
    before, after = both
    floor = 0 if metric == "instructions" else FLOOR_MISSES
    allowed = max(allowed_percent / 100 * before, floor)
    change = _percent(before, after)
    by_operator = baseline.operators is not None and candidate.operators is not None
    found = Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=before,
        candidate=after,
        change_percent=change if math.isfinite(change) else None,
        low_percent=None,
        high_percent=None,
        threshold_percent=100 * allowed / before if before else None,
        verdict=_verdict(after - before, allowed),
        why="",
        notice=abs(change) >= NOTICE_PERCENT and abs(after - before) > floor,
        operators=()
        if before == after or baseline.operators is None or candidate.operators is None
        else operator_changes(matched_counts(baseline.operators, candidate.operators), count),
    )
    why = _why(found, allowed_percent, floor=floor, by_operator=by_operator)
    return msgspec.structs.replace(found, why=why)


def _percent(before: int, after: int) -> float:
    if before:
        return 100 * (after - before) / before
    return 0.0 if after == before else math.inf


def _verdict(growth: int, allowed: float) -> Verdict:
    if growth > allowed:
        return "regressed"
    return "improved" if -growth > allowed else "pass"


def _why(change: Change, allowed_percent: float, *, floor: int, by_operator: bool) -> str:
    before, after = int(change.baseline or 0), int(change.candidate or 0)
    if before == after:
        return "It is the same, to the last one."
    name = METRICS[change.metric]
    growth = after - before
    least = f", and at least {floor}" if floor else ""
    said = (
        f"{abs(growth):,} {'more' if growth > 0 else 'fewer'} {name}; "
        f"{allowed_percent:g} % more is allowed{least}."
    )
    if change.verdict == "improved":
        said = f"{-growth:,} fewer {name}."
    if not by_operator:
        return f"{said} MNN can't run it operator by operator, so nobody knows where."
    most = main_operator(change)
    return said if most is None else f"{said} Most of it: {most}."


def main_operator(change: Change) -> str | None:
    """Return the operator that moved the most in the change's direction; None if none did."""
    if not change.operators:
        return None
    growth = (change.candidate or 0) - (change.baseline or 0)
    most = change.operators[0] if growth > 0 else change.operators[-1]
    if most.grown_by * growth <= 0:
        return None
    place = f" in {most.module}" if most.module else ""
    return f"{most.type} {most.name}{place}, {most.grown_by:+,}"
