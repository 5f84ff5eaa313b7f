"""Rows in another order are the same rows; another row is not."""

from __future__ import annotations

import numpy as np
import onnx.parser
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.export.proof.matched_rows import chooses_rows, match_rows


@given(seed=st.integers(0, 999), rows=st.integers(1, 40), width=st.integers(1, 6))
def test_any_order_of_the_same_rows_matches(seed: int, rows: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    ours = rng.standard_normal((1, rows, width)).astype(np.float32)
    theirs = ours[:, rng.permutation(rows)] * np.float32(1 + 1e-6)
    matched = match_rows(ours, theirs)
    assert matched is not None
    assert (matched.unmatched, matched.rows) == (0, rows)
    assert np.abs(np.subtract(matched.found, ours)).max() < 1e-4


def test_a_row_of_another_value_finds_no_partner() -> None:
    ours = np.arange(12, dtype=np.float32).reshape(4, 3)
    theirs = ours.copy()
    theirs[2, 1] += 1.0
    matched = match_rows(ours, theirs)
    assert matched is not None
    assert matched.unmatched == 1


def test_integers_match_exactly_or_not_at_all() -> None:
    ours = np.array([[0, 1, 1000], [0, 1, 2000]])
    assert match_rows(ours, ours[::-1]).unmatched == 0  # type: ignore[union-attr]
    assert match_rows(ours, np.add(ours[::-1], [0, 0, 1])).unmatched == 2  # type: ignore[union-attr]


def test_missing_and_surplus_rows_are_counted() -> None:
    ours = np.arange(12, dtype=np.float32).reshape(4, 3)
    for left, right, lost in ((ours, ours[:3], 1), (ours[:1], ours, 3), (ours, ours[:0], 4)):
        matched = match_rows(left, right)
        assert matched is not None
        assert matched.unmatched == lost


def test_what_has_no_such_rows_is_not_matched() -> None:
    ours = np.zeros((4, 3), np.float32)
    assert match_rows(ours, np.zeros((4, 2), np.float32)) is None
    assert match_rows(ours, np.zeros(12, np.float32)) is None
    assert match_rows(ours * np.nan, ours) is None


def test_the_operators_that_choose_rows_are_known() -> None:
    header = '<ir_version: 8, opset_import: ["" : 17]>'
    plain = onnx.parser.parse_model(header + "g (float[4] x) => (float[4] y) { y = Neg(x) }")
    chosen = onnx.parser.parse_model(header + "g (float[4] x) => (int64[1,n] y) { y = NonZero(x) }")
    assert chooses_rows(plain) is None
    assert chooses_rows(chosen) == "NonZero"
