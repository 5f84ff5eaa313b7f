"""Several shell commands in one round trip, and what each of them printed.

Over a cable each further command costs more than what it does, so what belongs together is asked
for together. A mark, random so that nothing else prints it, ends the output of each.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MISSING_CODE = 255
"""Exit code of a section that has not arrived."""


@dataclass(frozen=True, slots=True)
class Section:
    """What one part of a compound command printed, and its exit code."""

    text: str
    code: int

    @property
    def last_word(self) -> str:
        """The last word, empty where there is none: a warning of the system's may precede it."""
        return next(iter(self.text.split()[-1:]), "")


def compound_command(mark: str, commands: Mapping[str, str]) -> str:
    """Return one shell command that runs all ``commands`` and marks where the output of each ends.

    ``{ dumpsys battery; } 2>&1; echo 4f1c9a battery $?; { cat /proc/cpuinfo; } 2>&1; ...``
    """
    return "; ".join(
        f"{{ {command}; }} 2>&1; echo {shlex.quote(mark)} {name} $?"
        for name, command in commands.items()
    )


def split_sections(text: str, mark: str) -> dict[str, Section]:
    r"""Parse what a ``compound_command`` printed: each section by its name.

    ::

          level: 75
        4f1c9a battery 0
        2841600
        4f1c9a max 0

    A mark may stand at the end of a line whose own end is missing. A section whose mark is not
    there in full, with the end of its line, is left out: the output was cut short within it.
    """
    # 4f1c9a battery 0
    end_of_section = re.compile(
        re.escape(mark) + r" ([A-Za-z0-9_.:/-]{1,100}) ([0-9]{1,3})\r{0,4}\n"
    )
    found: dict[str, Section] = {}
    start = 0
    for match in end_of_section.finditer(text):
        found[match[1]] = Section(text[start : match.start()], int(match[2]))
        start = match.end()
    return found


def named_sections(printed: bytes, mark: str, names: Iterable[str]) -> dict[str, Section]:
    """Return a section for each of ``names``; one that has not arrived is empty and has failed."""
    found = split_sections(printed.decode("utf-8", "replace"), mark)
    return {name: found.get(name, Section("", MISSING_CODE)) for name in names}
