"""The counts of a results folder: costs.jsonl, a line a model, and how it is added to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from asymm_deploy.bench.emulated.counts import COSTS_NAME, COSTS_SCHEMA_VERSION, CostRecord
from asymm_deploy.record_files import RecordFile, opened_records

Costs: TypeAlias = RecordFile[CostRecord]
"""The counts that a folder has."""


def opened_costs(
    folder: Path, on_repair: Callable[[str], None], name: str = COSTS_NAME
) -> AbstractContextManager[Costs]:
    """Hold ``folder``'s counts, in the file ``name``; see ``opened_records``."""
    return opened_records(
        folder / name,
        CostRecord,
        COSTS_SCHEMA_VERSION,
        lock=".cost.lock",
        doing="counting into",
        on_repair=on_repair,
    )
