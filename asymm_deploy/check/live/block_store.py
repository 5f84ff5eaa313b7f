"""check-results/blocks.jsonl: which launches of runs.jsonl are a block, one line a block.

A line is written once the block's launches are on disk, even if they spoilt it. Whether the block
counts is judged from its launches each time it is read, so ``--allow`` may change. A reader has to
check that the line fits the launches: if a line of runs.jsonl was removed, those below moved up.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from asymm_deploy import jsonl

BLOCKS_SCHEMA_VERSION = 1
BLOCKS_FILE = "blocks.jsonl"


class BlockLine(msgspec.Struct, frozen=True, kw_only=True):
    """One block."""

    schema_version: int = BLOCKS_SCHEMA_VERSION
    comparison: str
    """A hash of both model files and of all that their timings depend on."""
    attempt: int
    """Counts ``--fresh``; a comparison's highest one is in use."""
    model: str
    series: int
    """0, or 1 to confirm a regression."""
    block: int
    redone: int
    """How many times this block was spoilt before, including in earlier checks."""
    order: str
    """``ABBA`` or ``BAAB``: A is the baseline."""
    launches: tuple[int, ...]
    """0-based lines of runs.jsonl, in that order; fewer than four if one spoilt the block."""


class BlockStore:
    """The blocks of one folder, while this process holds its runs.jsonl."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; the bytes of a line that was cut short are put aside.

        Raises UsageError if the file is damaged or of a newer version.
        """
        self._path = folder / BLOCKS_FILE
        found = jsonl.read_lines(self._path, BlockLine, BLOCKS_SCHEMA_VERSION)
        self._lines = found.records
        self.mended = jsonl.put_aside(self._path, found.torn) if found.torn else None
        """A remark for people if something was put aside: its block is measured again."""

    def attempt(self, comparison: str) -> int | None:
        """Return the attempt in use; None if nothing was measured yet."""
        return max((x.attempt for x in self._lines if x.comparison == comparison), default=None)

    def of(self, comparison: str, attempt: int) -> list[BlockLine]:
        """Return the blocks of this attempt that were measured before, the latest last."""
        return [x for x in self._lines if (x.comparison, x.attempt) == (comparison, attempt)]

    def add(self, line: BlockLine) -> None:
        """Add a line; return when it is on disk, raise HarnessError if that can't be."""
        jsonl.append_line(self._path, msgspec.json.encode(line))
        self._lines.append(line)
