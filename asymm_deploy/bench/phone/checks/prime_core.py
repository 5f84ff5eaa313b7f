"""Whether the core that would be timed is the phone's fastest, and what keeps us off a faster one.

A cpuset may keep the shell's programs off the prime core, and Android may switch that core off.
What is timed then is another phone, as it were: on a Snapdragon 855, core 0 takes about three times
as long.
"""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.bench.judge.conditions import PhoneProblem
from asymm_deploy.bench.phone.phone_facts import Phone
from asymm_deploy.text import ranges

_NAME = "not-prime-core"


def core_problem(phone: Phone, core: int | None) -> PhoneProblem | None:
    """Return what stands against timing ``core`` where the user has not asked for that one.

    None for the fastest, and for any of several that are equally fast.
    """
    better = _better(phone, core)
    if core is None or not better:
        return None
    own = _khz(phone, core)
    top = max((_khz(phone, other) or 0 for other in better), default=0)
    than = f"{listed_cores(better)} may be faster"
    if own is not None and top > own:
        than = f"{listed_cores(better)} ({top} kHz) {_are(better)} faster"
    clock = f"{own} kHz" if own is not None else "of unknown clock"
    reasons, to_do = _reasons(phone, better)
    what = f"core {core} ({clock}) would be timed, but {than}: {reasons}"
    return PhoneProblem(_NAME, what, to_do)


def choice_in_words(phone: Phone, core: int) -> str:
    """Return why ``core`` is the one that `bench` would time: one short line."""
    better = _better(phone, core)
    if not better:
        return f"its fastest, {_khz(phone, core)} kHz"
    return f"not known to be its fastest: {_reasons(phone, better)[0]}"


def _better(phone: Phone, core: int | None) -> list[int]:
    """Return the fastest of the cores that are faster, or else those that may be."""
    own = None if core is None else _khz(phone, core)
    clocks = {other: _khz(phone, other) for other in phone.every_core if other != core}
    top = max((clock for clock in clocks.values() if clock is not None), default=0)
    if own is not None and top > own:
        return [other for other, clock in clocks.items() if clock == top]
    return [other for other, clock in clocks.items() if own is None or clock is None]


def listed_cores(cores: Sequence[int]) -> str:
    """Return cores in words: ``core 7``, ``cores 0-3, 7``."""
    return f"core{'s' if len(cores) > 1 else ''} {ranges(cores)}"


def _reasons(phone: Phone, better: Sequence[int]) -> tuple[str, str]:
    """Return why none of these cores is timed, and what to do about it."""
    offline = [core for core in better if core in phone.offline]
    kept_off = [core for core in better if core not in phone.cores and core not in offline]
    reasons = []
    to_do = "name the core to time with --cpu"
    if len(offline) + len(kept_off) < len(better):
        reasons.append("the phone does not say the clock of every core")
    if kept_off:
        allowed = listed_cores(phone.cores)
        reasons.append(f"the phone (a cpuset) lets programs of the shell use {allowed} only")
        to_do = "unlock the phone and close games and battery savers, or name a core with --cpu"
    if offline:
        reasons.append(f"{listed_cores(offline)} {_are(offline)} offline")
        to_do = "wake the phone and let it cool down, or name a core with --cpu"
    return "; ".join(reasons), to_do


def _are(cores: Sequence[int]) -> str:
    return "are" if len(cores) > 1 else "is"


def _khz(phone: Phone, core: int) -> int | None:
    policy = phone.policy_of(core)
    return policy.max_khz if policy else None
