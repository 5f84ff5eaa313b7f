"""Whatever operators are taken together by, the sums are those of all operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import pytest

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.operator_groups import (
    OperatorGroup,
    by_kind,
    by_module,
    by_operator,
)

VIEWS: dict[str, Callable[[Sequence[ExplainedOperator]], list[OperatorGroup]]] = {
    "operator": by_operator,
    "kind": by_kind,
    **{f"module {depth}": partial(by_module, depth=depth) for depth in (1, 2, 9)},
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_operator_is_in_one_part_and_the_sums_are_whole(
    view: str, explained: Explanation, counted: Explanation
) -> None:
    for whole in (explained, counted):
        parts = VIEWS[view](whole.operators)
        assert sorted(x.index for part in parts for x in part.operators) == list(range(6))
        everything = OperatorGroup("", whole.operators)
        assert sum(part.madds for part in parts) == everything.madds == 75_000_000
        assert sum(part.bytes_moved for part in parts) == everything.bytes_moved
        assert sum(part.cost or 0 for part in parts) == pytest.approx(everything.cost)


def test_times_sum_up_to_the_median(explained: Explanation) -> None:
    assert OperatorGroup("", explained.operators).time_ms == explained.median_ms


def test_modules_are_cut_at_a_depth_and_stand_where_they_begin(explained: Explanation) -> None:
    assert [x.name for x in by_module(explained.operators, 1)] == ["stem", "blocks", ""]
    assert [x.name for x in by_module(explained.operators, 2)] == [
        *("stem.conv", "blocks.0", "", "blocks.1")
    ]


def test_kinds_begin_with_the_costliest(explained: Explanation) -> None:
    assert [part.name for part in by_kind(explained.operators)] == [
        *("pointwise", "depthwise", "convolution", "activation", "concat copy")
    ]


def test_a_parts_own_error_is_its_worst_and_its_error_on_the_way_is_its_last(
    faulty: Explanation,
) -> None:
    block = by_module(faulty.operators, 2)[1]
    assert block.worst is faulty.operators[3]
    assert block.accused
    assert block.on_layer == faulty.operators[3].on_layer
    assert not by_module(faulty.operators, 2)[0].accused


def test_what_is_unknown_stays_unknown(counted: Explanation) -> None:
    part = OperatorGroup("", counted.operators)
    assert (part.time_ms, part.gmacs, part.worst, part.on_layer) == (None, None, None, None)
    assert part.insn == 21_000_000
