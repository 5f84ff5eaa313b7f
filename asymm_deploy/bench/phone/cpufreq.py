"""Clocks of cores as Linux's cpufreq prints them, and the core that is fastest. Pure.

Its files are as untrusted as what ``parse`` reads, and these parsers promise the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from asymm_deploy.bench.phone.parse.proc import cpu_list
from asymm_deploy.bench.phone.parse.text_lines import lines, number

_MAX_KHZ = 10**8


def khz(text: str) -> int | None:
    """Parse a file that holds one clock, ``2841600``; other lines may stand around it."""
    clocks = [number(line, least=1, most=_MAX_KHZ) for line in lines(text)]
    known = [clock for clock in clocks if clock is not None]
    return known[0] if len(known) == 1 else None


def frequencies(text: str) -> tuple[int, ...]:
    """Parse ``scaling_available_frequencies``: kHz, ascending; empty where it can't be read.

    ``825600 940800 1056000 1171200 1286400 1401600 1497600 1612800`` and so on.
    """
    found: set[int] = set()
    for line in lines(text):
        clocks = [number(word, least=1, most=_MAX_KHZ) for word in line.split()]
        if None not in clocks:
            found.update(clock for clock in clocks if clock is not None)
    return tuple(sorted(found))


def time_in_state(text: str) -> dict[int, int]:
    """Parse ``stats/time_in_state``: ticks of 10 ms since boot, by kHz.

    ::

        825600 1200
        2841600 231451
    """
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

    None where that can't be told: no tick has passed, the two don't list the same clocks,
    ``top_khz`` is none of them, or a counter went back (another boot).
    """
    if before.keys() != after.keys() or top_khz not in after:
        return None
    passed = {clock: after[clock] - before[clock] for clock in after}
    total = sum(passed.values())
    if total <= 0 or min(passed.values()) < 0:
        return None
    return passed[top_khz] / total


@dataclass(frozen=True, slots=True)
class FrequencyPolicy:
    """Cores that share a clock."""

    name: str
    """``policy7``, after the first of its cores."""
    cpus: tuple[int, ...]
    """Empty where it can't be read."""
    max_khz: int | None
    """What the hardware can do."""
    scaling_max_khz: int | None
    """What it is limited to at the moment."""


# /sys/devices/system/cpu/cpufreq/policy7/cpuinfo_max_freq:2841600
_POLICY_FILE = re.compile(
    r"/sys/devices/system/cpu/cpufreq/policy([0-9]{1,4})/"
    r"(related_cpus|cpuinfo_max_freq|scaling_max_freq):(.*)"
)


def policies(text: str) -> tuple[FrequencyPolicy, ...]:
    """Parse ``grep -H . /sys/devices/system/cpu/cpufreq/policy*/FILE...``, in order of number.

    ::

        /sys/devices/system/cpu/cpufreq/policy7/related_cpus:7
        /sys/devices/system/cpu/cpufreq/policy7/cpuinfo_max_freq:2841600
        /sys/devices/system/cpu/cpufreq/policy7/scaling_max_freq:2841600
        grep: /sys/devices/system/cpu/cpufreq/policy4/related_cpus: Permission denied

    A policy with nothing but complaints is kept, with everything about it unknown. Otherwise the
    second fastest core would pass for the fastest.
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
        FrequencyPolicy(
            name=f"policy{policy}",
            cpus=cpu_list(files.get("related_cpus", "")),
            max_khz=khz(files.get("cpuinfo_max_freq", "")),
            scaling_max_khz=khz(files.get("scaling_max_freq", "")),
        )
        for policy, files in sorted(found.items())
    )


def best_core(policies: Sequence[FrequencyPolicy], allowed: Collection[int] | None) -> int | None:
    """Return the first core of the fastest policy, among ``allowed`` ones (None: any).

    Of equally fast policies it is the one with the highest number: the last cores do the least
    other work. None where that can't be told: a policy that may be used has an unknown clock or
    unknown cores.
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


def _number(policy: FrequencyPolicy) -> int:
    return number(policy.name.removeprefix("policy")) or 0
