"""Which operators a change of counts comes from, in lines for people; the rest in sums."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.check.findings import Change, OperatorChange

MOST_OPERATORS = 5
"""That are named, of those that moved as the whole did; JSON has them all."""


def operator_lines(change: Change) -> list[str]:
    """Return a line for each of the operators that moved most, and for the sums of all others.

    Their differences add up to the change's. None for what has no operators.
    """
    if not change.operators or change.baseline is None or change.candidate is None:
        return []
    total = round(change.candidate) - round(change.baseline)
    rising = total >= 0
    moved = change.operators if rising else change.operators[::-1]
    with_it = [each for each in moved if (each.grown_by > 0) == rising and each.grown_by]
    named, rest = with_it[:MOST_OPERATORS], with_it[MOST_OPERATORS:]
    against = moved[len(with_it) :]  # they are in order
    lines = [_line(each) for each in named]
    lines += _sum(rest, "others that " + ("grew" if rising else "shrank"))
    lines += _sum(against, "that " + ("shrank" if rising else "grew"))
    outside = total - sum(each.grown_by for each in change.operators)
    return [*lines, f"{outside:+,} outside of operators"] if outside else lines


def _line(of: OperatorChange) -> str:
    name = of.name if of.former_name is None else f"{of.name} (was {of.former_name})"
    place = f" in {of.module}" if of.module else ""
    return f"{of.grown_by:+,} {of.type} {name}{place}: {_counts(of)}"


def _counts(of: OperatorChange) -> str:
    if of.baseline is None:
        return f"new, {of.candidate:,}"
    if of.candidate is None:
        return f"gone, was {of.baseline:,}"
    return f"{of.baseline:,} to {of.candidate:,}"


def _sum(of: Sequence[OperatorChange], what: str) -> list[str]:
    """Return one line on all of them, if there are any, with how many appeared or vanished."""
    if not of:
        return []
    before = sum(each.baseline or 0 for each in of)
    after = sum(each.candidate or 0 for each in of)
    new = sum(each.baseline is None for each in of)
    gone = sum(each.candidate is None for each in of)
    ends = [f"{new} new"] * bool(new) + [f"{gone} gone"] * bool(gone)
    known = f" ({', '.join(ends)})" if ends else ""
    return [f"{after - before:+,} in {len(of)} {what}{known}: {before:,} to {after:,}"]
