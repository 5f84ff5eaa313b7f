"""What a processor can do with 8 and 16 bits, as Linux's /proc/cpuinfo says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_X86 = ("avx512_vnni", "avx_vnni")
_ARM = ("i8mm", "asimddp")
_NAMES = {"avx512_vnni": "VNNI", "avx_vnni": "VNNI", "i8mm": "i8mm", "asimddp": "dotprod"}


@dataclass(frozen=True, slots=True)
class Processor:
    """Its instructions for products of 8-bit numbers."""

    instructions: str
    """What they are called on such a processor: ``VNNI``, ``dotprod``."""
    are_there: bool


CORTEX_A76 = Processor("dotprod", are_there=True)
"""Of the emulated processor."""


def processor_in(cpuinfo: str) -> Processor | None:
    """Return what /proc/cpuinfo tells; None where it tells no features.

    On x86 a line ``flags : fpu vme ... avx512_vnni``, on ARM ``Features : fp asimd ... asimddp``.
    """
    for line in cpuinfo.splitlines():
        name, _, words = line.partition(":")
        known = {"flags": _X86, "Features": _ARM}.get(name.strip())
        if known is not None:
            has = set(words.split())
            found = next((each for each in known if each in has), None)
            return Processor(_NAMES[found or known[-1]], found is not None)
    return None


def this_processor() -> Processor | None:
    """Return that of this machine; None where the system doesn't tell."""
    try:
        return processor_in(_CPUINFO.read_text(errors="replace"))
    except OSError:
        return None
