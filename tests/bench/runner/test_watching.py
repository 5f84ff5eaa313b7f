"""The Python runner by operator: turns of a plain and a watched run, each operator between two
readings of the clock, and a reason where that can't be done."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.observed.observed_stream import parse_observed_stream
from asymm_deploy.bench.runner import __main__ as program
from asymm_deploy.bench.runner import watching
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.engines.mnn_session import MnnSession


class Ticking:
    """A session of two operators; a run takes 100 and no more, watched as it says below."""

    def __init__(self) -> None:
        self.now = 0
        self.seen: list[str] = []
        self.operators = 2

    def clock(self, _kind: int) -> int:
        self.now += 1
        return self.now

    def run(self) -> None:
        self.now += 100
        self.seen.append("run")

    def run_by_operator(
        self, before: Callable[[Any, Any], bool], after: Callable[[Any, Any], bool]
    ) -> None:
        """Copy for 20, run operators of 30 and 50, longer each time, 7 after each, 2 last."""
        self.seen.append("watched")
        late = len(self.seen)
        output = SimpleNamespace(getShape=lambda: (1, 4))
        self.now += 20
        for name, takes in list(zip("ab", (30, 50), strict=True))[: self.operators]:
            info = SimpleNamespace(
                getName=lambda name=name: name, getType=lambda: "T", getFlops=lambda: 0.5
            )
            assert before([], info)
            self.now += takes + late
            assert after([output], info)
            self.now += 7
        self.now += 2


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ticking]:
    session = Ticking()
    monkeypatch.setattr("time.clock_gettime_ns", session.clock)
    gc.disable()
    yield session
    gc.enable()


def watch(session: Ticking) -> watching._Watch:
    return watching._Watch(cast(MnnSession, session))


def test_each_turn_is_a_plain_run_in_the_caches_of_one_and_a_watched_run(ticking: Ticking) -> None:
    looked = watch(ticking)
    assert ticking.seen == ["watched"]
    loop = looked.in_turns(2)
    assert ticking.seen == ["watched", *["run", "run", "watched"] * 2]
    assert loop["ns"] == [101, 101]  # the second reading of the clock takes one more


def test_an_operator_takes_what_passes_between_the_readings_around_it(ticking: Ticking) -> None:
    looked = watch(ticking)
    looked.in_turns(3)
    late = np.array([4, 7, 10])  # the watched runs are the fourth, seventh and tenth of all
    assert looked.fields() == {
        "names": ["a", "b"],
        "types": ["T", "T"],
        "shapes": [[[1, 4]], [[1, 4]]],
        "flops_m": [0.5, 0.5],
        "least_ns": [30 + 4 + 1, 50 + 4 + 1],
        "median_ns": [30 + 7 + 1, 50 + 7 + 1],
        "gap_ns": [21, 8, 10],
        "watched_ns": (21 + 30 + 1 + 8 + 50 + 1 + 10 + 2 * late).tolist(),
    }


def test_a_run_of_fewer_operators_than_the_first_one_ends_it(ticking: Ticking) -> None:
    looked = watch(ticking)
    ticking.operators = 1
    with pytest.raises(RefusedError, match="MNN ran fewer operators than in the run before"):
        looked.in_turns(1)


def test_a_model_without_operators_is_refused(ticking: Ticking) -> None:
    ticking.operators = 0
    with pytest.raises(RefusedError, match="MNN runs no operator in this model"):
        watch(ticking)


def command(artifact: Artifact, *more: str) -> list[str]:
    specs = artifact.inputs or ()
    asked = wire.request(
        model=str(artifact.path),
        engine="mnn",
        runs=5,
        warmup=1,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=tuple(wire.input_argument(spec.name, spec.shape, spec.dtype) for spec in specs),
        output_values=True,
    )
    return [*asked, "--by-operator", *more]


def started(arguments: Sequence[str]) -> bytes:
    return subprocess.run(
        [sys.executable, "-I", "-m", "asymm_deploy.bench.runner", *arguments],
        capture_output=True,
        timeout=120,
        check=False,
    ).stdout


def test_a_launch_by_operator_is_whole_and_computes_what_a_plain_one_does(
    artifact: Artifact,
) -> None:
    stream = started(command(artifact))
    assert [json.loads(line)["type"] for line in stream.splitlines()] == [
        *("hello", "model", "cpu", "calibration", "samples", "operators", "output", "done")
    ]
    report = parse_observed_stream(stream)
    plain = wire.parse_stream(started(command(artifact)[:-1]))
    assert report.launch.output == plain.output
    found = report.operators
    at = found.names.index("convolved")
    assert found.types[at] == "Convolution"
    assert found.shapes[at] == ((1, 8, 16, 16),)
    assert found.flops_m[at] == pytest.approx(8 * 3 * 3 * 3 * 16 * 16 / 1e6)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (("--engine", "onnxruntime"), "--by-operator: only mnn tells of its operators"),
        (("--api", "module", "--output", "y"), "doesn't tell of a module's operators"),
        (("--second-model", "x"), "--by-operator: takes one model, and --second-model is given"),
    ],
)
def test_what_can_not_be_timed_by_operator_is_refused(
    artifact: Artifact, more: Sequence[str], why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        program._parse(command(artifact, *more))


def test_more_times_than_memory_should_hold_are_refused(artifact: Artifact) -> None:
    with pytest.raises(wire.RunnerError, match=r"argument --runs: at most \d+ by operator, of whi"):
        parse_observed_stream(started(command(artifact, "--runs", "1000000")))
