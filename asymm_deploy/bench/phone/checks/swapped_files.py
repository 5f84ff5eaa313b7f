"""Files on a phone that a launch depends on: noticed if anything replaces them between launches.

The runner says which model it used. Itself, its libraries and the recorded input it can't
vouch for. They are hashed once, before the first launch that needs them; around each launch only
their inodes, sizes and times are looked at, which costs nothing, and what differs is hashed again.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.phone.parse.text_lines import lines
from asymm_deploy.bench.phone.parse.toybox import digests
from asymm_deploy.bench.phone.pushed_files import Program, PushedFiles
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

_HASH_S = 300.0


def marks(text: str) -> dict[str, str]:
    """Parse what ``FileWatch.command`` prints: what changes with a file, by its path.

    ``4711 318704 2022-10-05 08:12:31.120000000 2022-10-05 08:12:31.120000000|/data/local/tmp/x``
    """
    found = {}
    for line in lines(text):
        mark, bar, path = line.partition("|")
        if bar and path.startswith("/"):
            found[path] = mark
    return found


class FileWatch:
    """The files that launches of one runner on one phone depend on."""

    def __init__(self, link: Link, pushed: PushedFiles, program: Program) -> None:
        """Take the phone, what was pushed to it, and the runner."""
        self._link = link
        self._pushed = pushed
        self._program = program
        self._folder = pushed.folder_of(program)
        self._known: dict[str, str] = {}
        """The mark that each file had when its hash was right."""

    def command(self, argv: Sequence[str]) -> str:
        """Return the command whose output ``require_same`` takes, for a launch of ``argv``."""
        return f"stat -L -c '%i %s %y %z|%n' {self._paths(argv)}"

    def learn(self, argv: Sequence[str]) -> None:
        """Hash the files, unless that was done; raise HarnessError for one that is not ours."""
        if not self._wanted(argv).keys() <= self._known.keys():
            self._hash(argv)

    def require_same(self, said: Section, argv: Sequence[str]) -> None:
        """Raise HarnessError where a file is not the one that was pushed, or one is too many."""
        seen, wanted = marks(said.text), self._wanted(argv)
        if seen.keys() != wanted.keys() or any(
            mark != self._known.get(path) for path, mark in seen.items()
        ):
            self._hash(argv)

    def _wanted(self, argv: Sequence[str]) -> dict[str, str]:
        return self._pushed.needed_by(argv, self._program)

    def _paths(self, argv: Sequence[str]) -> str:
        """Return what to look at: all in the runner's folder, whoever put it there; the inputs."""
        beside = (path for path in self._wanted(argv) if not path.startswith(f"{self._folder}/"))
        return f"{self._folder}/* {shlex.join(beside)}"

    def _hash(self, argv: Sequence[str]) -> None:
        wanted, look = self._wanted(argv), self.command(argv)
        said = self._link.run_sections(
            {"before": look, "digests": f"sha256sum {self._paths(argv)}", "after": look},
            timeout_s=_HASH_S,
        )
        there = digests(said["digests"].text)
        before, after = marks(said["before"].text), marks(said["after"].text)
        for path in sorted({*wanted, *there, *after}):
            if path not in wanted or there.get(path) != wanted[path]:
                raise self._swapped(path, there.get(path))
        self._known |= {path: after[path] for path in after if after[path] == before.get(path)}

    def _swapped(self, path: str, sha256: str | None) -> HarnessError:
        name = excerpt(PurePosixPath(path).name, 100)
        return HarnessError(
            f"{name} on {self._link.serial} is not the file that was pushed "
            f"(SHA-256 there: {sha256 or 'none'})",
            f"something else writes to {self._folder.parent}: end it, then run the same command "
            "again: it resumes where it stopped",
        )
