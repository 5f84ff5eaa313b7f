"""What a history holds: its tables, and their columns with units in their names.

A store's file has the rows of all tables, one below the other, and says of each in the column
``kind`` which table it is of; columns that a table doesn't have are empty there. So one file is one
``history add``, whole or not at all. `HistoryStore` shows each table by its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

HISTORY_SCHEMA_VERSION = 1
"""Newest version of a file in a store. Incremented when older readers would misread it.

A file of this version may have more columns, and more tables, than this program knows.
"""

TableName = Literal[
    "entries",
    "launches",
    "cold",
    "sustained",
    "costs",
    "accuracies",
    "sizes",
    "verdicts",
    "accepted",
]
ColumnType = Literal["text", "texts", "int", "float", "bool", "time"]
"""``texts`` is a list of texts; ``time`` is UTC, without a zone."""
HistoryRow: TypeAlias = dict[str, Any]
"""A row by its columns; those that it lacks are None."""

KIND = "kind"
_OF_ENTRY: Mapping[str, ColumnType] = {
    "entry_id": "text",  # which `history add` brought it: entries.entry_id
    "commit": "text",  # 40 hexadecimal digits, or 64
    "branch": "text",  # None on a detached HEAD, unless --branch says it
    "commit_time": "time",  # when the commit was made
    "dirty": "bool",  # whether files differed from the commit; None where git was not asked
    "added_at": "time",  # when `history add` brought it
}
_OF_ROW: Mapping[str, ColumnType] = {
    "row_id": "text",  # a hash of what was measured and of the commit; no two rows have the same
    **_OF_ENTRY,
    "model": "text",  # with its variant: asymmnet_small_035@int8
    "variant": "text",  # int8; None of an export itself
    "device": "text",  # a host's name, a phone's serial number, a76, here
    "soc": "text",
    "precision": "text",  # fp32, fp16
    "threads": "int",
    "engine": "text",  # mnn, onnxruntime; mnn on vulkan where that was asked for
    "engine_version": "text",
    "artifact_sha256": "text",  # of model.mnn
    "input_shape": "text",  # of the first input: 1,3,224,224
    "classes": "int",  # of a network of ours, where its name doesn't say how many
}

_OF_LAUNCH: Mapping[str, ColumnType] = {
    **_OF_ROW,
    "product": "text",  # what its maker calls a phone
    "os": "text",
    "cpus": "text",  # the pinned cores: 4+5; None if not pinned
    "cpu_max_khz": "int",
    "runner": "text",
    "runner_version": "text",
    "api": "text",
    "plan_id": "text",
    "attempt": "int",
    "launch": "int",
    "runs": "int",  # how many samples the figures are of
    "warmup": "int",
    "started_at": "time",
    "in_use": "bool",  # of launches of one row and commit, what was measured last
    "counts": "bool",  # in use, alone, finished and valid: part of the commit's figure
    "valid": "bool",
    "flags": "texts",
    "allowed": "texts",
    "error": "text",
    "exit_code": "int",
}

HISTORY_TABLES: Mapping[TableName, Mapping[str, ColumnType]] = {
    # One row for each `history add` that brought something.
    "entries": {
        **_OF_ENTRY,
        "source": "text",  # the name of the results folder
        "program": "text",  # asymm-deploy and its version
        "row_count": "int",  # of all tables together
    },
    # One row for each launch, failed ones too. Samples are summarised: runs.jsonl has them.
    "launches": {
        **_OF_LAUNCH,
        "backend": "text",  # where MNN was asked to run it: cpu, opencl, vulkan
        "partner": "text",  # the model that it ran in turns with: such a launch is no latency
        "mean_ns": "float",
        "median_ns": "float",
        "p90_ns": "float",
        "p99_ns": "float",
        "min_ns": "float",
        "max_ns": "float",
        "std_ns": "float",
        "samples_sha256": "text",  # of all samples in order: two launches that share it are copies
        "init_ns": "int",
        "process_ns": "int",
        "peak_memory_mb": "float",
        "output_error": "float",
        "line": "int",  # of runs.jsonl, from 1
        "row_flags": "texts",  # of all launches of its row, where it is in use: launch-spread
        "written_by": "text",
    },
    # One row for each launch of `bench --cold`, those that read the memory too.
    "cold": {
        **_OF_LAUNCH,
        "pass": "text",  # times, memory
        "cache": "text",  # whether the file was out of memory: dropped, kept, unknown
        "engine_ns": "int",  # None where the engine is part of the program
        "read_ns": "int",
        "create_ns": "int",
        "first_ns": "float",
        "second_ns": "int",
        "cold_ns": "int",  # from the file to the first result; None unless the cache was dropped
        "memory_mb": "float",  # resident behind the second run
        "line": "int",
    },
    # One row for each launch of `bench --for`.
    "sustained": {
        **_OF_LAUNCH,
        "for_s": "float",
        "every_ms": "float",  # None: run after run
        "reached_s": "float",
        "first_ns": "float",  # how fast it was at first
        "sustained_ns": "float",  # and in the last fifth
        "time_to_throttle_s": "float",
        "throttled_by": "text",
        "late_frames": "int",
        "min_clock_khz": "int",
        "max_temperature_c": "float",
    },
    # One row for each model that was counted in the emulator; the last of a model is in use.
    "costs": {
        **_OF_ROW,
        "cpu": "text",
        "cost_key": "text",  # counts compare where it is the same, and nowhere else
        "insn": "int",
        "fma_insn": "int",
        "vector_insn": "int",
        "load_insn": "int",
        "store_insn": "int",
        "branch_insn": "int",
        "integer_insn": "int",
        "load_bytes": "int",
        "store_bytes": "int",
        "l1_misses": "int",
        "l2_misses": "int",
        "l3_misses": "int",
        "line": "int",
        "in_use": "bool",
        "counts": "bool",
        "valid": "bool",
        "flags": "texts",
        "error": "text",
    },
    # One row for each figure of accuracy.csv and tasks.csv: top1, top5, ap, ...
    "accuracies": {
        **_OF_ROW,
        "task": "text",  # classification, face, action, pose, yolo3
        "data": "text",
        "metric": "text",
        "percent": "float",
        "low_percent": "float",
        "high_percent": "float",
        "samples": "int",
        "unreadable": "int",
        "weights": "text",  # trained, given, untrained
        "preprocess": "text",
        "accuracy_key": "text",  # a hash of the samples, the file and how it was run
        "in_use": "bool",
        "counts": "bool",
    },
    # One row for each model file.
    "sizes": {
        **_OF_ROW,
        "mnn_bytes": "int",  # None where only its launches are known
        "onnx_bytes": "int",
        "madds": "int",
        "params": "int",
        "in_use": "bool",
        "counts": "bool",
    },
    # One row for each model and metric that `check` judged.
    "verdicts": {
        **_OF_ROW,
        "metric": "text",
        "unit": "text",
        "baseline": "float",
        "candidate": "float",
        "change_percent": "float",
        "low_percent": "float",
        "high_percent": "float",
        "threshold_percent": "float",
        "verdict": "text",
        "why": "text",
        "accepted_why": "text",  # why the baseline accepts the change; None if it does not
        "mode": "text",  # live, recorded, counted
        "started_at": "time",
    },
    # One row for each change that `baseline accept` accepted, once, whichever commits have it.
    "accepted": {
        **_OF_ROW,
        "metric": "text",  # None: all, since the candidate's file became the baseline
        "up_to_percent": "float",
        "reason": "text",
        "accepted_by": "text",
        "accepted_at": "time",
        "former_sha256": "text",  # of the model.mnn that was replaced
    },
}


def all_columns() -> dict[str, ColumnType]:
    """Return the columns of a store's file: those of all tables, after ``kind``."""
    found: dict[str, ColumnType] = {KIND: "text"}
    for columns in HISTORY_TABLES.values():
        found |= columns
    return found
