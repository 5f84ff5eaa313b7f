"""Whether a phone is in a state to be timed, and what to put right where it isn't."""

from __future__ import annotations

from asymm_deploy.bench.judge import conditions
from asymm_deploy.bench.judge.conditions import Problem
from asymm_deploy.bench.phone import adb_text, phone_facts
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.phone_facts import Phone
from asymm_deploy.bench.phone.pushed_files import BASE

_ABI = "arm64-v8a"


def problems(link: Link, phone: Phone, core: int | None, needed_bytes: int) -> list[Problem]:
    """Return what is wrong with a phone whose ``core`` is to be timed; nothing is changed on it.

    ``needed_bytes`` of room must be left.
    """
    said = phone_facts.sections(
        link,
        {
            **conditions.commands(phone.policy_folder(core)),
            # The folder may not be there yet; it will be on this file system.
            "space": f"df -k {BASE.parent}",
        },
    )
    policy = phone.policy_of(core)
    found = conditions.problems(conditions.reading(said), policy.max_khz if policy else None)
    if _ABI not in phone.abis:
        runs = ", ".join(phone.abis) or "it doesn't say what"
        found.append(Problem("no-arm64", f"it runs no {_ABI} ({runs})", "take a 64-bit phone"))
    free_kb = adb_text.free_kb(said["space"].text)
    if free_kb is not None and free_kb * 1024 < needed_bytes:
        found.append(
            Problem(
                "no-space",
                f"it has {free_kb // 1024} MiB left and {needed_bytes // 2**20 + 1} MiB are needed",
                "make room on its /data",
            )
        )
    return found
