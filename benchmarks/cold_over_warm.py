"""How much longer a model takes to start from the disk than from the page cache, side by side.

Each pair is two launches of `bench --cold` on this machine, one after the other, in an order that
alternates: in one the model file is dropped from memory, in the other this program keeps its pages
mapped, so that they stay. The time to the second result is told without what the process waited for
its core. What disturbs the machine for a while disturbs both, and the ratio is of
the two launches of a pair. Prints a table; exits 1 where a file could not be dropped or kept.

    asymm-deploy export asymmnet_small_035 asymmnet_large_100
    python benchmarks/cold_over_warm.py asymmnet_small_035 asymmnet_large_100
"""

from __future__ import annotations

import argparse
import math
import mmap
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asymm_deploy.bench import artifact, launch
from asymm_deploy.bench.cold.cold_launch import put_and_launch_cold
from asymm_deploy.bench.cold.cold_records import COLD_WARMUP, ColdRecord, StageTimes
from asymm_deploy.bench.cold.time_cold import cold_runs
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.judge.log_interval import interval
from asymm_deploy.bench.launch import Bench
from asymm_deploy.bench.measure import prepare
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import Engine, LaunchRecord
from asymm_deploy.errors import DeployError

_RISK = 0.025
_NS_PER_MS = 1e6


@dataclass(frozen=True)
class Pair:
    """A launch from the disk and one from memory."""

    cold: StageTimes
    warm: StageTimes


class WrongCacheError(Exception):
    """The file was in memory where it should not have been, or the other way round."""


class _Nothing:
    """No earlier launches."""

    records: tuple[LaunchRecord, ...] = ()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="exported before")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"), help="as of bench")
    parser.add_argument("--engine", choices=("mnn", "onnxruntime"), default="mnn")
    parser.add_argument("--runner", type=Path, help="as of bench")
    parser.add_argument("--pairs", type=int, default=20, help="of each model, 2 at least")
    options = parser.parse_args(argv)
    print(
        f"| model | {options.engine} file (MB) | read, from disk (ms) | from memory (ms) | ratio | "
        "to the second result, from disk (ms) | from memory (ms) | ratio |"
    )
    print("|:--|--:|--:|--:|--:|--:|--:|--:|")
    try:
        for model in options.models:
            pairs = measured(options, options.artifacts / model)
            size = (options.artifacts / model / _file_of(options.engine)).stat().st_size
            cells = [*_cells(pairs, lambda stages: stages.read_ns), *_cells(pairs, _undisturbed_ns)]
            print(f"| {model} | {size / 1e6:.1f} | {' | '.join(cells)} |", flush=True)
    except (DeployError, WrongCacheError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measured(options: argparse.Namespace, folder: Path) -> list[Pair]:
    """Return the pairs of one model; raise WrongCacheError, or the DeployError of a launch."""
    engine: Engine = options.engine
    model = artifact.exported(folder, engine)
    device = HostDevice(options.runner)
    launches = 2 * max(2, options.pairs)
    plan = Plan(engine=engine, runs=cold_runs(launches), launches=launches, warmup=COLD_WARMUP)
    bench = prepare(device, plan, _Nothing(), "bench")
    pairs = []
    with device.held(bench.cpus, model.files):
        for number in range(launches // 2):
            found: dict[str, StageTimes] = {}
            for wanted in ("dropped", "kept") if number % 2 == 0 else ("kept", "dropped"):
                with _kept(model.path, keep=wanted == "kept"):
                    record = _started(bench, model, 2 * number + (wanted == "kept"))
                if record.stages is None or record.cache != wanted:
                    why = record.launch.error or f"its pages were {record.cache}, not {wanted}"
                    raise WrongCacheError(f"{model.path}: {why}")
                found[wanted] = record.stages
            pairs.append(Pair(found["dropped"], found["kept"]))
    return pairs


def _started(bench: Bench, model: artifact.Artifact, number: int) -> ColdRecord:
    blank = ColdRecord(kind="times", launch=launch.blank(bench, model, 0, number))
    record, _ = put_and_launch_cold(bench, blank, model, None, None)
    return record


def _undisturbed_ns(stages: StageTimes) -> int:
    """Return how long all stages took, without the time that the process waited for its core."""
    return stages.wall_ns - (stages.waited_ns or 0)


@contextmanager
def _kept(path: Path, *, keep: bool) -> Iterator[None]:
    """Keep a file's pages in memory, if asked to: what is mapped and in use can't be dropped."""
    if not keep:
        yield
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) >= 0
        yield


def _cells(pairs: Sequence[Pair], of: Callable[[StageTimes], int]) -> list[str]:
    cold, warm = ([of(getattr(pair, side)) for pair in pairs] for side in ("cold", "warm"))
    ratios = [math.log(one / other) for one, other in zip(cold, warm, strict=True)]
    around = interval(ratios, _RISK)
    ends = f"{math.exp(around.low):.2f} to {math.exp(around.high):.2f}"
    return [
        f"{np.median(cold) / _NS_PER_MS:.2f}",
        f"{np.median(warm) / _NS_PER_MS:.2f}",
        f"{math.exp(around.estimate):.2f} ({ends})",
    ]


def _file_of(engine: Engine) -> str:
    return "model.mnn" if engine == "mnn" else "model.onnx"


if __name__ == "__main__":
    sys.exit(main())
