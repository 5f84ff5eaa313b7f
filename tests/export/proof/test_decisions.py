"""Integers that follow from comparing numbers: a tie may fall either way, nothing else may."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.export.proof.decisions import (
    decision_behind,
    picked_rows,
    tied_scores,
    ties,
)

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'


def graph(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(HEADER + text)


def row(*values: float) -> list[Arrays]:
    return [{"x": np.array([values], np.float32)}]


ARGMAX = graph("g (float[1,4] x) => (int64[1] y) { y = ArgMax<axis=1, keepdims=0>(x) }")


def test_an_index_of_an_equal_value_is_a_tie() -> None:
    equal = row(5.0, 1.0, 5.0, -7.0)
    (even,) = ties(ARGMAX, "y", equal, [np.array([0])], [np.array([2])]) or []
    assert even.tolist() == [True]
    (odd,) = ties(ARGMAX, "y", equal, [np.array([0])], [np.array([1])]) or []
    assert odd.tolist() == [False]


@pytest.mark.parametrize("index", [-1, 4, 1000])
def test_an_index_that_picks_nothing_is_no_tie(index: int) -> None:
    (even,) = ties(ARGMAX, "y", row(5, 1, 5, -7), [np.array([0])], [np.array([index])]) or []
    assert even.tolist() == [False]


@pytest.mark.parametrize(
    "text",
    [
        "g (float[1,3,4,4] x) => (int64[1,4,4] y) { y = ArgMax<axis=1, keepdims=0>(x) }",
        "g (float[1,3,4,4] x) => (int64[1,1,4,4] y) { y = ArgMax<axis=1>(x) }",
        "g (float[1,3,4,4] x) => (int32[1,4,4] y) { i = ArgMax<axis=-3, keepdims=0>(x)\n"
        " y = Cast<to=6>(i) }",
        "g (float[1,3,4,4] x) => (int64[16] y) { i = ArgMax<axis=1, keepdims=0>(x)\n"
        " s = Constant<value_ints=[-1]>()\n y = Reshape(i, s) }",
        "g (float[1,3,4,4] x) => (int64[1,4,4] y) { n = Neg(x)\n"
        " y = ArgMin<axis=1, keepdims=0>(n) }",
    ],
)
def test_a_map_of_indices_is_judged_place_by_place(text: str) -> None:
    model = graph(text)
    x = np.zeros((1, 3, 4, 4), np.float32)
    x[0, 0] = 1.0
    x[0, 1, 0, 0] = 1.0  # a tie at one place alone
    shape = [d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim]
    expected, found = np.zeros(shape, np.int64), np.ones(shape, np.int64)
    (even,) = ties(model, "y", [{"x": x}], [expected], [found]) or []
    assert even.shape == expected.shape
    assert even.ravel().tolist() == [True] + [False] * 15


def test_the_order_of_equal_values_in_topk_is_a_tie() -> None:
    model = graph(
        "g (float[1,4] x) => (float[1,2] v, int64[1,2] i)"
        "{ k = Constant<value_ints=[2]>()\n v, i = TopK<axis=1>(x, k) }"
    )
    expected, found = [np.array([[0, 2]])], [np.array([[2, 0]])]
    (even,) = ties(model, "i", row(5, 1, 5, -7), expected, found) or []
    assert even.tolist() == [[True, True]]
    (odd,) = ties(model, "i", row(5, 1, 4, -7), expected, found) or []
    assert odd.tolist() == [[False, False]]
    assert decision_behind(model, "v") is None


def test_an_index_that_topk_gives_twice_is_no_tie() -> None:
    model = graph(
        "g (float[1,4] x) => (float[1,2] v, int64[1,2] i)"
        "{ k = Constant<value_ints=[2]>()\n v, i = TopK<axis=1>(x, k) }"
    )
    (even,) = ties(model, "i", row(5, 5, 5, 5), [np.array([[0, 1]])], [np.array([[3, 3]])]) or []
    assert even.tolist() == [[False, False]]


def test_a_comparison_of_equal_numbers_is_a_tie() -> None:
    model = graph(
        "g (float[1,4] x) => (bool[1,4] y)"
        "{ half = Constant<value_float=0.5>()\n y = Greater(x, half) }"
    )
    x = row(0.5, 0.50001, 0.7, -3.0)
    expected = [np.array([[False, True, True, False]])]
    (even,) = ties(model, "y", x, expected, [~expected[0]]) or []
    assert even.tolist() == [[True, True, False, False]]


@pytest.mark.parametrize(("kind", "at"), [("Floor", 1.0), ("Round", 1.5), ("Ceil", 2.0)])
def test_a_number_at_a_step_may_round_to_either_side(kind: str, at: float) -> None:
    model = graph(f"g (float[1,43] x) => (int64[1,43] y) {{ r = {kind}(x)\n y = Cast<to=7>(r) }}")
    x = row(at, at + 0.3, at, *[7.2] * 40)
    expected = [np.array([[1, 1, 1, *[7] * 40]])]
    (even,) = ties(model, "y", x, expected, [np.array([[2, 2, 3, *[8] * 40]])]) or []
    # The third is two steps away.
    assert even.tolist() == [[True, False, False, *[False] * 40]]


def test_whole_numbers_are_not_excused_for_being_whole() -> None:
    model = graph(
        "g (int64[1,4] x) => (int64[1,4] y)"
        "{ f = Cast<to=1>(x)\n a = Add(f, f)\n y = Cast<to=7>(a) }"
    )
    x = np.array([[1, 2, 3, 4]])
    (even,) = ties(model, "y", [{"x": x}], [2 * x], [2 * x + 1]) or []
    assert not even.any()


def test_what_decided_is_not_known_of_other_integers() -> None:
    model = graph("g (int64[1,4] x) => (int64[1,4] y) { y = Neg(x) }")
    assert decision_behind(model, "y") is None
    x = np.zeros((1, 4), np.int64)
    assert ties(model, "y", [{"x": x}], [x], [x]) is None


def test_selected_boxes_are_compared_by_what_they_are() -> None:
    model = graph(
        "g (float[1,3,4] b, float[1,1,3] s) => (int64[n,3] y)"
        "{ k = Constant<value_ints=[3]>()\n y = NonMaxSuppression(b, s, k) }"
    )
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 1], [5, 5, 6, 6]]], np.float32)
    sample: Arrays = {"b": boxes, "s": np.array([[[0.9, 0.9, 0.5]]], np.float32)}
    ours, theirs = np.array([[0, 0, 0], [0, 0, 2]]), np.array([[0, 0, 1], [0, 0, 2]])
    sides = picked_rows(model, "y", [sample], [ours], [theirs])
    assert sides is not None
    assert np.array_equal(sides[0][0], sides[1][0])
    assert picked_rows(model, "y", [sample], [ours], [np.array([[0, 0, 7]])]) is None
    assert picked_rows(model, "y", [sample], [ours], [np.array([[0, 0, -1]])]) is None


def test_boxes_of_equal_scores_may_come_in_either_order() -> None:
    model = graph(
        "g (float[1,3,4] b, float[1,1,3] s) => (int64[n,3] y)"
        "{ k = Constant<value_ints=[3]>()\n y = NonMaxSuppression(b, s, k) }"
    )
    boxes = np.zeros((1, 3, 4), np.float32)
    even: Arrays = {"b": boxes, "s": np.array([[[0.5, 0.9, 0.5]]], np.float32)}
    clear: Arrays = {"b": boxes, "s": np.array([[[0.4, 0.9, 0.5]]], np.float32)}
    assert tied_scores(model, "y", [even, clear]) == [True, False]
    assert tied_scores(ARGMAX, "y", row(1, 2, 3, 4)) is None
