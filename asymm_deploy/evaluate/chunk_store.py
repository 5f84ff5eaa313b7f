"""The chunks of an evaluation: a file of lines for each model and setting, resumed from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from asymm_deploy import jsonl
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.evaluate.image_folder import LabelledImage
from asymm_deploy.evaluate.prediction import CHUNKS_SCHEMA_VERSION, Chunk, EvaluationEngine
from asymm_deploy.files import ensure_folder

PREDICTIONS_NAME = "predictions"
"""The folder in a results folder."""


class Chunks:
    """What a file holds, and what is added to it."""

    def __init__(self, path: Path, found: Sequence[Chunk]) -> None:
        """Take what ``opened_chunks`` read."""
        self._path = path
        self._found = {chunk.first: chunk for chunk in found}

    @property
    def all(self) -> list[Chunk]:
        """In the order of images."""
        return [self._found[first] for first in sorted(self._found)]

    def require_of(
        self, engines: Sequence[EvaluationEngine], images: Sequence[LabelledImage]
    ) -> None:
        """Raise UsageError if a chunk is not of these: somebody has changed the file."""
        for chunk in self._found.values():
            part = images[chunk.first : chunk.first + chunk.count] if chunk.first >= 0 else []
            bad = {each.image for each in chunk.unreadable}
            wanted = [(each.name, each.label) for each in part if each.name not in bad]
            if (
                len(part) != chunk.count
                or not set(engines) == set(chunk.predictions) == set(chunk.seconds)
                or any(
                    [(each.image, each.label) for each in found] != wanted
                    for found in chunk.predictions.values()
                )
            ):
                raise UsageError(
                    f"{self._path} is damaged: it is of other images or engines",
                    "repeat the command with --fresh, which puts all images through again",
                )

    def add(self, chunk: Chunk) -> None:
        """Add a chunk; it is on disk before this returns. Raises HarnessError."""
        jsonl.append_line(self._path, msgspec.json.encode(chunk))
        self._found[chunk.first] = chunk


@contextmanager
def opened_chunks(
    path: Path, on_repair: Callable[[str], None], *, fresh: bool = False
) -> Iterator[Chunks]:
    """Hold a file of chunks and yield it; ``on_repair`` gets a line on what was mended.

    What it has is removed before if ``fresh`` is true.

    Raises HarnessError while another command holds it, and UsageError if it can't be written, is
    damaged, or is of a newer version.
    """
    ensure_folder(path.parent, "predictions")
    held = FileLock(path.with_suffix(".lock"), timeout=0)
    try:
        held.acquire()
    except Timeout:
        raise HarnessError(
            f"another `evaluate` is writing to {path}",
            "wait until it is done, or give another folder with --out",
        ) from None
    except (OSError, NotImplementedError) as error:
        raise UsageError(
            f"can't lock {path}: {getattr(error, 'strerror', None) or error}",
            "give another folder with --out",
        ) from error
    try:
        if fresh:
            _remove(path)
        found = jsonl.read_lines(path, Chunk, CHUNKS_SCHEMA_VERSION)
        if found.torn:
            on_repair(jsonl.put_aside(path, found.torn))
        yield Chunks(path, found.records)
    finally:
        held.release()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"can't remove {path}: {error.strerror}", "give another folder with --out"
        ) from error
