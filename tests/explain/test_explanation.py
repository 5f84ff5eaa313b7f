"""An operator is accused by its own error alone, and the first of them is the one to look at."""

from __future__ import annotations

import math

import msgspec
import pytest

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation, OperatorError
from tests.made_explanations import explained_net


def operator(
    index: int, own: float | None, limit: float | None = 1e-3, on_layer: float = 0.0
) -> ExplainedOperator:
    return ExplainedOperator(
        index=index,
        name=f"/conv{index}/Conv_output_0",
        type="Convolution",
        kind="pointwise",
        module=f"conv{index}",
        node=f"/conv{index}/Conv",
        node_type="Conv",
        output_shape=(1, 8, 4, 4),
        madds=128,
        bytes_moved=1024,
        on_layer=OperatorError(snr_db=100.0, over_deviation=on_layer),
        own=None if own is None else OperatorError(snr_db=20.0, over_deviation=own),
        own_limit=limit,
    )


def explanation(*operators: ExplainedOperator) -> Explanation:
    return msgspec.structs.replace(explained_net(), operators=operators)


def test_what_only_passes_on_an_error_is_not_accused() -> None:
    found = explanation(operator(0, 1e-6), operator(1, 0.5), operator(2, 1e-6, on_layer=0.5))
    assert found.first_accused is not None
    assert found.first_accused.index == 1
    assert [each.accused for each in found.operators] == [False, True, False]


@pytest.mark.parametrize("own", [math.inf, math.nan])
def test_an_error_that_is_no_number_accuses(own: float) -> None:
    assert operator(0, own).accused


def test_without_an_error_or_a_limit_nobody_is_accused() -> None:
    assert explanation(operator(0, None), operator(1, 0.5, limit=None)).first_accused is None
