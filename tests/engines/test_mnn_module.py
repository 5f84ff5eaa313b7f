"""MNN's Module API runs what a Session can't, and what it gave out stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_module import MnnModule, module_ends
from asymm_deploy.engines.mnn_session import MnnSession
from asymm_deploy.engines.ort_session import OrtSession
from asymm_deploy.engines.session import Session
from asymm_deploy.engines.tensors import Array, TensorSpec

GRU = "g (float[3,1,4] x) => (float[3,1,1,4] y) "
GRU += "{ y = GRU<hidden_size=4, linear_before_reset=1>(x, w, r) }"
IF = """g (bool[1] more, float[1,4] x) => (float[1,4] y) {
  one = Squeeze(more)
  y = If(one) <
    then_branch = a () => (float[1,4] u) { u = Add(x, x) },
    else_branch = b () => (float[1,4] v) { v = Mul(x, x) }
  >
}"""
X = TensorSpec("x", (1, 4))


@pytest.fixture
def gru(make_files: Callable[..., Path]) -> Path:
    weights = np.random.default_rng(0).normal(size=(1, 12, 4)).astype(np.float32)
    return make_files(GRU, w=weights, r=weights)


@pytest.fixture
def doubled(make_files: Callable[..., Path]) -> str:
    """The path of a model with the input x and the output y."""
    graph = "g (float[1,4] x) => (float[1,4] y) { y = Add(x, x) }"
    return str(make_files(graph).with_suffix(".mnn"))


def test_a_loop_gives_what_onnx_runtime_gives(gru: Path) -> None:
    x = np.random.default_rng(1).normal(size=(3, 1, 4)).astype(np.float32)
    exact = OrtSession(str(gru))
    found = MnnModule(str(gru.with_suffix(".mnn")), [TensorSpec("x", (3, 1, 4))], ["y"])
    for session in (exact, found):
        session.feed({"x": x})
        session.run()

    apart = found.outputs()["y"].astype(float) - exact.outputs()["y"].astype(float)
    assert np.abs(apart).max() < 1e-6


@pytest.mark.parametrize(("more", "expected"), [(True, [0, 2, 4, 6]), (False, [0, 1, 4, 9])])
def test_a_branch_is_chosen_by_the_input(
    make_files: Callable[..., Path], more: bool, expected: list[int]
) -> None:
    path = make_files(IF).with_suffix(".mnn")
    session = MnnModule(str(path), [TensorSpec("more", (1,), "bool"), X], ["y"])
    session.feed({"more": np.array([more]), "x": np.arange(4.0).reshape(1, 4)})
    session.run()

    np.testing.assert_array_equal(session.outputs()["y"], [expected])


def test_an_output_that_was_handed_out_outlives_the_session(doubled: str) -> None:
    def outputs_of(value: float) -> Array:
        session = MnnModule(doubled, [X], ["y"])
        session.feed({"x": np.full((1, 4), value)})
        session.run()
        return session.outputs()["y"]

    found = [outputs_of(value) for value in (1.0, 2.0, 3.0)]
    np.testing.assert_array_equal(np.concatenate(found)[:, 0], [2.0, 4.0, 6.0])


@pytest.mark.parametrize("winograd", [True, False])
def test_it_computes_convolutions_as_a_session_does(
    make_files: Callable[..., Path], winograd: bool
) -> None:
    """To the bit: their rounding tells Winograd's larger tiles from the others."""
    generator = np.random.default_rng(0)
    w = generator.normal(size=(64, 64, 3, 3)).astype(np.float32)
    x = generator.normal(size=(1, 64, 28, 28)).astype(np.float32)
    graph = "g (float[1,64,28,28] x) => (float[1,64,28,28] y) { y = Conv<pads=[1,1,1,1]>(x, w) }"
    path = str(make_files(graph, w=w).with_suffix(".mnn"))
    spec = TensorSpec("x", x.shape)
    found = []
    for make in (
        lambda: MnnSession(path, winograd=winograd),
        lambda: MnnModule(path, [spec], ["y"], winograd=winograd),
        lambda: MnnModule(path, [spec], ["y"], winograd=not winograd),
    ):
        session: Session = make()
        session.feed({"x": x})
        session.run()
        found.append(session.outputs()["y"])

    np.testing.assert_array_equal(found[1], found[0])
    assert (found[2] != found[0]).any()


def test_a_file_tells_what_goes_in_and_comes_out_in_its_own_order(
    make_files: Callable[..., Path],
) -> None:
    graph = "g (uint8[2,3] right, float left, bool[1] at) => (float[2,3] last, float first) {"
    graph += " a = Cast<to=1>(right) b = Cast<to=1>(at) last = Mul(a, b) first = Neg(left) }"
    inputs, outputs = module_ends(str(make_files(graph).with_suffix(".mnn")))

    assert inputs == (
        TensorSpec("right", (2, 3), "uint8"),
        TensorSpec("left", ()),
        TensorSpec("at", (1,), "int32"),
    )
    assert outputs == ("last", "first")


def test_a_file_that_is_no_model_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.mnn").write_bytes(b"\x07" * 5000)
    for name in ("model.mnn", "none.mnn"):
        with pytest.raises(EngineError, match="damaged or no"):
            module_ends(str(tmp_path / name))


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([TensorSpec("other", (1, 4))], ["y"], "it has no input 'other'"),
        ([X], ["other"], "it has no output 'other'"),
        ([X], ["y", "other"], "it has no output 'other'"),
    ],
)
def test_an_end_that_the_file_does_not_have_is_refused_by_name(
    doubled: str, inputs: list[TensorSpec], outputs: list[str], said: str
) -> None:
    def run() -> None:
        session = MnnModule(doubled, inputs, outputs)
        session.feed({spec.name: np.ones(spec.shape) for spec in inputs})
        session.run()

    with pytest.raises(EngineError, match=f"^MNN can't load the model: {said}$"):
        run()


def test_what_it_asks_a_session_for_has_no_name_that_a_kill_would_leave(
    doubled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = MnnModule(doubled, [X], ["y"])
    monkeypatch.delattr("tempfile.mkdtemp")
    assert (module.precision, module.threads) == ("fp32", 1)
