"""What grew between two explanations, operator by operator, and how much of it is noise; pure.

Times of two launches differ though nothing changed. So both versions are launched several times, in
turns, and a difference counts if it is larger than the launches of either version lie apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.errors import UsageError
from asymm_deploy.explain.against.operator_matching import matched_operators
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.operator_groups import By, OperatorGroup, grouped

_ROUNDING = 1e-4
"""Of the deviation: what an operator in fp32 may be off by."""
_SEVERAL = 3.0


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """One operator, module or kind in both versions; None: that version doesn't have it."""

    baseline: OperatorGroup | None
    candidate: OperatorGroup | None

    @property
    def shown(self) -> OperatorGroup:
        """The candidate's; the baseline's, if it vanished."""
        found = self.candidate or self.baseline
        assert found is not None
        return found

    @property
    def grown_by(self) -> float | None:
        """Milliseconds, or else instructions, that it takes more; None if neither is known."""
        before, after = _cost(self.baseline), _cost(self.candidate)
        return None if before is None or after is None else after - before

    @property
    def grown_percent(self) -> float | None:
        """The same over the baseline's; None where that is nothing."""
        before, grown = _cost(self.baseline), self.grown_by
        return None if not before or grown is None else 100 * grown / before

    @property
    def noise_ms(self) -> float | None:
        """How far launches of one version lie apart, the larger of both; None if nobody knows."""
        launches = [x.launches_ms for x in (self.baseline, self.candidate) if x is not None]
        if not all(launches):
            return None
        return max(max(times) - min(times) for times in launches)

    @property
    def is_real(self) -> bool | None:
        """Whether it takes more or less than before beyond the noise; None if nobody knows.

        Instructions have no noise. What only one version has is real whatever it takes.
        """
        if self.baseline is None or self.candidate is None:
            return True
        if self.grown_by is None:
            return None
        if self.shown.time_ms is None:
            return self.grown_by != 0
        noise = self.noise_ms
        return None if noise is None else abs(self.grown_by) > noise

    @property
    def newly_accused(self) -> bool:
        """Whether an own error is above its limit now, and none was before."""
        before = self.baseline is not None and self.baseline.accused
        return self.candidate is not None and self.candidate.accused and not before

    @property
    def own_errors(self) -> tuple[float, float] | None:
        """The worst own error before and now, over the deviation; None if one is unknown."""
        sides = [side.worst for side in (self.baseline, self.candidate) if side is not None]
        known = [worst.own.over_deviation for worst in sides if worst is not None and worst.own]
        return (known[0], known[1]) if len(known) == 2 else None

    @property
    def has_larger_error(self) -> bool:
        """Whether the own error is several times as large as before, and more than rounding."""
        errors = self.own_errors
        return errors is not None and errors[1] > max(_ROUNDING, _SEVERAL * errors[0])


def differences(
    baseline: Explanation, candidate: Explanation, by: By, depth: int
) -> list[GroupDifference]:
    """Return every operator, module or kind of both versions once, in the candidate's order.

    Raises UsageError if the two can't be compared.
    """
    _require_comparable(baseline, candidate)
    if by == "operator":
        return [
            GroupDifference(_alone(match.baseline), _alone(match.candidate))
            for match in matched_operators(baseline.operators, candidate.operators, _size)
        ]
    old, new = (grouped(each.operators, by, depth) for each in (baseline, candidate))
    return _by_name(old, new)


def largest_first(found: Sequence[GroupDifference]) -> list[GroupDifference]:
    """Return those that matter: real ones, or all if nobody knows; the largest growth first.

    What is as fast as before, and farther off, matters too.
    """
    told = [
        each
        for each in found
        if each.newly_accused
        or each.has_larger_error
        or (each.is_real is not False and each.grown_by != 0)
    ]
    return sorted(told, key=lambda each: (not each.newly_accused, -(each.grown_by or 0)))


def _require_comparable(baseline: Explanation, candidate: Explanation) -> None:
    for each in (baseline, candidate):
        if each.error is not None:
            raise UsageError(
                f"{each.model} can't be compared: {each.error}", "explain it again, with --fresh"
            )
    if baseline.device != candidate.device:
        raise UsageError(
            f"{baseline.model} was explained on {baseline.device} and {candidate.model} on "
            f"{candidate.device}: their times have nothing to do with each other",
            "explain both on one device",
        )
    if (baseline.median_ms is None) != (candidate.median_ms is None):
        raise UsageError(
            "one of the two has times, and the other has none",
            "explain both alike, with or without --no-time",
        )


def _by_name(old: Sequence[OperatorGroup], new: Sequence[OperatorGroup]) -> list[GroupDifference]:
    before = {group.name: group for group in old}
    found = [GroupDifference(before.pop(group.name, None), group) for group in new]
    return found + [GroupDifference(group, None) for group in before.values()]


def _alone(operator: ExplainedOperator | None) -> OperatorGroup | None:
    return None if operator is None else OperatorGroup(operator.name, (operator,))


def _size(operator: ExplainedOperator) -> float:
    """Return how large an operator is, by what does not depend on a launch."""
    return operator.madds + operator.bytes_moved


def _cost(group: OperatorGroup | None) -> float | None:
    return 0 if group is None else group.cost
