"""The launches of both versions that `asymm-deploy check` made, told apart by its blocks.jsonl.

Of its lines this is the part shown here; ``check/live/block_store.py`` has all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from asymm_deploy import jsonl
from asymm_deploy.bench.records import LaunchRecord

BLOCKS_NAME = "blocks.jsonl"
_BASELINE = "A"
_SCHEMA_VERSION = 1


class _Block(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: int = _SCHEMA_VERSION
    comparison: str
    attempt: int
    model: str
    order: str
    launches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CheckedLaunches:
    """One model's launches, as far as they finished."""

    baseline: tuple[LaunchRecord, ...]
    candidate: tuple[LaunchRecord, ...]

    @property
    def count(self) -> int:
        """How many there are of both."""
        return len(self.baseline) + len(self.candidate)


def checked_launches(
    blocks: bytes, path: Path, records: Sequence[LaunchRecord]
) -> dict[str, CheckedLaunches]:
    """Return the launches of each model's last comparison that both versions have.

    ``records`` are those of runs.jsonl, line by line; ``path`` is what messages call the blocks.
    Short launches that measure loading, and blocks that don't fit the records, are left out. Raises
    UsageError if a line is damaged.
    """
    by_model: dict[str, list[_Block]] = {}
    for block in jsonl.lines_of(blocks, path, _Block, _SCHEMA_VERSION).records:
        if _is_timed(block, records):
            by_model.setdefault(block.model, []).append(block)
    found = {}
    for model, own in by_model.items():
        last = own[-1].comparison, own[-1].attempt
        sides: dict[bool, list[LaunchRecord]] = {True: [], False: []}
        for block in own:
            if (block.comparison, block.attempt) == last:
                for letter, number in zip(block.order, block.launches, strict=False):
                    if records[number].error is None and records[number].samples_ns:
                        sides[letter == _BASELINE].append(records[number])
        if all(sides.values()):
            found[model] = CheckedLaunches(tuple(sides[True]), tuple(sides[False]))
    return found


def _is_timed(block: _Block, records: Sequence[LaunchRecord]) -> bool:
    if not all(0 <= number < len(records) for number in block.launches):
        return False
    own = [records[number] for number in block.launches]
    if any(record.model != block.model for record in own):
        return False
    return len(block.order) > 2 or all(record.paired is not None for record in own)
