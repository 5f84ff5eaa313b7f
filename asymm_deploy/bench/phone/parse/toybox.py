"""What toybox's file tools print: ``df`` and ``sha256sum``."""

from __future__ import annotations

import re

from asymm_deploy.bench.phone.parse.text_lines import lines, number


def free_kb(text: str) -> int | None:
    """Parse ``df -k PATH``: KiB that can still be written.

    ::

        Filesystem     1K-blocks     Used Available Use% Mounted on
        /dev/block/dm-5 52505580 21110272  31379096  41% /data

    A long name may wrap its line.
    """
    words: list[str] = []
    headed = False
    for line in lines(text):
        if not headed:
            headed = "1K-blocks" in line or "1024-blocks" in line
        else:
            words += line.split()
    free = [
        number(words[at - 1])
        for at in range(4, len(words) - 1)
        if re.fullmatch(r"[0-9]{1,3}%", words[at]) and words[at + 1].startswith("/")
    ]
    return free[0] if len(free) == 1 else None


# e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /data/local/tmp/net.mnn
_DIGEST = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)")


def digests(text: str) -> dict[str, str]:
    r"""Parse ``sha256sum FILE...``: the hash by path; complaints about files are passed over.

    ::

        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  /data/local/tmp/net.mnn
        sha256sum: /data/x: No such file or directory

    Before a hash whose path holds a newline or a backslash stands ``\``, and the path is escaped.
    """
    found: dict[str, str] = {}
    for line in lines(text):
        match = _DIGEST.fullmatch(line)
        if match is not None:
            found[_unescaped(match[3]) if match[1] else match[3]] = match[2]
    return found


def _unescaped(path: str) -> str:
    r"""Undo sha256sum's escapes in a path: ``/data/a\nb\\``."""
    escapes = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
    return re.sub(r"\\[\\nr]", lambda match: escapes[match[0]], path)
