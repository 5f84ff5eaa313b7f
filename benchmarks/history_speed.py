"""How long ``asymm-deploy history`` takes over a store of a million launches, which are made up.

A thousand commits of a thousand launches: 50 models on 2 devices, 10 launches each. Nothing in it
was measured. Prints of each command the seconds that a user waits, its processor time and the peak
of its memory; exits 1 where one takes more processor time than its limit.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import Calibration, DeviceFacts, LaunchRecord
from asymm_deploy.errors import ExitCode
from asymm_deploy.history import store_files
from asymm_deploy.history.history_schema import TableName

_COMMAND = str(Path(sysconfig.get_path("scripts")) / "asymm-deploy")
_MODELS, _DEVICES, _LAUNCHES = 50, 2, 10
_A_COMMIT = _MODELS * _DEVICES * _LAUNCHES
_LARGE, _SMALL = 8, 24
"""Files: those that were put together, and those of the commits since."""
_LIMIT_S = 10.0
_ROW_A_COMMIT = (
    'select "commit", model, device, median(median_ns) from launches where counts group by all'
)
_START = datetime.datetime(2024, 1, 1)


def main(argv: Sequence[str] | None = None) -> int:
    """Make the store, time each command over it, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=1000, help="of a thousand launches each")
    parser.add_argument("--report-only", action="store_true", help="exit 0 beyond the limits")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.chdir(folder)
        _make_store(folder / "history", options.commits)
        sizes = [path.stat().st_size for path in (folder / "history").iterdir()]
        launches = options.commits * _A_COMMIT
        print(f"{launches:,} made-up launches, {len(sizes)} files, {sum(sizes) / 1e6:.0f} MB")
        _write_results(folder / "results", 1)
        _write_results(folder / "many", 100)
        of = ("--time", "2027-01-01")
        questions = {
            "add 1,000 launches": ("add", "results", "--commit", "e" * 40, *of),
            "add the same again": ("add", "results", "--commit", "e" * 40, *of),
            "add another store of a million": ("add", "history", "--store", "other"),
            "show model_7": ("show", "model_7", "--device", "phone 1"),
            "query: count": ("query", "select count(*) from launches"),
            "query: a row a commit and model": ("query", _ROW_A_COMMIT, "--format", "csv"),
            "export, as Parquet": ("export", "out"),
            "export, as one file": ("export", "one", "--format", "store"),
            "add 100,000 launches": ("add", "many", "--commit", "f" * 40, *of),
        }
        slow = False
        print(f"{'':34} {'wait s':>7} {'cpu s':>7} {'MB':>6}")
        for label, words in questions.items():
            code, wait_s, cpu_s, peak_mb = _measured(words)
            failed = f"  exit code {code}" if code else ""
            print(f"{label:34} {wait_s:7.1f} {cpu_s:7.1f} {peak_mb:6.0f}{failed}", flush=True)
            slow |= cpu_s > (_LIMIT_S if label != "add 100,000 launches" else 10 * _LIMIT_S)
    return 1 if slow and not options.report_only else ExitCode.OK


def _measured(words: Sequence[str]) -> tuple[int, float, float, float]:
    """Return a command's exit code, seconds, processor seconds, and megabytes at its peak."""
    start = time.perf_counter()
    with subprocess.Popen(
        [_COMMAND, "history", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    return process.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def _make_store(folder: Path, commits: int) -> None:
    folder.mkdir()
    small = min(_SMALL, commits - 1)
    edges = [round(x) for x in np.linspace(0, commits - small, _LARGE + 1)]
    spans = [*pairwise(edges), *((n, n + 1) for n in range(commits - small, commits))]
    for first, last in spans:
        if last > first:
            store_files.put_file(folder, store_files.file_content(_tables(first, last)))


def _tables(first: int, last: int) -> dict[TableName, pa.Table]:
    """Return the launches of the commits from ``first`` up to ``last``, without it."""
    count = (last - first) * _A_COMMIT
    rng = np.random.default_rng(first)
    commit = np.repeat(np.arange(first, last), _A_COMMIT)
    commits: list[int] = commit.tolist()
    place = np.tile(np.arange(_A_COMMIT), last - first)
    model, rest = place // (_DEVICES * _LAUNCHES), place % (_DEVICES * _LAUNCHES)
    device, launch = rest // _LAUNCHES, rest % _LAUNCHES
    median = (5e6 + 1e5 * model) * (1 + 0.05 * (commit > 500)) * rng.normal(1, 0.01, count)
    shas = {n: hashlib.sha1(str(n).encode()).hexdigest() for n in range(first, last)}
    times = {n: _START + datetime.timedelta(hours=n) for n in range(first, last)}
    ids = [
        hashlib.sha256(f"{c}-{p}".encode()).hexdigest() for c, p in zip(commits, place, strict=True)
    ]
    of_commit: dict[str, Any] = {
        "entry_id": [f"{n:016x}" for n in commits],
        "commit": [shas[n] for n in commits],
        "branch": ["main"] * count,
        "commit_time": [times[n] for n in commits],
        "dirty": [False] * count,
        "added_at": [times[n] for n in commits],
    }
    launches: dict[str, Any] = of_commit | {
        "row_id": [each[:24] for each in ids],
        "model": [f"model_{n}" for n in model],
        "device": [f"phone {n}" for n in device],
        "soc": ["SM8150"] * count,
        "precision": ["fp32"] * count,
        "threads": [1] * count,
        "engine": ["mnn"] * count,
        "engine_version": ["3.6.1"] * count,
        "artifact_sha256": [hashlib.sha256(b"%d" % n).hexdigest() for n in model],
        "input_shape": ["1,3,224,224"] * count,
        "cpus": ["7"] * count,
        "cpu_max_khz": [2841600] * count,
        "runner": ["native"] * count,
        "plan_id": ["0123456789abcdef"] * count,
        "attempt": [0] * count,
        "launch": launch.tolist(),
        "runs": [100] * count,
        "warmup": [20] * count,
        "started_at": [
            times[c] + datetime.timedelta(seconds=int(p))
            for c, p in zip(commits, place, strict=True)
        ],
        "median_ns": median,
        "mean_ns": median * rng.normal(1.01, 0.002, count),
        "p90_ns": median * rng.normal(1.05, 0.005, count),
        "p99_ns": median * rng.normal(1.2, 0.02, count),
        "min_ns": median * rng.normal(0.97, 0.002, count),
        "max_ns": median * rng.normal(1.4, 0.05, count),
        "std_ns": median * rng.normal(0.03, 0.002, count),
        "samples_sha256": ids,
        "init_ns": rng.integers(10**7, 2 * 10**7, count).tolist(),
        "peak_memory_mb": rng.normal(40, 0.2, count),
        "line": (place + 1).tolist(),
        "in_use": [True] * count,
        "counts": [True] * count,
        "valid": [True] * count,
        "flags": [["unpinned"] if n % 100 == 0 else [] for n in place],
        "exit_code": [0] * count,
    }
    entries = {name: column[::_A_COMMIT] for name, column in of_commit.items()}
    return {"entries": _table("entries", entries), "launches": _table("launches", launches)}


def _table(name: TableName, columns: Mapping[str, Any]) -> pa.Table:
    schema, length = store_files.arrow_schema(name), len(columns["commit"])
    empty = {field.name: pa.nulls(length, field.type) for field in schema}
    return pa.table({**empty, **columns}, schema=schema)


def _write_results(folder: Path, times: int) -> None:
    """Write a runs.jsonl of ``times`` a thousand launches of 100 runs."""
    folder.mkdir()
    rng = np.random.default_rng(times)
    record = LaunchRecord(
        model="model_0", network=None, scale=None, multiplier=None, madds=10**8, params=10**6,
        floor_madds=None, artifact_file="model.mnn", artifact_sha256="0" * 64, device="phone 0",
        device_facts=DeviceFacts(device="phone 0", soc="SM8150", cpu_max_khz=2841600, cores=8,
                                 abi="arm64-v8a", os="Android 10"),
        cpu=7, cpus=(7,), cpu_before=7, cpu_after=7, engine="mnn", engine_version="3.6.1",
        runner="native", runner_version="1", precision="fp32", precision_in_force="fp32", threads=1,
        plan_id="0123456789abcdef", attempt=0, launch=0, launches_planned=10, runs=100, warmup=20,
        samples_ns=(1,), init_ns=10**7, peak_memory_mb=40.0, calibration=Calibration(4e10, 4e10),
        wall_ns=None, off_core_ns=0, waited_ns=0, steal_ns=0, output_sha256="c" * 64,
        output_error=1e-6, valid=True, flags=(), allowed=(), error=None, exit_code=0,
        started_at="2027-02-01T00:00:00+00:00",
    )  # fmt: skip
    with (folder / "runs.jsonl").open("wb") as file:
        for place in range(times * _A_COMMIT):
            model, launch = divmod(place, _LAUNCHES)
            made = msgspec.structs.replace(
                record,
                model=f"model_{model % _MODELS}",
                device=f"phone {model // _MODELS}",
                launch=launch,
                samples_ns=tuple(map(int, rng.integers(5_000_000, 5_500_000, 100))),
                started_at=(_START + datetime.timedelta(days=1200, seconds=place)).isoformat()
                + "+00:00",
            )
            file.write(msgspec.json.encode(verdicts.judged_with(made, made.flags)) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
