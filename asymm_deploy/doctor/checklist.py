"""A check: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from asymm_deploy.errors import ExitCode
from asymm_deploy.text import Format, formatted

Status = Literal["ok", "missing", "wrong", "unknown", "not needed"]
Need = Literal["host", "phone", "option"]
"""Who can't do without it: timing on this machine, timing on a phone, or nobody."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. All text is a single printable line."""

    name: str
    need: Need
    status: Status
    found: str
    to_do: str = ""
    """The next step; empty where there is none to take."""


def checklist_exit_code(checks: Sequence[Check], *, phone: bool) -> ExitCode:
    """Return OK if all that this machine needs is there, and with ``phone`` all a phone needs.

    What is merely unknown doesn't fail.
    """
    needs = ("host", "phone") if phone else ("host",)
    failed = any(one.need in needs and one.status in ("missing", "wrong") for one in checks)
    return ExitCode.HARNESS if failed else ExitCode.OK


def printed_checklist(checks: Sequence[Check], output_format: Format) -> str:
    """Return the checks in the format asked for; a table has the steps to take below it."""
    columns = [
        {"check": one.name, "needed_for": one.need, "status": one.status, "found": one.found}
        for one in checks
    ]
    if output_format != "table":
        rows = [row | {"to_do": one.to_do} for row, one in zip(columns, checks, strict=True)]
        return formatted(rows, output_format)
    steps = [f"- {one.name}: {one.to_do}" for one in checks if one.to_do]
    return "\n".join([formatted(columns, "table"), *([""] if steps else []), *steps])
