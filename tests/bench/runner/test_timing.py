"""What is timed is the run alone, each once and in order; what is sent is fixed by the outputs."""

from __future__ import annotations

import gc
import hashlib
from base64 import b64decode
from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from asymm_deploy.bench.runner import timing
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec


class Ticking:
    """A session whose runs take 5, 6, 7... of the clock's units; the clock is its own."""

    inputs = (TensorSpec("x", (1,)),)
    output_names = ("y",)
    precision = "fp32"
    threads = 1

    def __init__(self) -> None:
        self.now = 1000
        self.runs = 0

    def clock(self, _kind: int) -> int:
        self.now += 1
        return self.now

    def feed(self, arrays: Mapping[str, Array]) -> None: ...

    def run(self) -> None:
        self.now += 5 + self.runs
        self.runs += 1

    def outputs(self) -> Arrays:
        return {}


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_each_run_has_its_own_time_and_nothing_else_is_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Ticking()
    monkeypatch.setattr("time.clock_gettime_ns", session.clock)
    samples = timing._timed(session, 4, ())

    assert samples["ns"] == [6, 7, 8, 9]  # the second reading of the clock takes one more
    assert session.runs == 4
    # Around all: a reading before each run, and the last one.
    assert samples["wall_ns"] == 6 + 7 + 8 + 9 + 4 + 1


def test_with_the_collector_on_nothing_is_timed() -> None:
    with pytest.raises(AssertionError):
        timing._timed(Ticking(), 1, ())


@pytest.mark.parametrize(
    ("before", "after", "since"), [(3, 8, 5), (8, 3, 0), (None, 3, None), (3, None, None)]
)
def test_a_counter_that_is_unknown_or_goes_back_gives_no_time(
    before: int | None, after: int | None, since: int | None
) -> None:
    assert timing.since(before, after) == since


X = TensorSpec("x", (1, 4))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([], [X]),
        ([X], [X]),
        ([X], [TensorSpec("x", (4,))]),
        ([TensorSpec("t", ())], [TensorSpec("t", (1,))]),
        ([TensorSpec("t", (1, 1))], [TensorSpec("t", ())]),
        ([X, TensorSpec("y", (2,))], [TensorSpec("y", (2, 1)), X]),
        ([TensorSpec("x", (0, 4))], [TensorSpec("x", (0, 4))]),
        ([], []),
    ],
)
def test_shapes_are_the_same_but_for_axes_of_length_one(
    asked: list[TensorSpec], found: list[TensorSpec]
) -> None:
    timing._check_inputs(asked, found)


@pytest.mark.parametrize(
    ("asked", "found", "why"),
    [
        ([X], [TensorSpec("x", (2, 2))], "the model's inputs are"),
        ([X], [TensorSpec("z", (1, 4))], "the model's inputs are"),
        ([X], [X, TensorSpec("y", (2,))], "the model's inputs are"),
        ([], [TensorSpec("x", (0, 4))], "'x' has no fixed shape"),
        ([X], [TensorSpec("x", (-1, 4))], "'x' has no fixed shape"),
    ],
)
def test_other_inputs_are_refused(
    asked: list[TensorSpec], found: list[TensorSpec], why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        timing._check_inputs(asked, found)


def test_outputs_are_hashed_in_byte_order_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: Arrays = {"b": np.array([1, 2]), "B": np.array([3.0]), "a": np.array([True])}
    raw = {name: np.asarray(outputs[name]).astype("<f4").tobytes() for name in outputs}
    session = Ticking()
    monkeypatch.setattr(session, "outputs", lambda: outputs)
    message = timing.output_fields(session, with_values=True)

    assert message["sha256"] == hashlib.sha256(raw["B"] + raw["a"] + raw["b"]).hexdigest()
    values = message["values"]
    assert isinstance(values, dict)
    assert {name: b64decode(text) for name, text in values.items()} == raw
    assert timing.output_fields(session, with_values=False) == {"sha256": message["sha256"]}


def test_the_inputs_asked_for_must_be_the_models() -> None:
    found = [TensorSpec("x", (1, 3)), TensorSpec("t", ())]
    timing._check_inputs(found[::-1], found)
    with pytest.raises(RefusedError, match=r"the model's inputs are \{'x': \(1, 3\), 't': \(\)\}"):
        timing._check_inputs([TensorSpec("x", (1, 4)), found[1]], found)
    with pytest.raises(RefusedError, match="the model's input 'x' has no fixed shape"):
        timing._check_inputs(found, [TensorSpec("x", (0, 3))])
