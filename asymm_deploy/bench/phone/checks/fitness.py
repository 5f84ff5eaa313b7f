"""Whether a phone is in a state to be timed, and what to put right where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.judge.conditions import PhoneProblem, reading_problems
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse import toybox
from asymm_deploy.bench.phone.phone_facts import Phone
from asymm_deploy.bench.phone.pushed_files import BASE
from asymm_deploy.bench.phone.readings import parse_reading, reading_commands
from asymm_deploy.errors import HarnessError

_ABI = "arm64-v8a"


def phone_problems(
    link: Link, phone: Phone, core: int | None, needed_bytes: int
) -> list[PhoneProblem]:
    """Return what stands against timing ``core`` of a phone. Changes nothing on it.

    ``needed_bytes`` must be free on it.
    """
    said = link.run_sections(
        {
            **reading_commands(phone.policy_folder(core)),
            # Our own folder may not exist yet; it will be on the same file system.
            "space": f"df -k {BASE.parent}",
        }
    )
    policy = phone.policy_of(core)
    found = reading_problems(parse_reading(said), policy.max_khz if policy else None)
    if _ABI not in phone.abis:
        runs = f"only {', '.join(phone.abis)}" if phone.abis else "it doesn't say what it runs"
        found.append(
            PhoneProblem("no-arm64", f"it can't run {_ABI} ({runs})", "use a 64-bit phone")
        )
    free_kb = toybox.free_kb(said["space"].text)
    if free_kb is not None and free_kb * 1024 < needed_bytes:
        found.append(
            PhoneProblem(
                "no-space",
                f"it has {free_kb // 1024} MiB left and {needed_bytes // 2**20 + 1} MiB are needed",
                "make room on its /data",
            )
        )
    return found


def unfit(serial: str, found: Sequence[PhoneProblem]) -> HarnessError:
    """Return the error for a phone with these problems, and what to do about each."""
    what = "; ".join(problem.what for problem in found)
    names = " ".join(f"--allow {problem.name}" for problem in found)
    to_do = "; ".join(problem.to_do for problem in found)
    return HarnessError(f"{serial} is not fit to be timed: {what}", f"{to_do}; or {names}")
