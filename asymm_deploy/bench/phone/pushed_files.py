"""Our files on a phone: only what changed is pushed, and every file there is checked by hash."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath

from asymm_deploy.bench.native.own_libc import LOADER
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.parse.toybox import digests
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of

BASE = PurePosixPath("/data/local/tmp/asymm-deploy")
"""Our folder on a phone. A bench that shares the phone with another uses one beside it."""
_ATTEMPTS = 3
_MARGIN_BYTES = 32 * 2**20
"""Left free for what launches write, and so that the phone never fills up."""


@dataclass(frozen=True, slots=True)
class Program:
    """The runner, and the shared libraries beside it, which are pushed with it."""

    files: tuple[Path, ...]
    """The runner first."""
    sha256: str
    """Of all the files, their names included."""

    @classmethod
    def at(cls, path: Path) -> Program:
        """Return the runner at ``path`` and each ``*.so*`` beside it."""
        beside = (file for file in path.parent.glob("*.so*") if file.is_file())
        files = (path, *sorted(beside))
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.name} {sha256_of(file)}\n".encode())
        return cls(files, digest.hexdigest())

    @property
    def has_loader(self) -> bool:
        """Whether it comes with a C library of its own, and is started by that one's loader."""
        return any(file.name == LOADER for file in self.files)


@dataclass
class PushedFiles:
    """Our files on one phone, in the folder ``files`` of ours there."""

    link: Link
    base: PurePosixPath = BASE
    _there: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, of what is known to be there."""
    _wanted: set[str] = field(default_factory=set)
    """Paths that this bench has asked for."""

    @property
    def folder(self) -> PurePosixPath:
        """The folder they are in."""
        return self.base / "files"

    def folder_of(self, program: Program) -> PurePosixPath:
        """Return the folder of a runner and its libraries."""
        return self.folder / f"runner-{program.sha256[:16]}"

    def command_of(self, program: Program) -> tuple[str, ...]:
        """Return the command that starts a runner there."""
        folder = self.folder_of(program)
        runner = str(folder / program.files[0].name)
        if not program.has_loader:
            return (runner,)
        return (str(folder / LOADER), "--library-path", str(folder), runner)

    def find_existing(self) -> None:
        """Find out, by content, what earlier benches have left."""
        self.link.run_with_retries(f"mkdir -p {self.folder}")
        # A push that was cut short leaves a file that ends in .part.
        said = self.link.run_with_retries(
            f"rm -f {self.folder}/*.part {self.folder}/*/*.part; "
            f"find {self.folder} -type f -exec sha256sum {{}} +",
            timeout_s=300,
        )
        self._there = digests(said.text)

    def missing_bytes(self, sources: Iterable[Path]) -> int:
        """Return the space needed by the files that are not there yet, and by launches."""
        there = set(self._there.values())
        sizes = [path.stat().st_size for path in sources if sha256_of(path) not in there]
        return sum(sizes) + _MARGIN_BYTES

    def put_program(self, program: Program) -> None:
        """Push the runner, to be started; what else is in its folder is removed.

        A library there would be loaded in place of the system's own.
        """
        self.link.run_with_retries(f"mkdir -p {self.folder_of(program)}")
        for source in program.files:
            self._put(source, str(self.folder_of(program) / source.name))
        folder = self.folder_of(program)
        started = [program.files[0].name] + [LOADER] * program.has_loader
        runnable = " ".join(shlex.quote(str(folder / name)) for name in started)
        ours = "|".join(shlex.quote(str(folder / source.name)) for source in program.files)
        self.link.run_with_retries(
            f'chmod 755 {runnable}; for it in {folder}/*; do case "$it" in {ours}) ;; '
            '*) rm -rf "$it";; esac; done'
        )

    def needed_by(self, argv: Sequence[str], program: Program) -> dict[str, str]:
        """Return the SHA-256, by path, of what a launch reads and the runner can't vouch for.

        That is the runner itself, its libraries and its input; of the model it prints the hash.
        """
        names = [str(self.folder_of(program) / source.name) for source in program.files]
        given = [
            word for option, word in pairwise(argv) if word in self._wanted and option != "--model"
        ]
        return {path: self._there[path] for path in (*names, *given) if path in self._there}

    def put(self, source: Path) -> str:
        """Push a model and return its path there; earlier versions of it are removed."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", source.parent.name + "." + source.name)[-100:]
        target = str(self.folder / f"{name}-{sha256_of(source)}")
        self._put(source, target)
        earlier = [
            path
            for path in self._there
            if re.fullmatch(re.escape(str(self.folder / name)) + "-[0-9a-f]{64}", path)
            and path not in self._wanted
        ]
        if earlier:
            self.link.run_with_retries(f"rm -f {shlex.join(earlier)}")
            for path in earlier:
                del self._there[path]
        return target

    def remove_stale(self, program: Program) -> None:
        """Remove earlier versions of the runner."""
        self.link.run_with_retries(
            f"for it in {self.folder}/runner-*; do "
            f'[ "$it" = {self.folder_of(program)} ] || rm -rf "$it"; done'
        )

    def _put(self, source: Path, target: str) -> None:
        """Push a file unless it is there: first aside, then, if its hash is right, to its place."""
        sha256 = sha256_of(source)
        self._wanted.add(target)
        if self._there.get(target) == sha256:
            return
        aside = f"{target}.part"
        arrived: str | None = None
        for _ in range(_ATTEMPTS):
            self.link.push(source, aside)
            said = self.link.run_with_retries(f"sha256sum {shlex.quote(aside)}", timeout_s=300)
            arrived = digests(said.text).get(aside)
            if arrived == sha256:
                self.link.run_with_retries(
                    f"[ ! -e {shlex.quote(aside)} ] || "
                    f"mv {shlex.quote(aside)} {shlex.quote(target)}"
                )
                self._there[target] = sha256
                return
            if arrived is None and "not found" in said.why:
                break
        raise HarnessError(
            f"{source.name} did not arrive intact on {self.link.serial} "
            f"(SHA-256 there: {arrived or said.why})",
            "try another cable or port; make sure that the phone's storage is sound and not full",
        )
