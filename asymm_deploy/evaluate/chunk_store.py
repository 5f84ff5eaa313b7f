"""The chunks of an evaluation: a file of lines for each lane, resumed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.prediction import CHUNKS_SCHEMA_VERSION, AnswerT, Chunk, Sample
from asymm_deploy.record_files import RecordFile, opened_records

PREDICTIONS_NAME = "predictions"
"""The folder in a results folder."""


class Chunks(Generic[AnswerT]):
    """What a file holds, and what is added to it."""

    def __init__(self, path: Path, file: RecordFile[Chunk[AnswerT]]) -> None:
        """Take what ``opened_chunks`` read."""
        self._path = path
        self._file = file
        self._found = {chunk.first: chunk for chunk in file.records}

    @property
    def all(self) -> list[Chunk[AnswerT]]:
        """In the order of images."""
        return [self._found[first] for first in sorted(self._found)]

    def require_of(self, images: Sequence[Sample]) -> None:
        """Raise UsageError if a chunk is not of these: somebody has changed the file."""
        for chunk in self._found.values():
            part = images[chunk.first : chunk.first + chunk.count] if chunk.first >= 0 else []
            bad = {each.image for each in chunk.unreadable}
            wanted = [each for each in part if each.name not in bad]
            found = chunk.predictions
            if (len(part), len(wanted)) != (chunk.count, len(found)) or not all(
                one.is_of(each) for one, each in zip(found, wanted, strict=True)
            ):
                raise UsageError(
                    f"{self._path} is damaged: it is of other images",
                    "repeat the command with --fresh, which puts all images through again",
                )

    def add(self, chunk: Chunk[AnswerT]) -> None:
        """Add a chunk; it is on disk before this returns. Raises HarnessError."""
        self._file.add(chunk)
        self._found[chunk.first] = chunk


@contextmanager
def opened_chunks(
    path: Path, kind: type[Chunk[AnswerT]], on_repair: Callable[[str], None], *, fresh: bool = False
) -> Iterator[Chunks[AnswerT]]:
    """Hold a file of chunks of a ``kind`` and yield it; see ``opened_records``."""
    with opened_records(
        path,
        kind,
        CHUNKS_SCHEMA_VERSION,
        lock=path.with_suffix(".lock").name,
        doing="evaluating into",
        on_repair=on_repair,
        fresh=fresh,
    ) as file:
        yield Chunks(path, file)
