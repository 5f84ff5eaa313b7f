"""Two artifacts in one launch: what is asked for, what is recorded of each, and what is no pair."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import launch
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.paired import paired_launch
from asymm_deploy.bench.paired.pair_order import PairOrder
from asymm_deploy.bench.paired.paired_launch import NoPairsHereError, PairSide, launch_pair
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import DeviceFacts, LaunchRecord
from asymm_deploy.engines.tensors import TensorSpec

FACTS = DeviceFacts(device="fake", soc=None, cpu_max_khz=None, cores=8, abi="none", os="none")
MS = 10**6
RUNS = 25
Messages = list[dict[str, Any]]


@dataclass
class TurningDevice:
    """Answers as a runner that takes turns; ``lie`` may change its messages, or replace them."""

    lie: Callable[[Messages], Messages | Completed] = lambda messages: messages
    elapsed_ns: int | None = None
    asked: list[list[str]] = field(default_factory=list)

    def put(self, source: Path) -> str:
        return str(source)

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        self.asked.append(list(argv))
        given = dict(itertools.pairwise(argv))
        told = self.lie(messages(given))
        if isinstance(told, Completed):
            return told
        lines = b"".join(json.dumps(message).encode() + b"\n" for message in told)
        return Completed(lines, b"", 0, elapsed_ns=self.elapsed_ns)


def messages(given: dict[str, str]) -> Messages:
    """Return what an honest runner sends; the first model takes 2 ms and the second 3 ms."""
    sides: list[dict[str, list[int]]] = [{"ns": [], "cpu_ns": [], "start_ns": []} for _ in "ab"]
    order = (0, 1) if given["--starts"] == "first" else (1, 0)
    now = 0
    for run in range(RUNS):
        for side in order:
            ns = (2, 3)[side] * MS + run * (side + 1)
            sides[side]["start_ns"].append(now)
            sides[side]["ns"].append(ns)
            sides[side]["cpu_ns"].append(ns - 1000)
            now += ns + 100

    def model(path: str, init_ns: int) -> dict[str, Any]:
        sha256 = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        about = {"type": "model", "sha256": sha256, "input_shape": [1], "init_ns": init_ns}
        return {**about, "memory_mb": 60.0, "precision": "fp32", "threads": 1, "api": "session"}

    hello = {"type": "hello", "protocol": 1, "runner": "fake", "runner_version": "7"}
    loop = {"wall_ns": now, "cpu_ns": now, "waited_ns": 0, "steal_ns": None}
    return [
        {**hello, "engine": "mnn", "engine_version": "3", "abi": "none", "pid": 1},
        model(given["--model"], 5 * MS),
        model(given["--second-model"], 6 * MS),
        {"type": "cpu", "asked": [1], "before": 1, "after": 1},
        {"type": "calibration", "before_mac_per_s": 4e10, "after_mac_per_s": 4e10},
        {"type": "pairs", "first": sides[0], "second": sides[1], **loop},
        {"type": "output", "sha256": "a" * 64},
        {"type": "output", "sha256": "b" * 64},
        {"type": "done", "count": RUNS},
    ]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[PairSide, PairSide]:
    """Two artifacts without a reference."""

    def side(name: str) -> PairSide:
        path = tmp_path / f"{name}.mnn"
        path.write_bytes(name.encode())
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        return PairSide(Artifact(name, path, sha256, inputs=(TensorSpec(f"in_{name}", (1,)),)))

    return side("old"), side("new")


def launched(
    device: TurningDevice, sides: tuple[PairSide, PairSide], loads: int = 0, runs: int = 0
) -> tuple[LaunchRecord, LaunchRecord]:
    plan = Plan(runs=RUNS, launches=1)
    bench = Bench(device, plan, "plan", FACTS, (1,), ("runner",), "check")  # type: ignore[arg-type]
    one, other = (launch.blank(bench, side.artifact, 0, n) for n, side in enumerate(sides))
    return launch_pair(bench, (one, other), sides, PairOrder(loads=loads, runs=runs))


@pytest.mark.parametrize("loads", [0, 1])
@pytest.mark.parametrize("runs", [0, 1])
def test_each_side_gets_its_own_times_whatever_came_first(
    sides: tuple[PairSide, PairSide], loads: int, runs: int
) -> None:
    device = TurningDevice()
    both = launched(device, sides, loads, runs)
    asked = dict(itertools.pairwise(device.asked[0]))
    assert Path(asked["--model"]).stem == ("old", "new")[loads]
    assert asked["--starts"] == ("first" if loads == runs else "second")
    for index, (record, side) in enumerate(zip(both, sides, strict=True)):
        loaded_first = index == loads
        assert record.artifact_sha256 == side.artifact.sha256
        assert record.samples_ns[0] == (2 if loaded_first else 3) * MS
        assert record.init_ns == (5 if loaded_first else 6) * MS
        assert record.output_sha256 == ("a" if loaded_first else "b") * 64
        assert record.paired is not None
        assert record.paired.loaded_first is loaded_first
        assert record.paired.runs_first is (index == runs)
        assert record.paired.cpu_ns is not None
        assert record.paired.cpu_ns[0] == record.samples_ns[0] - 1000
        assert record.flags == ("unverified",)


def test_each_side_is_asked_for_by_its_own_names(sides: tuple[PairSide, PairSide]) -> None:
    device = TurningDevice()
    launched(device, sides, loads=1)
    asked = dict(itertools.pairwise(device.asked[0]))
    assert asked["--input"] == "float32:1:in_new"
    assert asked["--second-input"] == "float32:1:in_old"
    assert asked["--most-seconds"] == f"{paired_launch.MOST_LOOP_S:g}"
    assert asked["--least-runs"] == str(paired_launch.LEAST_PAIRS)


def test_a_loop_that_ended_early_has_the_runs_that_it_had(
    sides: tuple[PairSide, PairSide],
) -> None:
    def shorter(told: Messages) -> Messages:
        for side in ("first", "second"):
            for name in ("ns", "cpu_ns", "start_ns"):
                told[5][side][name] = told[5][side][name][:7]
        told[8]["count"] = 7
        told[5]["wall_ns"] = int(1e9 * paired_launch.MOST_LOOP_S)
        return told

    both = launched(TurningDevice(shorter), sides)
    assert [record.error for record in both] == [None, None]
    assert [record.runs for record in both] == [7, 7]


def changed(place: int, **fields: Any) -> Callable[[Messages], Messages]:
    def lie(told: Messages) -> Messages:
        told[place] |= fields
        return told

    return lie


def of_side(side: str, name: str, change: Callable[[list[int]], Any]) -> Any:
    def lie(told: Messages) -> Messages:
        told[5][side][name] = change(told[5][side][name])
        return told

    return lie


def cut_to(count: int) -> Callable[[Messages], Messages]:
    def lie(told: Messages) -> Messages:
        for side in ("first", "second"):
            for name in ("ns", "cpu_ns", "start_ns"):
                told[5][side][name] = told[5][side][name][:count]
        told[8]["count"] = count
        return told

    return lie


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (of_side("first", "start_ns", lambda x: x[::-1]), "did not take turns"),
        (of_side("second", "start_ns", lambda x: [0, *x[1:]]), "did not take turns"),
        (of_side("first", "ns", lambda x: [9 * MS, *x[1:]]), "did not take turns"),
        (of_side("first", "ns", lambda x: x[:-1]), "counted 25 pairs but sent 24 and 25"),
        (of_side("second", "cpu_ns", lambda x: [*x, 1]), "counted 25 pairs but sent 25 and 26"),
        (of_side("second", "ns", lambda x: [0, *x[1:]]), "printed no valid 'pairs'"),
        (of_side("second", "ns", lambda x: [1.5, *x[1:]]), "printed no valid 'pairs'"),
        (of_side("first", "cpu_ns", lambda x: [-1, *x[1:]]), "printed no valid 'pairs'"),
        (changed(5, wall_ns=1000), "made up: its main thread is said to have used 0.125 s"),
        (changed(5, wall_ns=1000, cpu_ns=1000), "its runs add up to 0.05 s"),
        (changed(8, count=24), "counted 24 pairs but sent 25"),
        (cut_to(19), "the runner timed 19 pairs, where 25 were asked for"),
        (changed(1, sha256="0" * 64), "used another model file"),
        (changed(2, sha256="0" * 64), "used another model file"),
        (changed(2, threads=2), "used another number of threads"),
        (changed(2, api="module"), "used another interface of the engine"),
        (changed(3, asked=[2]), "used another set of cores"),
        (lambda told: told[:6], "stopped before 'output'"),
        (lambda told: [*told, told[8]], "went on after 'done'"),
        (lambda told: [told[0], told[1], told[2], *told[4:]], "where 'cpu' was expected"),
        (lambda told: [{"type": "error", "reason": "no memory"}], "the runner: no memory"),
        (lambda told: Completed(b"", b"boom", -11), "was ended by signal 11"),
    ],
)
def test_what_is_no_pair_fails_both_records_and_says_why(
    sides: tuple[PairSide, PairSide], lie: Any, why: str
) -> None:
    both = launched(TurningDevice(lie), sides)
    for record in both:
        assert record.error is not None
        assert why in record.error
        assert record.samples_ns == ()
        assert record.paired is not None
        assert (record.paired.cpu_ns, record.paired.start_ns) == (None, ())
        assert record.exit_code == 3


def test_the_loop_and_both_loads_fit_into_the_life_of_the_process(
    sides: tuple[PairSide, PairSide],
) -> None:
    loop_ns = messages({"--starts": "first", "--model": "/dev/null", "--second-model": "/dev/null"})
    needed_ns = loop_ns[5]["wall_ns"] + 11 * MS
    good = launched(TurningDevice(elapsed_ns=needed_ns), sides)
    assert [record.error for record in good] == [None, None]
    for record in launched(TurningDevice(elapsed_ns=needed_ns - 10 * MS), sides):
        assert record.error is not None
        assert "the runner's times are made up" in record.error


@pytest.mark.parametrize(
    "lie",
    [
        lambda told: [{"type": "error", "reason": "unrecognized arguments: --second-model x"}],
        lambda told: [
            *told[:2],
            *told[3:5],
            {"type": "samples", **told[5]["first"], "wall_ns": 10**9, "cpu_ns": 10**9}
            | {"waited_ns": 0, "steal_ns": 0},
            told[6],
            told[8],
        ],
    ],
)
def test_a_runner_that_knows_no_pairs_is_told_from_one_that_fails(
    sides: tuple[PairSide, PairSide], lie: Any
) -> None:
    with pytest.raises(NoPairsHereError):
        launched(TurningDevice(lie), sides)


def test_another_argument_that_it_does_not_know_is_a_failure(
    sides: tuple[PairSide, PairSide],
) -> None:
    error = {"type": "error", "reason": "unrecognized arguments: --inputs-file x"}
    for record in launched(TurningDevice(lambda told: [error]), sides):
        assert record.error is not None
        assert "an older runner" in record.error


def test_a_file_that_changed_is_never_started(sides: tuple[PairSide, PairSide]) -> None:
    sides[1].artifact.path.write_bytes(b"another")
    device = TurningDevice()
    for record in launched(device, sides):
        assert record.error is not None
        assert "new.mnn is not the file that was exported" in record.error
    assert device.asked == []


def test_a_record_of_a_pair_is_written_and_read_as_it_is(sides: tuple[PairSide, PairSide]) -> None:
    record, _other = launched(TurningDevice(), sides)
    line = msgspec.json.encode(record)
    assert msgspec.json.decode(line, type=LaunchRecord) == record
