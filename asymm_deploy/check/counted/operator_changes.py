"""What each operator adds to a change of counts; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.emulated.counts import Counts, OperatorCounts
from asymm_deploy.check.findings import OperatorChange
from asymm_deploy.explain.against.operator_matching import OperatorMatch, matched_operators


def matched_counts(
    baseline: Sequence[OperatorCounts], candidate: Sequence[OperatorCounts]
) -> list[OperatorMatch[OperatorCounts]]:
    """Return every operator of both versions exactly once, as ``matched_operators`` does."""
    return matched_operators(baseline, candidate, lambda each: each.counts.insn)


def operator_changes(
    matches: Sequence[OperatorMatch[OperatorCounts]], count: Callable[[Counts], int | None]
) -> tuple[OperatorChange, ...]:
    """Return those whose ``count`` differs, the largest growth first; unknown counts as none."""
    changes = [_change(match, count) for match in matches]
    moved = [
        change
        for change in changes
        if change.grown_by or change.baseline is None or change.candidate is None
    ]
    return tuple(sorted(moved, key=lambda change: -change.grown_by))


def _change(
    match: OperatorMatch[OperatorCounts], count: Callable[[Counts], int | None]
) -> OperatorChange:
    old, new = match.baseline, match.candidate
    shown = new or old
    assert shown is not None
    return OperatorChange(
        name=shown.name,
        type=shown.type,
        module=shown.module,
        baseline=None if old is None else count(old.counts) or 0,
        candidate=None if new is None else count(new.counts) or 0,
        former_name=old.name if old and new and old.name != new.name else None,
    )
