"""Numbers come in as float64 with the axes that were asked for, and never as NaN or infinity."""

from __future__ import annotations

import numpy as np
import pytest

from asymm_deploy.postprocess.arrays import finite


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.bool_])
def test_numbers_of_any_kind_become_float64(kind: type) -> None:
    found = finite(np.ones((2, 3), dtype=kind), "scores", ("N", "K"))

    assert found.dtype == np.float64
    assert found.shape == (2, 3)


def test_lists_are_arrays_and_without_names_any_number_of_axes_will_do() -> None:
    assert finite([[1, 2], [3, 4]], "boxes").tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert finite(1.5, "number").shape == ()
    assert finite(np.empty((0, 4)), "boxes", ("B", "4")).shape == (0, 4)


@pytest.mark.parametrize("shape", [(2,), (2, 3, 4)])
def test_other_axes_are_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the boxes have \d axes, .* instead of 2: B, 4;"):
        finite(np.zeros(shape), "boxes", ("B", "4"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_counted(bad: float) -> None:
    values = np.zeros((2, 3))
    values[0, 1] = values[1, 2] = bad

    with pytest.raises(ValueError, match="2 of 6 numbers in the scores are NaN or infinite"):
        finite(values, "scores")
