"""The chip and its cores, as /proc and /sys/devices/system/cpu name them."""

from __future__ import annotations

import re

from asymm_deploy.bench.phone.parse.text_lines import lines, number
from asymm_deploy.safe import excerpt

_MAX_CORES = 1024
_MAX_LIST = 6 * _MAX_CORES
"""Characters of a list that names each core by itself."""


def soc(text: str) -> str | None:
    """Parse /proc/cpuinfo: its last line, which names the chip on some phones.

    ::

        CPU revision	: 14

        Hardware	: Qualcomm Technologies, Inc SM8150
    """
    for line in lines(text):
        key, colon, value = line.partition(":")
        if colon and key.strip() == "Hardware":
            return excerpt(value) or None
    return None


def cpu_list(text: str) -> tuple[int, ...]:
    """Parse a list of cores: ``0-3,7`` of the kernel's, or ``0 1 2 3`` of cpufreq's.

    Core numbers, ascending; none if any part is no core.
    """
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
    """Parse /proc/self/status: the cores that the process may use.

    ::

        Cpus_allowed:	ff
        Cpus_allowed_list:	0-7
    """
    for line in lines(text):
        key, _, value = line.partition(":")
        if key == "Cpus_allowed_list":
            return cpu_list(value) or None
    return None
