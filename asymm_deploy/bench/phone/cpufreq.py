"""Cores and their clocks as Linux prints them, and the core that is fastest. Pure.

As untrusted as ``adb_text``, with the same promises.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from asymm_deploy.bench.phone.adb_text import lines, number

_MAX_KHZ = 10**8
_MAX_CORES = 1024
_MAX_LIST = 6 * _MAX_CORES  # characters, where each core is listed
TICK_MS = 10
"""Of ``time_in_state``."""


def khz(text: str) -> int | None:
    """Parse a file that holds one clock; other lines may stand around it."""
    clocks = [number(line, least=1, most=_MAX_KHZ) for line in lines(text)]
    known = [clock for clock in clocks if clock is not None]
    return known[0] if len(known) == 1 else None


def frequencies(text: str) -> tuple[int, ...]:
    """Parse ``scaling_available_frequencies``: kHz, ascending; none where it can't be read."""
    found: set[int] = set()
    for line in lines(text):
        clocks = [number(word, least=1, most=_MAX_KHZ) for word in line.split()]
        if None not in clocks:
            found.update(clock for clock in clocks if clock is not None)
    return tuple(sorted(found))


def time_in_state(text: str) -> dict[int, int]:
    """Parse ``stats/time_in_state``: ticks of 10 ms since boot, by kHz."""
    found: dict[int, int] = {}
    for line in lines(text):
        words = line.split()
        if len(words) != 2:
            continue
        clock, ticks = number(words[0], least=1, most=_MAX_KHZ), number(words[1])
        if clock is not None and ticks is not None:
            found[clock] = ticks
    return found


def share_at_top(before: Mapping[int, int], after: Mapping[int, int], top_khz: int) -> float | None:
    """Return the share of time at ``top_khz`` between two readings of ``time_in_state``.

    None where it can't be told: no tick passed, the two don't list the same clocks, ``top_khz`` is
    none of them, or a counter went back (another boot).
    """
    if before.keys() != after.keys() or top_khz not in after:
        return None
    passed = {clock: after[clock] - before[clock] for clock in after}
    total = sum(passed.values())
    if total <= 0 or min(passed.values()) < 0:
        return None
    return passed[top_khz] / total


def cpu_list(text: str) -> tuple[int, ...]:
    """Parse ``0-3,7`` or ``0 1 2 3``: core numbers, ascending; none if any part is no core."""
    if len(text) > _MAX_LIST:
        return ()
    found: set[int] = set()
    for part in re.split(r"[,\s]\s*", text.strip()):
        first, _, last = part.partition("-")
        low = number(first, most=_MAX_CORES - 1)
        high = number(last, most=_MAX_CORES - 1) if "-" in part else low
        if low is None or high is None or high < low:
            return ()
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def allowed_cpus(text: str) -> tuple[int, ...] | None:
    """Parse /proc/self/status: the cores that the process may use."""
    for line in lines(text):
        key, _, value = line.partition(":")
        if key == "Cpus_allowed_list":
            return cpu_list(value) or None
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """Cores that share a clock."""

    name: str
    """``policy7``, after the first of its cores."""
    cpus: tuple[int, ...]
    """Empty where it can't be read."""
    max_khz: int | None
    """The hardware's."""
    scaling_max_khz: int | None
    """What it is limited to at the moment."""


_POLICY_FILE = re.compile(
    r"/sys/devices/system/cpu/cpufreq/policy([0-9]{1,4})/"
    r"(related_cpus|cpuinfo_max_freq|scaling_max_freq):(.*)"
)


def policies(text: str) -> tuple[Policy, ...]:
    """Parse ``grep -H . /sys/devices/system/cpu/cpufreq/policy*/FILE...``, in order of number.

    A policy of which only complaints are printed (``Permission denied``) is there, with nothing
    known of it, so that nobody takes the second fastest core for the fastest.
    """
    found: dict[int, dict[str, str]] = {}
    for line in lines(text):
        complaint = line.startswith("grep: ")
        match = _POLICY_FILE.fullmatch(line.removeprefix("grep: "))
        if match is not None:
            files = found.setdefault(int(match[1]), {})
            if not complaint:
                files.setdefault(match[2], match[3])
    return tuple(
        Policy(
            name=f"policy{policy}",
            cpus=cpu_list(files.get("related_cpus", "")),
            max_khz=khz(files.get("cpuinfo_max_freq", "")),
            scaling_max_khz=khz(files.get("scaling_max_freq", "")),
        )
        for policy, files in sorted(found.items())
    )


def best_core(policies: Sequence[Policy], allowed: Collection[int] | None) -> int | None:
    """Return the first core of the fastest policy, among ``allowed`` ones (None: any).

    Of equals the policy with the highest number: the last cores are the least used for other work.
    None where it can't be told: a policy that may be used has an unknown clock or cores.
    """
    usable = [
        (policy, [cpu for cpu in policy.cpus if allowed is None or cpu in allowed])
        for policy in policies
    ]
    usable = [(policy, cpus) for policy, cpus in usable if cpus or not policy.cpus]
    if not usable or any(policy.max_khz is None for policy, _ in usable):
        return None
    _policy, cpus = max(usable, key=lambda one: (one[0].max_khz or 0, _number(one[0])))
    return min(cpus, default=None)


def _number(policy: Policy) -> int:
    return number(policy.name.removeprefix("policy")) or 0
