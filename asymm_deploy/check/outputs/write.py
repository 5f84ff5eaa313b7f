"""Every output that was asked for: proven writable before the check, written after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.check.outputs import github, json_file, junit, markdown
from asymm_deploy.check.records import Report
from asymm_deploy.errors import UsageError
from asymm_deploy.files import ensure_folder, write_whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Files to write; None is not asked for."""

    junit: Path | None = None
    markdown: Path | None = None
    json: Path | None = None
    benchmark_json: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that are asked for."""
        every = (self.junit, self.markdown, self.json, self.benchmark_json)
        return tuple(path for path in every if path is not None)


def prove(wanted: Wanted) -> None:
    """Raise UsageError now for a file that could not be written after minutes of timing."""
    if len({path.resolve() for path in wanted.paths}) != len(wanted.paths):
        raise UsageError("two outputs are to go to one file", "give each a file of its own")
    for path in wanted.paths:
        if path.is_dir():
            raise UsageError(f"{path} is a folder", "give the name of a file to write")
        try:
            ensure_folder(path.parent, path.name)
        except UsageError as error:
            raise UsageError(error.what, "give a file that you may write") from error


def written(
    report: Report, wanted: Wanted, environ: Mapping[str, str], *, elapsed_s: float
) -> list[str]:
    """Write every file and the job's summary; return the lines for GitHub's annotations.

    Each file appears whole or not at all. Raises UsageError for the first that can't be written,
    with the others written.
    """
    contents: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (wanted.junit, lambda: junit.rendered(report, elapsed_s=elapsed_s)),
        (wanted.markdown, lambda: markdown.rendered(report).encode()),
        (wanted.json, lambda: json_file.rendered(report)),
        (wanted.benchmark_json, lambda: json_file.benchmark_entries(report)),
    )
    failures = []
    for path, content in contents:
        if path is None:
            continue
        try:
            write_whole(path, content())
        except OSError as error:
            failures.append(
                UsageError(
                    f"can't write {path}: {error.strerror}",
                    "give a file that you may write, with space left",
                )
            )
    try:
        markdown.append_to_summary(report, environ)
    except UsageError as error:
        failures.append(error)
    if failures:
        raise failures[0]
    return github.commands(report, environ)
