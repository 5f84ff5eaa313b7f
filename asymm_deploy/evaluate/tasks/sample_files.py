"""Files that samples are read from, found by name, with what tells whether they change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.image_folder import as_utf8
from asymm_deploy.files import opened_regular


@dataclass(frozen=True, slots=True)
class SampleFile:
    """One file below a root; it need not be there, which decoding tells."""

    path: str
    """Relative to the root, with ``/``."""
    size: int = 0
    changed_ns: int = 0

    @property
    def name(self) -> str:
        """The path as UTF-8 can say it."""
        return as_utf8(self.path)

    @property
    def facts(self) -> tuple[object, ...]:
        """What an answer depends on."""
        return self.name, self.size, self.changed_ns


def sample_file(root: Path, path: str) -> SampleFile:
    """Return the file ``path`` below ``root``, with size and time of change if it is there."""
    try:
        found = (root / path).stat()
    except (OSError, ValueError):
        return SampleFile(path)
    return SampleFile(path, found.st_size, found.st_mtime_ns)


def require_folder(root: Path, hint: str) -> None:
    """Raise UsageError unless ``root`` is a folder."""
    try:
        is_folder = root.is_dir()
    except OSError as error:
        raise UsageError(f"can't read {root}: {error.strerror or error}", hint) from error
    if not is_folder:
        there = root.exists()
        raise UsageError(f"{root} is {'no folder' if there else 'not there'}", hint)


def read_text_file(path: Path, most_bytes: int, hint: str) -> bytes:
    """Return what a file of data holds; raise UsageError if it can't be read, or is too large."""
    try:
        with opened_regular(path) as file:
            content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"can't read {path}: {told}", hint) from error
    if len(content) > most_bytes:
        raise UsageError(f"{path} has more than {most_bytes >> 20} MiB", hint)
    if not content.strip():
        raise UsageError(f"{path} is empty", hint)
    return content
