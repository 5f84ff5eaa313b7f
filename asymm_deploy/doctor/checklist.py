"""The record of one check, the exit code of all of them, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asymm_deploy.errors import ExitCode
from asymm_deploy.text import Format, formatted

Status = Literal["ok", "missing", "wrong", "unknown", "not needed"]
Need = Literal["host", "phone", "option"]
"""What fails without it: timing on this machine, timing on a phone, or nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. Every text is a single printable line."""

    name: str
    need: Need
    status: Status
    found: str
    to_do: str = ""
    """What the user can do about it; empty if there is nothing to do."""


def checklist_exit_code(checks: Sequence[Check], *, phone: bool) -> ExitCode:
    """Return HARNESS if something that this machine needs is missing or wrong, else OK.

    With ``phone``, what a phone needs counts too. What is merely unknown doesn't fail.
    """
    needs = ("host", "phone") if phone else ("host",)
    failed = any(one.need in needs and one.status in ("missing", "wrong") for one in checks)
    return ExitCode.HARNESS if failed else ExitCode.OK


def printed_checklist(checks: Sequence[Check], output_format: Format) -> str:
    """Return the checks in the format asked for. Below a table stands what to do, line by line."""
    columns = [
        {"check": one.name, "needed_for": one.need, "status": one.status, "found": one.found}
        for one in checks
    ]
    if output_format != "table":
        rows = [row | {"to_do": one.to_do} for row, one in zip(columns, checks, strict=True)]
        return formatted(rows, output_format)
    steps = [f"- {one.name}: {one.to_do}" for one in checks if one.to_do]
    return "\n".join([formatted(columns, "table"), *([""] if steps else []), *steps])
