"""Two models in turns: each run has its own times, and each model its own name, hash and output."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.paired import pair_stream
from asymm_deploy.bench.runner import turns
from asymm_deploy.bench.runner.__main__ import _parse
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.timing import Asked
from asymm_deploy.bench.runner.turns import _Turns
from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.export.mnn import to_mnn
from tests.bench.conftest import sha256

COMMAND = [sys.executable, "-I", "-m", "asymm_deploy.bench.runner"]


class Clocks:
    """A wall clock, whose reading takes 1, and the thread's clock, whose reading takes 10 of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1000
        self.thread = 0
        self.log = ""
        monkeypatch.setattr("time.clock_gettime_ns", self._read_wall)
        monkeypatch.setattr("time.thread_time_ns", self._read_thread)

    def _read_wall(self, _kind: int) -> int:
        self.wall += 1
        return self.wall

    def _read_thread(self) -> int:
        self.wall += 10
        return self.thread

    def session(self, name: str, wall: int, thread: int) -> Callable[[], None]:
        """A model whose runs take this long, each one longer than the last."""
        runs = iter(range(1_000_000))

        def run() -> None:
            self.log += name
            more = next(runs)
            self.wall += wall + more
            self.thread += thread + more

        return run


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocks]:
    gc.disable()
    yield Clocks(monkeypatch)
    gc.enable()


FOREVER = float("inf")


def test_each_run_has_its_own_times_and_nothing_else_is_in_them(clocks: Clocks) -> None:
    both = _Turns(clocks.session("a", 100, 70), clocks.session("b", 500, 400), swapped=False)
    loop = both.run(3, 1, FOREVER)

    assert clocks.log == "ababab"
    assert both.count == 3
    # The second reading of the wall clock takes one more; those of the thread's are outside it.
    assert loop["first"] == {
        "ns": [101, 102, 103],
        "cpu_ns": [70, 71, 72],
        "start_ns": [11, 655, 1301],
    }
    assert loop["second"] == {
        "ns": [501, 502, 503],
        "cpu_ns": [400, 401, 402],
        "start_ns": [133, 778, 1425],
    }
    assert loop["cpu_ns"] == 70 + 71 + 72 + 400 + 401 + 402
    # Each run has 21 beside it: a reading of the wall clock, and two of the thread's.
    assert loop["wall_ns"] == 101 + 102 + 103 + 501 + 502 + 503 + 6 * 21 + 1


def test_the_second_one_may_start_and_each_keeps_its_own_runs(clocks: Clocks) -> None:
    both = _Turns(clocks.session("a", 100, 70), clocks.session("b", 500, 400), swapped=True)
    loop: dict[str, Any] = both.run(2, 1, FOREVER)

    assert clocks.log == "baba"
    assert loop["first"]["ns"] == [101, 102]
    assert loop["second"]["ns"] == [501, 502]
    assert loop["second"]["start_ns"][0] == 11
    assert loop["first"]["start_ns"][0] == 11 + 501 + 21


@pytest.mark.parametrize(
    ("most", "least", "most_ns", "pairs"),
    [(100, 1, 1500, 3), (100, 5, 1500, 5), (2, 1, 1500, 2), (2, 5, 1, 2), (0, 1, 1, 0)],
)
def test_it_ends_early_but_only_after_whole_pairs_and_the_least_of_them(
    clocks: Clocks, most: int, least: int, most_ns: float, pairs: int
) -> None:
    both = _Turns(clocks.session("a", 100, 70), clocks.session("b", 500, 400), swapped=False)
    loop: dict[str, Any] = both.run(most, least, most_ns)

    assert both.count == pairs
    assert clocks.log == "ab" * pairs
    assert {len(each) for side in ("first", "second") for each in loop[side].values()} == {pairs}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("failing", ["first", "second"])
def test_a_run_that_fails_says_of_which_model(clocks: Clocks, failing: str, swapped: bool) -> None:
    left = iter(range(10))

    def dies() -> None:
        if next(left, None) is None:
            raise EngineError("it broke")

    good = clocks.session("a", 100, 70)
    first, second = (dies, good) if failing == "first" else (good, dies)
    with pytest.raises(RefusedError) as caught:
        _Turns(first, second, swapped=swapped).run(100, 1, FOREVER)
    assert str(caught.value) == f"the {failing} model: it broke"


class Session:
    """A session that writes its name down when it runs."""

    inputs = (TensorSpec("x", (1,)),)
    output_names = ("y",)
    precision = "fp32"
    threads = 1

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run

    def feed(self, arrays: Mapping[str, Array]) -> None: ...

    def outputs(self) -> Arrays:
        return {}


@pytest.mark.parametrize(
    ("more", "runs"),
    [
        (("--warmup", "2", "--runs", "3"), "ab" * 5),
        (("--warmup", "0", "--runs", "1", "--starts", "second"), "ba"),
        (
            ("--warmup", "99", "--runs", "99", "--most-seconds", "1e-9", "--least-runs", "2"),
            "ababab",
        ),
    ],
)
def test_the_warm_up_is_in_turns_too_and_ends_early(
    monkeypatch: pytest.MonkeyPatch,
    clocks: Clocks,
    tmp_path: Path,
    more: tuple[str, ...],
    runs: str,
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()

    def fake_engine(_options: object, asked: Asked) -> Callable[[str], Session]:
        return lambda path: Session(clocks.session(Path(path).name, 100, 70))

    monkeypatch.setattr(turns, "engine", fake_engine)
    asked = request(tmp_path / "a", *second(tmp_path / "b"), *more)[len(COMMAND) :]
    sent: list[str] = []
    turns.time_in_turns(_parse(asked), lambda kind, _fields: sent.append(kind))
    assert clocks.log == runs
    assert sent == [
        *("hello", "model", "model", "cpu", "calibration", "pairs", "output", "output", "done")
    ]


def test_with_the_collector_on_nothing_is_timed() -> None:
    with pytest.raises(AssertionError):
        _Turns(lambda: None, lambda: None, swapped=False).run(1, 1, FOREVER)


def graph(path: Path, text: str) -> Path:
    """Write a graph in both formats; return the .mnn file."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {text}')
    onnx.save(model, path.with_suffix(".onnx"))
    to_mnn(path.with_suffix(".onnx"), path)
    return path


@pytest.fixture(scope="module")
def doubling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with other inputs than the first one's."""
    path = tmp_path_factory.mktemp("doubling") / "doubling.mnn"
    return graph(
        path, "g (float[1,4] x, float[4] b) => (float[1,4] y) { s = Add(x, b) y = Add(s, s) }"
    )


def started(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, check=False, capture_output=True, timeout=120)


def request(path: Path, *more: str, engine: str = "mnn") -> list[str]:
    asked = wire.request(
        model=str(path if engine == "mnn" else path.with_suffix(".onnx")),
        engine=engine,
        runs=5,
        warmup=2,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=(),
        output_values=True,
    )
    return [*COMMAND, *asked, *more]


def second(path: Path, engine: str = "mnn") -> tuple[str, str]:
    return "--second-model", str(path if engine == "mnn" else path.with_suffix(".onnx"))


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
@pytest.mark.parametrize("starts", ["first", "second"])
def test_both_compute_what_each_computes_alone(
    artifact: Artifact, doubling: Path, engine: str, starts: str
) -> None:
    pair = ("--starts", starts, *second(doubling, engine))
    ended = started(request(artifact.path, *pair, engine=engine))
    assert ended.returncode == 0, ended.stderr
    report = pair_stream.parse_pair_stream(ended.stdout)

    for found, path in ((report.first, artifact.path), (report.second, doubling)):
        alone = wire.parse_stream(started(request(path, engine=engine)).stdout)
        assert found.output == alone.output
        assert found.model.sha256 == alone.model.sha256 == sha256(_file(path, engine))
        assert found.model.input_shape == alone.model.input_shape
    runs = (report.pairs.first.start_ns, report.pairs.second.start_ns)
    early, late = runs if starts == "first" else reversed(runs)
    in_order = [start for each in zip(early, late, strict=True) for start in each]
    assert len(in_order) == 10
    assert in_order == sorted(in_order)
    assert sum(report.first.samples.ns) + sum(report.second.samples.ns) <= report.pairs.wall_ns
    for side in (report.pairs.first, report.pairs.second):
        assert side.cpu_ns is not None
        assert 0 < sum(side.cpu_ns) <= report.pairs.cpu_ns


def _file(path: Path, engine: str) -> Path:
    return path if engine == "mnn" else path.with_suffix(".onnx")


def test_one_file_twice_is_two_models(doubling: Path) -> None:
    report = pair_stream.parse_pair_stream(started(request(doubling, *second(doubling))).stdout)
    assert report.first.output == report.second.output
    assert report.first.model.sha256 == report.second.model.sha256


def test_each_runs_on_its_own_recorded_input(doubling: Path, tmp_path: Path) -> None:
    arguments: list[str] = []
    for prefix, name, values in (
        ("--", "one", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("--second-", "two", [-1, -2, -3, -4, 0, 0, 0, 0.5]),
    ):
        (tmp_path / name).write_bytes(np.array(values, "<f4").tobytes())
        arguments += [f"{prefix}input", "float32:1,4:x", f"{prefix}input", "float32:4:b"]
        arguments += [f"{prefix}inputs-file", str(tmp_path / name)]
    ended = started(request(doubling, *second(doubling), *arguments))
    report = pair_stream.parse_pair_stream(ended.stdout)

    for found, values in ((report.first, [12, 16, 20, 24]), (report.second, [-2, -4, -6, -7])):
        assert found.output.values is not None
        np.testing.assert_array_equal(np.frombuffer(found.output.values["y"], "<f4"), values)


def test_each_has_its_own_interface(doubling: Path) -> None:
    module = ("--second-api", "module", "--second-output", "y")
    own = ("--second-input", "float32:1,4:x", "--second-input", "float32:4:b")
    ended = started(request(doubling, *second(doubling), *module, *own))
    report = pair_stream.parse_pair_stream(ended.stdout)
    assert (report.first.model.api, report.second.model.api) == ("session", "module")


def test_pairs_end_early_once_their_time_is_over(doubling: Path) -> None:
    bounds = ("--runs", "1000000", "--most-seconds", "1e-9", "--least-runs", "4")
    ended = started(request(doubling, *second(doubling), *bounds))
    report = pair_stream.parse_pair_stream(ended.stdout)
    assert len(report.pairs.first.ns) == 4


def test_what_the_engine_prints_never_reaches_the_wire(doubling: Path) -> None:
    ended = started(request(doubling, *second(doubling)))
    assert b"The device supports" in ended.stderr
    assert [line[:8] for line in ended.stdout.splitlines()] == [b'{"type":'] * 9


def refusal(command: list[str]) -> str:
    ended = started(command)
    assert ended.returncode == 3, ended.stderr
    with pytest.raises(wire.RunnerError) as caught:
        pair_stream.parse_pair_stream(ended.stdout)
    return str(caught.value)


@pytest.mark.parametrize("engine", ["mnn", "onnxruntime"])
@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("damage", ["gone", "empty", "garbage"])
def test_a_model_that_can_not_be_loaded_is_named(
    doubling: Path, tmp_path: Path, engine: str, which: str, damage: str
) -> None:
    path = _file(tmp_path / "damaged.mnn", engine)
    if damage != "gone":
        path.write_bytes(b"" if damage == "empty" else b"\x07" * 5000)
    good = _file(doubling, engine)
    first, other = (path, good) if which == "first" else (good, path)
    said = refusal(request(first, "--second-model", str(other), engine=engine))
    assert f"the {which} model: " in said
    assert f"the {'first' if which == 'second' else 'second'} model" not in said


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_model_that_fails_in_its_first_run_is_named(doubling: Path, which: str) -> None:
    reaching = graph(
        doubling.with_name("reaching.mnn"),
        "g (int64[64] at) => (float[64] y) <float[1] table = {1}> { y = Gather(table, at) }",
    )
    first, other = (reaching, doubling) if which == "first" else (doubling, reaching)
    pair = second(other, "onnxruntime")
    said = refusal(request(first, *pair, "--warmup", "0", engine="onnxruntime"))
    assert f"the {which} model: ONNX Runtime can't run the model" in said


def test_inputs_that_the_second_model_does_not_have_are_refused(doubling: Path) -> None:
    said = refusal(request(doubling, *second(doubling), "--second-input", "float32:1,3:extra"))
    assert "the second model: the model's inputs are" in said


def test_without_a_second_model_what_is_asked_of_it_changes_nothing(doubling: Path) -> None:
    ended = started(request(doubling, "--most-seconds", "1e-9", "--starts", "second"))
    assert len(wire.parse_stream(ended.stdout).samples.ns) == 5
