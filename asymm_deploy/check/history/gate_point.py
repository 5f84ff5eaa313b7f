"""What the check needs of one commit's launches of one model, wherever they were kept."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asymm_deploy.bench.backends.fallback import engine_and_backend
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.plausibility import FEWEST_TO_COMPARE
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.units import NS_PER_MS
from asymm_deploy.check.history.commit_points import CommitPoint
from asymm_deploy.check.launched import RowFailure
from asymm_deploy.history.history_series import CIRCUMSTANCES

_OF_LAUNCH: dict[str, Callable[[LaunchRecord], str]] = {
    "chip": lambda launch: str(launch.device_facts.soc),
    "system": lambda launch: str(launch.device_facts.os),
    "core": lambda launch: "+".join(map(str, launch.cpus)) or "none",
    "engine": lambda launch: str(launch.engine_version),
    "runner": lambda launch: f"{launch.runner} {launch.runner_version}",
    "runs per launch": lambda launch: str(launch.runs),
    "warm-up": lambda launch: str(launch.warmup),
}
"""How each of CIRCUMSTANCES is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedRuns:
    """The runs of the launches that count, as far as it matters whether anything measured them."""

    count: int
    shortest_ns: float
    longest_ns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePoint:
    """One commit's launches of one model in one setting."""

    commit: str
    model: str
    device: str
    setting: tuple[str, ...]
    """In the order of POINT_SETTINGS."""
    medians_ns: tuple[float, ...]
    """Of the launches that count; empty if none does."""
    runs: TimedRuns | None
    circumstances: tuple[str, ...]
    """In the order of CIRCUMSTANCES; empty if no launch counts."""
    discarded: tuple[tuple[int, str], ...]
    """Number and flags of each launch that doesn't count."""
    left_out: int
    """Launches of other files or plans, before those."""
    failure: RowFailure | None
    """What failed among its launches, if more than the timing was disturbed."""
    started_at: str
    """When the first launch that counts started, else the first one."""
    samples: frozenset[str] = frozenset()
    """A hash of each counting launch's runs: launches that share it are one. Without those of so
    few runs that two may agree by chance."""
    artifact_sha256: str | None = None
    commit_time: datetime.datetime | None = None
    """Of a commit in a store."""

    @property
    def counts(self) -> bool:
        """Whether any launch does."""
        return bool(self.medians_ns)

    @property
    def latency_ms(self) -> float:
        """The median of the launches' medians."""
        return float(np.median(self.medians_ns)) / NS_PER_MS


POINT_SETTINGS = ("input shape", "device", "engine", "precision", "threads")
"""What tells histories of one model apart."""


def gate_point(point: CommitPoint) -> GatePoint:
    """Return what the check needs of a file's launches."""
    record = point.record
    samples = [ns for launch in point.launches for ns in launch.samples_ns]
    shape = record.input_shape
    return GatePoint(
        commit=point.commit,
        model=record.model,
        device=record.device,
        setting=(
            "x".join(map(str, shape)) if shape else told_shape(None),
            record.device,
            engine_and_backend(record),
            record.precision,
            told_threads(record.threads),
        ),
        medians_ns=tuple(verdicts.launch_medians_ns(point.launches)) if point.launches else (),
        runs=TimedRuns(count=len(samples), shortest_ns=min(samples), longest_ns=max(samples))
        if samples
        else None,
        circumstances=_circumstances(point.launches),
        discarded=tuple(
            (launch.launch, " ".join(launch.flags) or "no result") for launch in point.discarded
        ),
        left_out=point.left_out,
        failure=point.failure,
        started_at=point.started_at if point.launches else record.started_at,
        samples=frozenset(
            samples_hash(launch)
            for launch in point.launches
            if len(launch.samples_ns) >= FEWEST_TO_COMPARE
        ),
        artifact_sha256=record.artifact_sha256,
    )


def samples_hash(launch: LaunchRecord) -> str:
    """Return the hash by which a store knows a launch's runs."""
    runs = np.array(launch.samples_ns, dtype=np.int64)
    return hashlib.sha256(runs.tobytes()).hexdigest()


def told_shape(shape: str | None) -> str:
    """Return how histories name an input shape."""
    return shape or "unknown shape"


def told_threads(threads: int) -> str:
    """Return how histories name a number of threads."""
    return f"{threads} thread{'s' * (threads != 1)}"


def all_alike(points: list[TimedRuns]) -> bool:
    """Whether all runs of these points took equally long, which no clock shows of real ones."""
    return sum(each.count for each in points) >= FEWEST_TO_COMPARE and min(
        each.shortest_ns for each in points
    ) == max(each.longest_ns for each in points)


def _circumstances(launches: tuple[LaunchRecord, ...]) -> tuple[str, ...]:
    if not launches:
        return ()
    told = {name: _OF_LAUNCH[name](launches[0]) for name in CIRCUMSTANCES}
    told["runs per launch"] = str(max(launch.runs for launch in launches))
    return tuple(told.values())
