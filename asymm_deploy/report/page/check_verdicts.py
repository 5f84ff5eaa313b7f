"""The verdicts of `asymm-deploy check`, read from the document that its ``--json`` writes.

Its form is a contract with other programs (docs/check-schema.json); this is the part shown here.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from asymm_deploy.errors import UsageError
from asymm_deploy.versioned import DamagedError, decode_json

CHECK_NAME = "check.json"
_KNOWN_VERSION = 1


class CheckedChange(msgspec.Struct, frozen=True, kw_only=True):
    """One model's metric; numbers that are not known are None."""

    model: str
    metric: str
    baseline: float | None
    candidate: float | None
    change_percent: float | None
    low_percent: float | None
    high_percent: float | None
    threshold_percent: float | None
    verdict: str
    why: str


class CheckVerdicts(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of two versions."""

    schema_version: int
    verdict: str
    """The gravest of all changes."""
    mode: str
    device: str
    baseline: str
    candidate: str
    changes: tuple[CheckedChange, ...]
    started_at: str


def verdicts_of(content: bytes, path: Path) -> CheckVerdicts:
    """Return what the document holds; raise UsageError, with ``path``, if it is none."""
    try:
        return decode_json(
            content,
            CheckVerdicts,
            _KNOWN_VERSION,
            where=str(path),
            hint="make it again with `asymm-deploy check`",
        )
    except DamagedError as error:
        raise UsageError(
            f"{path} is not what `asymm-deploy check` writes: {error}",
            "move it away, or make it again with `asymm-deploy check`",
        ) from error
