"""Every output that was asked for: proven writable before the check, written after it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asymm_deploy.check.baseline.baseline_file import BASELINE_FILE
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.outputs import github, json_file, junit, markdown
from asymm_deploy.errors import ExitCode, HarnessError, UsageError
from asymm_deploy.export import manifest
from asymm_deploy.files import ensure_folder, followed, is_special, write_whole
from asymm_deploy.safe import GitHubCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedOutputs:
    """Files to write; None was not asked for."""

    junit: Path | None = None
    markdown: Path | None = None
    json: Path | None = None
    benchmark_json: Path | None = None
    pictures: Mapping[Path, str] = field(default_factory=dict)
    """Pictures that are there, with their words, for the Markdown file to show."""
    kept: Path | None = None
    """JSON beside the launches, which `report --page` shows; nobody named it, so nobody minds if
    it can't be written."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All that are asked for."""
        every = (self.junit, self.markdown, self.json, self.benchmark_json)
        return tuple(path for path in every if path is not None)


@dataclass(frozen=True, slots=True)
class WrittenOutputs:
    """What became of the outputs."""

    annotations: tuple[GitHubCommand, ...]
    """Lines for GitHub's runner, to be printed whether the files could be written or not."""
    failure: HarnessError | None
    """To be raised once the report is printed: a file or the job's summary can't be written."""


def prove_writable(wanted: WantedOutputs, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError now for a file that could not be written after minutes of timing.

    That includes the job's summary, and a file in the place of what is compared.
    """
    summary = environ.get("GITHUB_STEP_SUMMARY")
    try:
        for path in wanted.paths:
            _prove_file(path)
        every = [*wanted.paths, *([Path(summary)] if summary else [])]
        files = [followed(path) for path in every if not is_special(path)]
    except OSError as error:
        raise UsageError(
            f"can't write {error.filename}: {error.strerror}", "give a file that you may write"
        ) from error
    if len(set(files)) != len(files):
        raise UsageError("two outputs would go to the same file", "give each a file of its own")
    markdown.append_to_summary("", environ)


def write_outputs(
    report: GateReport, wanted: WantedOutputs, environ: Mapping[str, str], *, elapsed_s: float
) -> WrittenOutputs:
    """Write every file and the job's summary; each file appears whole or not at all.

    If some can't be written, the others are, and the failure is part of what is returned.
    """
    contents: tuple[tuple[Path | None, Callable[[], bytes]], ...] = (
        (wanted.junit, lambda: junit.rendered(report, elapsed_s=elapsed_s)),
        (wanted.markdown, lambda: _with_pictures(report, wanted)),
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
    if wanted.kept is not None:
        with suppress(OSError):
            write_whole(wanted.kept, json_file.rendered(report))
    try:
        markdown.append_to_summary(markdown.rendered(report) + "\n", environ)
    except UsageError as error:
        failures.append(error.what)
    return WrittenOutputs(
        annotations=tuple(github.annotation_lines(report, environ)),
        failure=_failure(failures, report) if failures else None,
    )


def _with_pictures(report: GateReport, wanted: WantedOutputs) -> bytes:
    """Return the Markdown, with addresses from where it lies; the job's summary has no files."""
    assert wanted.markdown is not None
    here = wanted.markdown.absolute().parent
    shown = {
        Path(os.path.relpath(path.absolute(), here)).as_posix(): words
        for path, words in wanted.pictures.items()
    }
    return markdown.rendered(report, shown).encode()


def _failure(failures: Sequence[str], report: GateReport) -> HarnessError:
    """Return a failure with the verdict's exit code; after a good verdict, somebody waits: 3."""
    return HarnessError(
        "; ".join(failures),
        "give files that you may write, with space left, and repeat the command",
        exit_code=report.exit_code or ExitCode.HARNESS,
    )


def _prove_file(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "give the name of a file to write")
    if is_special(path):  # opening a pipe would wait for its reader, or end what it reads
        return
    target = followed(path)
    if target.suffix == ".jsonl":
        raise UsageError(f"{path}: .jsonl is for launches and their blocks", "give another name")
    for folder in target.parents:
        if (folder / manifest.MANIFEST_NAME).exists() and (folder / manifest.MNN).exists():
            raise UsageError(f"{path} is in a model's own folder", "give a file elsewhere")
    if target.name == BASELINE_FILE:
        raise UsageError(f"{path}: that name is reserved for baselines", "give another name")
    try:
        ensure_folder(target.parent, path.name)
    except UsageError as error:
        raise UsageError(error.what, "give a file that you may write") from error
