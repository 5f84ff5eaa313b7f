"""The counts that a baseline keeps of its models, in costs.jsonl, each with its key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.check.baseline.baseline_file import Baseline, is_baseline


def kept_counts(folder: Path, baseline: Baseline) -> tuple[CostRecord, ...]:
    """Return the counts in a baseline's folder, or in the one that ``folder`` is a model of.

    Raises UsageError if they are damaged or of a newer version.
    """
    if COSTS_NAME not in baseline.files:
        return ()
    place = folder if is_baseline(folder) else folder.resolve().parent
    return read_counts(place)


def read_counts(folder: Path) -> tuple[CostRecord, ...]:
    """Return the counts in ``folder``; none if it has no costs.jsonl. Raises as ``kept_counts``."""
    found = jsonl.read_lines(folder / COSTS_NAME, CostRecord, COSTS_SCHEMA_VERSION)
    return tuple(found.records)


def write_counts(folder: Path, records: Sequence[CostRecord]) -> None:
    """Replace the counts in ``folder``; without any it has no costs.jsonl."""
    path = folder / COSTS_NAME
    path.unlink(missing_ok=True)
    if records:
        path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
