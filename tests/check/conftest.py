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

import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Completed, Runner
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import DeviceFacts, Engine
from asymm_deploy.check.folders import Pair

NS = 10_000_000
"""A launch's median where nothing else is said: 10 ms."""


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
    memory_mb: float = 50.0
    output: str = "a"


@dataclass
class FakeDevice:
    """See ``Device``; ``script`` says how each launch goes, and may raise."""

    script: Callable[[Launch], Told]
    launched: list[Launch] = field(default_factory=list)
    placed: list[Path] = field(default_factory=list)
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
        asked = dict(itertools.pairwise(argv))
        path = Path(asked["--model"])
        before = [x for x in self.launched if (x.model, x.arm) == (path.stem, path.parent.name)]
        launch = Launch(path.stem, path.parent.name, len(before))
        told = self.script(launch)
        self.launched.append(launch)
        if told.error is not None:
            line = json.dumps({"type": "error", "reason": told.error}).encode()
            return Completed(line + b"\n", b"", 1)
        samples = told.samples or _samples(told.ns, int(asked["--runs"]), len(self.launched))
        return Completed(_words(told, samples, path, asked), b"", 0, flags=told.flags)


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


@pytest.fixture
def fake() -> Callable[[Callable[[Launch], Told]], FakeDevice]:
    """Make a device that does what a script says."""
    return FakeDevice


@pytest.fixture
def told() -> type[Told]:
    """What a script returns."""
    return Told


@pytest.fixture
def pair(tmp_path: Path) -> Callable[[str], Pair]:
    """Make the two versions of a model, different files without a reference output."""

    def make(model: str = "net") -> Pair:
        return Pair(model, _artifact(tmp_path, model, "A"), _artifact(tmp_path, model, "B"))

    return make


def _artifact(folder: Path, model: str, arm: str) -> Artifact:
    path = folder / arm / f"{model}.mnn"
    path.parent.mkdir(exist_ok=True)
    content = f"{model} {arm}".encode()
    path.write_bytes(content)
    return Artifact(model=model, path=path, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def plan() -> Plan:
    """Three runs a launch."""
    return Plan(runs=3, launches=1, warmup=0)
