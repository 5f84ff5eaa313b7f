"""Stores of histories that were made up, for tests."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asymm_deploy.history.history_schema import HISTORY_TABLES, HistoryRow, TableName
from asymm_deploy.history.store_files import arrow_table, file_content, put_file

FIRST_DAY = datetime.datetime(2026, 1, 1)


def commit_hash(number: int) -> str:
    """Return the hash of the commit of that number."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def told_commit(number: int) -> str:
    """Return as much of it as people are shown."""
    return commit_hash(number)[:7]


def day(number: float) -> datetime.datetime:
    """Return when the commit of that number was made."""
    return FIRST_DAY + datetime.timedelta(days=number)


def common(number: int, **more: Any) -> HistoryRow:
    """Return what all rows of a commit have."""
    return {
        "entry_id": f"entry{number}",
        "commit": commit_hash(number),
        "branch": "main",
        "commit_time": day(number),
        "dirty": False,
        "added_at": day(number + 0.5),
        "model": "net",
        "artifact_sha256": "a" * 64,
        "in_use": True,
        "counts": True,
        **more,
    }


def launches(number: int, latency_ms: float, count: int = 3, **more: Any) -> list[HistoryRow]:
    """Return a commit's launches: medians around ``latency_ms``, that of all of them exactly so."""
    rows = []
    for launch in range(count):
        median_ns = round(latency_ms * 1e6) + (launch - (count - 1) / 2) * 100
        told = f"{number} {launch} {latency_ms} {sorted(more.items())}"
        rows.append(
            common(number)
            | {
                "device": "host",
                "soc": "some chip",
                "os": "some system",
                "cpus": "1",
                "engine": "mnn",
                "engine_version": "3.6.1",
                "precision": "fp32",
                "threads": 1,
                "input_shape": "1x3x224x224",
                "runner": "python",
                "runner_version": "1",
                "plan_id": "plan",
                "attempt": 0,
                "launch": launch,
                "runs": 100,
                "warmup": 20,
                "started_at": day(number + 0.4) + datetime.timedelta(seconds=launch),
                "median_ns": median_ns,
                "min_ns": median_ns * 0.99,
                "max_ns": median_ns * 1.01,
                "samples_sha256": hashlib.sha256(told.encode()).hexdigest(),
                "line": launch + 1,
                "valid": True,
                "flags": [],
                "allowed": [],
                "exit_code": 0,
                **more,
            }
        )
    return rows


def starts(number: int, first_ms: float) -> list[HistoryRow]:
    """Return a commit's cold launches; a start takes three times as long as its first run."""
    return [
        row
        | {
            "pass": "times",
            "cache": "dropped",
            "first_ns": row["median_ns"],
            "cold_ns": round(3 * row["median_ns"]),
        }
        for row in launches(number, first_ms)
    ]


def lasting(number: int, sustained_ms: float) -> HistoryRow:
    """Return a commit's launch that lasted half an hour."""
    (row,) = launches(number, sustained_ms, count=1)
    return row | {"for_s": 1800.0, "every_ms": None, "sustained_ns": row["median_ns"]}


def cost(number: int, insn: int, **more: Any) -> HistoryRow:
    """Return what a commit's model was counted to take."""
    told = {"device": "a76", "engine": "mnn", "precision": "fp32", "threads": 1, "cost_key": "k"}
    return common(number) | told | {"insn": insn, "valid": True, "flags": [], "line": 1, **more}


def size(number: int, mnn_bytes: int, **more: Any) -> HistoryRow:
    """Return how large a commit's model is."""
    return common(number) | {"mnn_bytes": mnn_bytes, **more}


def top1(number: int, percent: float, **more: Any) -> HistoryRow:
    """Return how often a commit's model is right."""
    return common(number) | {
        "device": "host",
        "engine": "mnn",
        "precision": "fp32",
        "metric": "top1",
        "task": "classification",
        "percent": percent,
        "low_percent": percent - 1,
        "high_percent": percent + 1,
        "samples": 5000,
        "weights": "trained",
        "preprocess": "imagenet",
        **more,
    }


def decision(number: int, **more: Any) -> HistoryRow:
    """Return what somebody accepted, as it came with that commit's results."""
    return common(number) | {
        "metric": "latency",
        "up_to_percent": 12.0,
        "reason": "it sees better",
        "accepted_by": "Ada",
        "accepted_at": day(number),
        "artifact_sha256": None,
        **more,
    }


def noisy(levels: Mapping[int, float], count: int, seed: int, noise: float = 0.005) -> list[float]:
    """Return latencies in ms of ``count`` commits; each level begins at its number."""
    around = np.exp(np.random.default_rng(seed).normal(0, noise, count))
    level = [levels[max(start for start in levels if start <= place)] for place in range(count)]
    return [float(value) for value in around * level]


def made_store(folder: Path, tables: Mapping[Any, Sequence[HistoryRow]]) -> Path:
    """Write a store with these rows by table, and an entry for each commit that has some."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[TableName, list[HistoryRow]] = {name: [] for name in HISTORY_TABLES}
    seen: dict[str, HistoryRow] = {}
    for name, rows in tables.items():
        for number, row in enumerate(rows):
            row_id = hashlib.sha256(f"{name} {number} {sorted(map(str, row.items()))}".encode())
            told[name].append({"row_id": row_id.hexdigest()[:24], **row})
            seen.setdefault(row["entry_id"], row)
    keys = ("entry_id", "commit", "branch", "commit_time", "dirty", "added_at")
    told["entries"] = [{key: row[key] for key in keys} for row in seen.values()]
    put_file(folder, file_content({name: arrow_table(name, rows) for name, rows in told.items()}))
    return folder
