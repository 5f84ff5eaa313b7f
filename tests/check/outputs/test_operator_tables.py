"""The operators that a change comes from: the largest are named, and all of them add up."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from asymm_deploy.check.findings import Change, OperatorChange
from asymm_deploy.check.outputs.operator_tables import MOST_OPERATORS, operator_lines

Make = Callable[..., Change]


def operator(
    name: str, before: int | None, after: int | None, module: str | None = None, former: str = ""
) -> OperatorChange:
    return OperatorChange(
        name=name,
        type="Convolution",
        module=module,
        baseline=before,
        candidate=after,
        former_name=former or None,
    )


@pytest.fixture
def counted(change: Make) -> Callable[..., Change]:
    """Make a change of instructions from so many to so many, by these operators."""

    def make(before: int, after: int, *operators: OperatorChange) -> Change:
        ordered = tuple(sorted(operators, key=lambda each: -each.grown_by))
        return change(metric="instructions", baseline=before, candidate=after, operators=ordered)

    return make


def test_each_has_its_old_and_new_count_and_its_module(counted: Make) -> None:
    lines = operator_lines(
        counted(
            9_000,
            11_500,
            operator("conv", 1_000, 3_000, module="features.3"),
            operator("b", 20, 30, former="a"),
            operator("new", None, 700),
            operator("old", 210, None),
        )
    )
    assert lines == [
        "+2,000 Convolution conv in features.3: 1,000 to 3,000",
        "+700 Convolution new: new, 700",
        "+10 Convolution b (was a): 20 to 30",
        "-210 in 1 that shrank (1 gone): 210 to 0",
    ]


def test_what_is_not_named_is_summed_and_what_is_outside_is_told(counted: Make) -> None:
    grown = [operator(str(n), 100, 200 + n) for n in range(9)]
    lines = operator_lines(counted(0, 1_000, *grown, operator("x", None, 1)))
    assert len(lines) == MOST_OPERATORS + 2
    assert lines[-2] == "+407 in 5 others that grew (1 new): 400 to 807"
    assert lines[-1] == "+63 outside of operators"


def test_of_an_improvement_those_that_shrank_come_first(counted: Make) -> None:
    lines = operator_lines(
        counted(500, 100, operator("a", 1, 2), operator("b", 400, 0), operator("c", 2, 1))
    )
    assert [line.split(":")[0] for line in lines] == [
        "-400 Convolution b",
        "-1 Convolution c",
        "+1 in 1 that grew",
    ]


def test_all_lines_add_up_to_the_change(counted: Make) -> None:
    operators = [operator(str(n), (n * 37) % 101, (n * 53) % 89) for n in range(40)]
    found = counted(10_000, 10_777, *operators)
    growths = [int(line.split()[0].replace(",", "")) for line in operator_lines(found)]
    assert sum(growths) == 777


def test_without_operators_there_are_no_lines(change: Make) -> None:
    assert operator_lines(change()) == []
    unknown = msgspec.structs.replace(change(), baseline=None, operators=(operator("a", 1, 2),))
    assert operator_lines(unknown) == []
