"""A run in MNN, watched: every operator, what its inputs come of, and what if they were others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_observed import MnnWatched
from asymm_deploy.engines.observation import GRAPH_INPUT, ValueSource
from asymm_deploy.engines.tensors import Array

GRAPH = """g (float[1,4,2,2] x) => (float[1,4,2,2] y, float[1,4,2,2] z) {
  a = Abs(x)
  b = Exp(a)
  y = Add(b, a)
  z = Neg(b)
}"""
LOOP = """g (float[1,4] x) => (float[1,4] y) {
  many = Constant<value = int64 {3}>()
  more = Constant<value = bool {1}>()
  y = Loop(many, more, x) <
    body = b (int64 i, bool c, float[1,4] h) => (bool d, float[1,4] k) {
      d = Identity(c) k = Add(h, h)
    }
  >
}"""
X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 4, 2, 2)


def assert_close(found: Array, expected: Array) -> None:
    np.testing.assert_allclose(found.astype("f8"), expected.astype("f8"), rtol=1e-5)


@pytest.fixture
def watched(make_files: Callable[..., Path]) -> MnnWatched:
    return MnnWatched(str(make_files(GRAPH).with_suffix(".mnn")))


def test_every_operator_is_seen_with_what_it_reads_and_makes(watched: MnnWatched) -> None:
    found = {each.name: each for each in watched.run({"x": X})}
    a, b, y, z = (found[name] for name in "abyz")

    assert a.sources == (ValueSource(GRAPH_INPUT, 0),)
    assert y.sources == (ValueSource(b.index, 0), ValueSource(a.index, 0))
    assert z.sources == (ValueSource(b.index, 0),)
    assert (y.type, y.input_shapes) == ("BinaryOp", ((1, 4, 2, 2), (1, 4, 2, 2)))
    assert_close(y.outputs[0], np.exp(np.abs(X)) + np.abs(X))
    assert not any(each.copies for each in found.values())


def test_an_input_that_is_overwritten_is_what_the_operator_reads(watched: MnnWatched) -> None:
    y = next(each for each in watched.run({"x": X}) if each.name == "y")
    tens = np.full((1, 4, 2, 2), 10.0, np.float32)
    found = watched.run({"x": X}, lambda index, at: tens if (index, at) == (y.index, 1) else None)
    again = watched.run({"x": X})

    values = {each.name: each.outputs[0] for each in found}
    assert_close(values["y"], np.exp(np.abs(X)) + 10)
    assert_close(values["z"], -np.exp(np.abs(X)))
    np.testing.assert_array_equal(again[y.index].outputs[0], y.outputs[0])


def test_what_is_no_model_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "m.mnn").write_bytes(b"no model")
    with pytest.raises(EngineError, match="damaged or no"):
        MnnWatched(str(tmp_path / "m.mnn"))


def test_a_graph_that_a_session_can_not_run_is_an_error(make_files: Callable[..., Path]) -> None:
    with pytest.raises(EngineError, match="MNN"):
        MnnWatched(str(make_files(LOOP).with_suffix(".mnn"))).run({"x": np.ones((1, 4), "f")})
