"""The programs that our commands need on a phone: asked for once, before anything else is done."""

from __future__ import annotations

from asymm_deploy.errors import HarnessError

# toybox has had all of them since Android 7. What is left out can be missing: `timeout`, `dumpsys`,
# `settings`, `svc` and `df` only tell, or keep the screen on.
REQUIRED_TOOLS = (
    *("cat", "chmod", "find", "grep", "mkdir", "mv", "rm", "rmdir", "setsid", "sha256sum"),
    *("sleep", "stat", "tail", "taskset", "touch", "wc"),
)
TOOLS_COMMAND = (
    f"for t in {' '.join(REQUIRED_TOOLS)}; do command -v $t >/dev/null || echo missing:$t; done"
)
"""Prints a line for each that is missing: ``missing:setsid``."""


def missing_tools(text: str) -> tuple[str, ...]:
    """Return the tools that ``TOOLS_COMMAND`` did not find, from what it printed."""
    words = set(text.split())
    return tuple(tool for tool in REQUIRED_TOOLS if f"missing:{tool}" in words)


def tools_error(serial: str, missing: tuple[str, ...]) -> HarnessError:
    """Return the error for a phone without these tools."""
    named = ", ".join(f"`{tool}`" for tool in missing)
    return HarnessError(
        f"the shell of {serial} has no {named}, which every launch needs",
        "Android 7 and newer have all that is needed: use such a phone, or its own system image",
    )
