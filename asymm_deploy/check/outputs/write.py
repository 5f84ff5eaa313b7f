"""Every output that was asked for: proven writable before the check, written after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.check.findings import Report
from asymm_deploy.check.outputs import github, json_file, junit, markdown
from asymm_deploy.errors import ExitCode, HarnessError, UsageError
from asymm_deploy.export import manifest
from asymm_deploy.files import ensure_folder, followed, is_special, write_whole
from asymm_deploy.safe import GitHubCommand


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


def prove(wanted: Wanted, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError now for a file that could not be written after minutes of timing.

    So it does for the job's summary, and for a file in the place of what is compared.
    """
    summary = environ.get("GITHUB_STEP_SUMMARY")
    try:
        for path in wanted.paths:
            _prove(path)
        every = [*wanted.paths, *([Path(summary)] if summary else [])]
        files = [followed(path) for path in every if not is_special(path)]
    except OSError as error:
        raise UsageError(
            f"can't write {error.filename}: {error.strerror}", "give a file that you may write"
        ) from error
    if len(set(files)) != len(files):
        raise UsageError("two outputs are to go to one file", "give each a file of its own")
    markdown.append_to_summary("", environ)


def _prove(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "give the name of a file to write")
    if is_special(path):  # opening a pipe would wait for its reader, or end what he reads
        return
    target = followed(path)
    if target.suffix == ".jsonl":
        raise UsageError(f"{path}: .jsonl is for launches and their blocks", "give another name")
    for folder in target.parents:
        if (folder / manifest.NAME).exists() and (folder / manifest.MNN).exists():
            raise UsageError(f"{path} is in a model's own folder", "give a file elsewhere")
    if target.name == "baseline.json":
        raise UsageError(f"{path}: that name is a baseline's", "give another name")
    try:
        ensure_folder(target.parent, path.name)
    except UsageError as error:
        raise UsageError(error.what, "give a file that you may write") from error


def written(
    report: Report, wanted: Wanted, environ: Mapping[str, str], *, elapsed_s: float
) -> list[GitHubCommand]:
    """Write every file and the job's summary; return the lines for GitHub's annotations.

    Each file appears whole or not at all. Raises HarnessError where some can't be written, with the
    others written and the annotations as its notes; it ends as the verdict does, or with 3 for a
    good one, since somebody waits for the file.
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
            failures.append(f"can't write {path}: {error.strerror}")
    try:
        markdown.append_to_summary(markdown.rendered(report) + "\n", environ)
    except UsageError as error:
        failures.append(error.what)
    commands = github.commands(report, environ)
    if failures:
        failed = HarnessError(
            "; ".join(failures), "give files that you may write, with space left, and do it again"
        )
        failed.exit_code = report.exit_code or ExitCode.HARNESS
        for command in commands:
            failed.add_note(command)
        raise failed
    return commands
