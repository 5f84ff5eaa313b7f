"""What `check` and `baseline accept` left -> rows of a history: verdicts, and accepted changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from asymm_deploy.check.baseline.baseline_file import is_baseline, load_baseline
from asymm_deploy.check.findings import REPORT_SCHEMA_VERSION
from asymm_deploy.check.outputs.json_file import Document
from asymm_deploy.errors import UsageError
from asymm_deploy.files import read_regular
from asymm_deploy.history.found.found_rows import FoundRow, utc_time, variant_in
from asymm_deploy.report.page.check_verdicts import CHECK_NAME
from asymm_deploy.versioned import DamagedError, decode_json


def checked_rows(results: Path) -> Iterator[FoundRow]:
    """Yield a row for each verdict and accepted change in ``results``; none where there is none.

    ``results`` is a folder that `check` or `baseline` wrote to, or the file of `check --json`.
    Raises UsageError if a file can't be read, is damaged or of a newer program.
    """
    if results.is_file():
        yield from _verdicts(results)
        return
    document = results / CHECK_NAME
    if document.exists() or document.is_symlink():
        yield from _verdicts(document)
    if is_baseline(results):
        yield from _accepted(results)


def _verdicts(path: Path) -> Iterator[FoundRow]:
    hint = "make it again with `asymm-deploy check --json`"
    try:
        content = read_regular(path)
        found = decode_json(content, Document, REPORT_SCHEMA_VERSION, where=str(path), hint=hint)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}", hint) from error
    except DamagedError as error:
        raise UsageError(
            f"{path} is not what `asymm-deploy check` writes: {error}", hint
        ) from error
    started_at = utc_time(found.started_at, str(path))
    for change in found.changes:
        values = {
            "model": change.model,
            "variant": variant_in(change.model),
            "device": found.device,
            "metric": change.metric,
            "unit": change.unit,
            "baseline": change.baseline,
            "candidate": change.candidate,
            "change_percent": change.change_percent,
            "low_percent": change.low_percent,
            "high_percent": change.high_percent,
            "threshold_percent": change.threshold_percent,
            "verdict": change.verdict,
            "why": change.why,
            "accepted_why": change.accepted,
            "mode": found.mode,
            "started_at": started_at,
        }
        told = (change.model, change.metric, change.verdict, change.baseline, change.candidate)
        yield FoundRow("verdicts", (*told, found.device, found.mode, found.started_at), values)


def _accepted(folder: Path) -> Iterator[FoundRow]:
    for found in load_baseline(folder).accepted:
        values = {
            "model": found.model,
            "variant": variant_in(found.model),
            "artifact_sha256": found.sha256,
            "metric": found.metric,
            "up_to_percent": found.up_to_percent,
            "reason": found.reason,
            "accepted_by": found.by,
            "accepted_at": utc_time(found.at, str(folder)),
            "former_sha256": found.former_sha256,
        }
        told = (found.model, found.metric, found.up_to_percent, found.reason, found.by, found.at)
        yield FoundRow("accepted", (*told, found.sha256), values)
