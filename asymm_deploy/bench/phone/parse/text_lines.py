"""Lines and numbers of untrusted text: what every parser in this folder starts from.

All that a phone or adb prints is untrusted: LF or CRLF, other programs' noise between the lines,
control characters, cut off anywhere, megabytes or nothing. No parser here raises, lengths are
bounded, and what cannot be told for sure is None, never a value that looks good. Text that is
passed on (a serial number, a path, a property) is as the phone sent it: make it printable before
people see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_CHARS = 2**20
"""Longest text that is looked at; the largest real one, ``dumpsys power``, has some 100 KiB."""
MAX_LINE = 4096


def lines(text: str) -> Iterator[str]:
    r"""Yield the lines of the first ``MAX_CHARS`` characters, without their ends.

    ::

        AC powered: false\r\n

    Ends are LF or CRLF. Lines longer than any real one are left out, and so is the one that the
    bound cuts, since half a number is another number.
    """
    start = 0
    whole = len(text) <= MAX_CHARS
    bound = len(text) if whole else MAX_CHARS
    while start < bound:
        end = text.find("\n", start, bound)
        if end < 0:
            if not whole:
                return
            end = bound
        if end - start <= MAX_LINE:
            # Terminals of old phones send \r\r\n.
            yield text[start:end].rstrip("\r")
        start = end + 1


def number(text: str, *, least: int = 0, most: int = 10**15) -> int | None:
    """Return the integer that ``2841600`` is, if it lies within the bounds, else None.

    ASCII digits only: ``int`` would also take Arabic ones, underscores and a plus sign.
    """
    text = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        return None
    value = int(text)
    return value if least <= value <= most else None
