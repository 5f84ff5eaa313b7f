"""Files of operators' values and inputs are what the runner writes and reads, or are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from asymm_deploy.bench.observed.operator_values import inputs_bytes, values_in
from asymm_deploy.bench.wire import WireError

OPERATORS = (("/a/Conv", "Convolution"), ("/b/Split", "Slice"))
SHAPES = (((1, 2),), ((), (2, 2)))


def test_an_entry_has_indexes_shape_and_values_row_by_row() -> None:
    given = np.array([[1, 2, 3], [4, 5, 6]], np.float64).T  # not in the order of its rows
    assert inputs_bytes({(7, 1): given.astype(np.float32)}) == struct.pack(
        "<5i6f", 7, 1, 2, 3, 2, 1, 4, 2, 5, 3, 6
    )
    two = {(0, 0): np.float32(5) * np.ones((), np.float32), (1, 0): np.zeros((0,), np.float32)}
    assert inputs_bytes(two) == struct.pack("<3if4i", 0, 0, 0, 5, 1, 0, 1, 0)


def test_values_are_read_in_the_order_of_the_operators_and_their_outputs() -> None:
    convolution, split = values_in(np.arange(7, dtype="<f4").tobytes(), OPERATORS, SHAPES)
    assert (convolution.name, convolution.type) == OPERATORS[0]
    assert [each.tolist() for each in convolution.outputs] == [[[0, 1]]]
    assert [each.tolist() for each in split.outputs] == [2, [[3, 4], [5, 6]]]


@pytest.mark.parametrize("size", [0, 27, 29])
def test_a_file_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(WireError, match=f"wrote {size} bytes of operators' values, where 28 belo"):
        values_in(bytes(size), OPERATORS, SHAPES)


def test_a_runner_that_tells_no_shapes_is_refused() -> None:
    with pytest.raises(WireError):
        values_in(b"", OPERATORS, ())


def test_inputs_that_the_engine_lets_nobody_write_are_told_of_their_operator() -> None:
    raw = np.zeros(7, "<f4").tobytes()
    convolution, split = values_in(raw, OPERATORS, SHAPES, ((), (0, 2)))
    assert (convolution.kept, split.kept) == ((), (0, 2))
    with pytest.raises(WireError, match="the inputs of 1 operators of 2"):
        values_in(raw, OPERATORS, SHAPES, ((),))
