"""A device that times nothing and says what it is told to, in the runner's own words."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Completed, Runner
from asymm_deploy.bench.records import DeviceFacts, Engine

NS = 10_000_000
"""A launch's median where nothing else is said: 10 ms."""


_READING = {"rss_mb": 10.0, "pss_mb": 9.0, "peak_mb": 11.0}
_STAGES = {
    "type": "stages",
    "engine_ns": 2_000_000,
    "read_ns": 3_000_000,
    "create_ns": 20_000_000,
    "first_ns": 15_000_000,
    "second_ns": 11_000_000,
    "read_cpu_ns": 1_000_000,
    "create_cpu_ns": 19_000_000,
    "first_cpu_ns": 14_000_000,
    "second_cpu_ns": 10_000_000,
    "wall_ns": 60_000_000,
    "cpu_ns": 55_000_000,
    "waited_ns": 0,
    "steal_ns": 0,
    "core": 1,
    "pages": 100,
    "resident": 0,
    "major_faults": 0,
}
_MEMORY = {
    stage: {**_READING, "rss_mb": 10.0 + number}
    for number, stage in enumerate(("engine", "read", "created", "first", "second"))
}


@dataclass
class Launch:
    """One launch, for a script to decide on."""

    model: str
    arm: str
    """``A`` or ``B``."""
    count: int
    """How many launches of this arm of this model were before."""


@dataclass
class Told:
    """What the device says of a launch."""

    ns: float = NS
    """The median."""
    samples: Sequence[int] = ()
    """All runs, in the place of some around the median."""
    flags: tuple[str, ...] = ()
    """That the device raises."""
    error: str | None = None
    cpu: int = 1
    """Where the runner was seen; it is asked for core 1."""
    init_ns: int = 5_000_000
    memory_mb: float | None = 50.0
    output: str = "a"
    cpu_ns: float | None = None
    """Of a run of a pair; as ``ns`` unless given."""
    stops_ns: dict[int, int] = field(default_factory=dict)
    """What holds up runs of a pair, by number, in the middle of it."""


@dataclass
class FakeDevice:
    """See ``Device``; ``script`` says how each launch goes, and may raise."""

    script: Callable[[Launch], Told]
    launched: list[Launch] = field(default_factory=list)
    placed: list[Path] = field(default_factory=list)
    number: int = field(default_factory=itertools.count().__next__)
    """Of all such devices: no two say the same times."""
    knows_pairs: bool = True
    together: str | None = None
    """Why two models can't share a process."""
    asked: list[list[str]] = field(default_factory=list)
    stages: Callable[[int], dict[str, object]] = field(default=lambda _: {})
    """What is otherwise in the stages of a cold launch, given how many launches there were."""
    cooled: int = 0
    is_held: bool = False

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        return DeviceFacts(
            device="fake", soc="chip", cpu_max_khz=None, cores=2, abi="none", os="none"
        )

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        return (1,)

    def runner(self, engine: Engine) -> Runner:
        return Runner(("fake",), "fake 1")

    def put(self, source: Path) -> str:
        self.placed.append(source)
        return str(source)

    @contextmanager
    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> Iterator[None]:
        self.is_held = True
        try:
            yield
        finally:
            self.is_held = False

    def cool_down(self, *, is_hot: bool) -> None:
        self.cooled += 1

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        assert self.is_held
        self.asked.append(list(argv))
        asked = dict(itertools.pairwise(argv))
        paths = [Path(asked[name]) for name in ("--model", "--second-model") if name in asked]
        if len(paths) == 2:
            if not self.knows_pairs:
                return _error("unrecognized arguments: --second-model")
            if self.together is not None:
                return _error(self.together)
        told = [self._told(path) for path in paths]
        error = next((each.error for each in told if each.error is not None), None)
        if error is not None:
            return _error(error)
        seed = 1000 * self.number + len(self.launched)
        if len(paths) == 2:
            words = _pairs(told, paths, asked, seed)
        else:
            samples = told[0].samples or _samples(told[0].ns, int(asked["--runs"]), seed)
            words = _words(told[0], samples, paths[0], asked)
        if "--cold" in argv:
            words = self._with_stages(words, argv)
        return Completed(words, b"", 0, flags=tuple(flag for each in told for flag in each.flags))

    def _with_stages(self, words: bytes, argv: Sequence[str]) -> bytes:
        memory = {"memory": _MEMORY} if "--stage-memory" in argv else {}
        stages = {**_STAGES, **memory, **self.stages(len(self.asked) - 1)}
        lines = words.splitlines(keepends=True)
        lines.insert(2, json.dumps(stages).encode() + b"\n")
        return b"".join(lines)

    def _told(self, path: Path) -> Told:
        before = [x for x in self.launched if (x.model, x.arm) == (path.stem, path.parent.name)]
        launch = Launch(path.stem, path.parent.name, len(before))
        told = self.script(launch)
        self.launched.append(launch)
        return told


def _error(reason: str) -> Completed:
    return Completed(json.dumps({"type": "error", "reason": reason}).encode() + b"\n", b"", 1)


def _pairs(told: Sequence[Told], paths: Sequence[Path], asked: dict[str, str], seed: int) -> bytes:
    """What the runner says of two models that ran in turns; ``told`` as they were loaded."""
    runs = int(asked["--runs"])
    turns: list[dict[str, list[int]]] = [{"ns": [], "cpu_ns": [], "start_ns": []} for _ in told]
    order = (1, 0) if asked["--starts"] == "second" else (0, 1)
    now = 0
    samples = [
        each.samples or _samples(each.ns, runs, 10**6 * (n + 1) + seed)
        for n, each in enumerate(told)
    ]
    for run in range(runs):
        for side in order:
            ns = samples[side][run]
            cpu_ns = told[side].cpu_ns
            off = 0 if cpu_ns is None else int(cpu_ns - told[side].ns)
            turns[side]["start_ns"].append(now)
            turns[side]["ns"].append(ns + told[side].stops_ns.get(run, 0))
            turns[side]["cpu_ns"].append(ns + off)
            now += turns[side]["ns"][-1]
    alone = [
        [json.loads(line) for line in _words(each, [1], path, asked).splitlines()]
        for each, path in zip(told, paths, strict=True)
    ]
    first, second = alone
    used = sum(sum(side["cpu_ns"]) for side in turns)
    loop = {"wall_ns": now, "cpu_ns": min(now, used), "waited_ns": 0, "steal_ns": 0}
    pairs = {"type": "pairs", "first": turns[0], "second": turns[1], **loop}
    messages = [*first[:2], second[1], *first[2:4], pairs, first[5], second[5]]
    messages.append({"type": "done", "count": runs})
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def _samples(ns: float, runs: int, seed: int) -> list[int]:
    """Return runs around ``ns``, the first; an odd number has that median. No two are alike."""
    rng = random.Random(seed)
    around = [sign * rng.randint(1, int(ns / 1000)) for sign in (-1, 1) * (runs // 2)]
    return [int(ns), *(int(ns) + off for off in around)][:runs]


def _words(told: Told, samples: Sequence[int], path: Path, asked: dict[str, str]) -> bytes:
    messages: list[dict[str, object]] = [
        {
            "type": "hello",
            "protocol": 1,
            "runner": "fake",
            "runner_version": "1",
            "engine": "mnn",
            "engine_version": "0",
            "abi": "none",
            "pid": 1,
        },
        {
            "type": "model",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "input_shape": [1],
            "init_ns": told.init_ns,
            "memory_mb": told.memory_mb,
            "precision": asked["--precision"],
            "threads": int(asked["--threads"]),
        },
        {"type": "cpu", "asked": [1], "before": told.cpu, "after": told.cpu},
        {"type": "calibration", "before_mac_per_s": 4e10, "after_mac_per_s": 4e10},
        {
            "type": "samples",
            "ns": samples,
            "wall_ns": sum(samples),
            "cpu_ns": sum(samples),
            "waited_ns": 0,
            "steal_ns": 0,
        },
        {"type": "output", "sha256": told.output * 64},
        {"type": "done", "count": len(samples)},
    ]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def fake_artifact(folder: Path, model: str, arm: str) -> Artifact:
    """Return a file that is no model, without a reference output."""
    path = folder / arm / f"{model}.mnn"
    path.parent.mkdir(exist_ok=True)
    content = f"{model} {arm}".encode()
    path.write_bytes(content)
    return Artifact(model=model, path=path, sha256=hashlib.sha256(content).hexdigest())
