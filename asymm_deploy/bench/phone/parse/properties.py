"""What a phone has set: ``getprop`` and ``settings get``."""

from __future__ import annotations

import re

from asymm_deploy.bench.phone.parse.text_lines import MAX_LINE, lines

# [ro.product.model]: [Pixel 4]
_PROPERTY = re.compile(r"\[([^\]]{1,256})\]: \[(.*)")


def properties(text: str) -> dict[str, str]:
    """Parse ``getprop``; a value may hold newlines and brackets.

    ::

        [ro.build.version.release]: [13]
        [ro.product.model]: [Pixel 4]
    """
    found: dict[str, str] = {}
    key: str | None = None
    value: list[str] = []
    closed = 0
    """How many lines of ``value`` there are up to the last that ends with a bracket."""

    def keep() -> None:
        if key is not None and closed:
            found.setdefault(key, "\n".join(value[:closed])[:-1])

    for line in lines(text):
        begins = _PROPERTY.fullmatch(line)
        if begins and (key is None or closed):
            keep()
            key, value, closed = begins[1], [begins[2]], 0
        elif key is None:
            continue
        else:
            value.append(line)
        if line.endswith("]"):
            closed = len(value)
    keep()
    return {key: value for key, value in found.items() if len(value) <= MAX_LINE}


def setting_value(text: str) -> str | None:
    """Parse ``settings get global low_power``: ``0``, or ``null`` where it is not set.

    None for ``null``, and for anything but one line with a value.
    """
    said = [line.strip() for line in lines(text) if line.strip()]
    said = [line for line in said if not line.startswith("WARNING: linker:")]
    # Complaints hold a colon and a space: "cmd: Can't find service: settings".
    if len(said) != 1 or said[0] == "null" or ": " in said[0]:
        return None
    return said[0]
