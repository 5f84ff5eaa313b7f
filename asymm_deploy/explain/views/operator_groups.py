"""Operators alone or taken together: by module, by kind; every view's sums are those of all.

Time, instructions, multiply-adds and bytes are summed. Of errors there is no sum: a part's own
error is its worst, beside its limit, and its error on the way is that where it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from asymm_deploy.explain.explanation import ExplainedOperator, OperatorError

By: TypeAlias = Literal["operator", "module", "kind"]
"""What operators can be taken together by."""


@dataclass(frozen=True, slots=True)
class OperatorGroup:
    """What one row of a view tells of: one operator, or several."""

    name: str
    """The operator's; the module's path, empty for what is in none; the kind."""
    operators: tuple[ExplainedOperator, ...]
    """In the order of the run; at least one."""

    @property
    def time_ms(self) -> float | None:
        """Of all of them; None if nothing was timed."""
        times = [each.time_ms for each in self.operators if each.time_ms is not None]
        return sum(times) if times else None

    @property
    def launches_ms(self) -> tuple[float, ...]:
        """The same by launch; empty if there were not several."""
        return tuple(map(sum, zip(*(each.launches_ms for each in self.operators), strict=True)))

    @property
    def insn(self) -> int | None:
        """Instructions of all of them; None if nothing was counted."""
        counts = [each.insn for each in self.operators if each.insn is not None]
        return sum(counts) if counts else None

    @property
    def cost(self) -> float | None:
        """Milliseconds; where nothing was timed, instructions."""
        return self.insn if self.time_ms is None else self.time_ms

    @property
    def madds(self) -> int:
        """Multiply-adds of all of them."""
        return sum(each.madds for each in self.operators)

    @property
    def bytes_moved(self) -> int:
        """Bytes of all of them; what one writes and another reads counts twice."""
        return sum(each.bytes_moved for each in self.operators)

    @property
    def gmacs(self) -> float | None:
        """Multiply-adds a second, in 10^9; None without a time, or without multiply-adds."""
        time = self.time_ms
        return self.madds / time / 1e6 if time and self.madds else None

    @property
    def on_layer(self) -> OperatorError | None:
        """Of the last of them that was judged: with everything before it computed by MNN."""
        return next((x.on_layer for x in reversed(self.operators) if x.on_layer), None)

    @property
    def worst(self) -> ExplainedOperator | None:
        """The operator whose own error is the largest for its limit; None if none was judged."""
        return max((x for x in self.operators if x.own is not None), key=_strain, default=None)

    @property
    def accused(self) -> bool:
        """Whether any own error is beyond its limit."""
        return any(each.accused for each in self.operators)


def grouped(operators: Sequence[ExplainedOperator], by: By, depth: int) -> list[OperatorGroup]:
    """Return what ``by`` takes together; ``depth`` is for modules."""
    if by == "module":
        return by_module(operators, depth)
    return by_kind(operators) if by == "kind" else by_operator(operators)


def by_operator(operators: Sequence[ExplainedOperator]) -> list[OperatorGroup]:
    """Return a part for each operator."""
    return [OperatorGroup(each.name, (each,)) for each in operators]


def by_module(operators: Sequence[ExplainedOperator], depth: int) -> list[OperatorGroup]:
    """Return a part for each module, ``depth`` names deep, in the order in which they begin.

    What is in no module is one part, with an empty name.
    """
    return _together(operators, lambda each: ".".join((each.module or "").split(".")[:depth]))


def by_kind(operators: Sequence[ExplainedOperator]) -> list[OperatorGroup]:
    """Return a part for each kind, the costliest first."""
    parts = _together(operators, lambda each: each.kind)
    return sorted(parts, key=lambda part: (-(part.cost or 0), -part.madds))


def _together(
    operators: Sequence[ExplainedOperator], name: Callable[[ExplainedOperator], str]
) -> list[OperatorGroup]:
    found: dict[str, list[ExplainedOperator]] = {}
    for each in operators:
        found.setdefault(name(each), []).append(each)
    return [OperatorGroup(key, tuple(members)) for key, members in found.items()]


def _strain(operator: ExplainedOperator) -> float:
    """Return the own error over its limit; where there is none, it weighs nothing."""
    if operator.own is None or not operator.own_limit:
        return 0.0
    return operator.own.over_deviation / operator.own_limit
