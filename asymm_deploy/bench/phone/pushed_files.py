"""Our files on a phone: only what changed is pushed, and what is there is what was pushed."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from asymm_deploy.bench.phone import adb_text
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.errors import HarnessError
from asymm_deploy.files import sha256_of

BASE = PurePosixPath("/data/local/tmp/asymm-deploy")
"""Our folder on a phone. A bench that shares the phone with another has one beside it."""
_ATTEMPTS = 3
_MARGIN_BYTES = 32 * 2**20
"""For what launches write, and for a phone that must not run full."""


@dataclass(frozen=True, slots=True)
class Program:
    """The runner, and the shared libraries that lie beside it and go with it."""

    files: tuple[Path, ...]
    """The runner first."""
    sha256: str
    """Of all of them, with their names."""

    @classmethod
    def at(cls, path: Path) -> Program:
        """Return the runner at ``path`` and each ``*.so*`` beside it."""
        beside = (file for file in path.parent.glob("*.so*") if file.is_file())
        files = (path, *sorted(beside))
        digest = hashlib.sha256()
        for file in files:
            digest.update(f"{file.name} {sha256_of(file)}\n".encode())
        return cls(files, digest.hexdigest())


@dataclass
class Files:
    """Where our files lie on one phone, in ``files`` of our folder there."""

    link: Link
    base: PurePosixPath = BASE
    _there: dict[str, str] = field(default_factory=dict)
    """SHA-256 by path, of what is there for sure."""
    _wanted: set[str] = field(default_factory=set)

    @property
    def folder(self) -> PurePosixPath:
        """Where they lie."""
        return self.base / "files"

    def folder_of(self, program: Program) -> PurePosixPath:
        """Return where a runner lies with its libraries."""
        return self.folder / f"runner-{program.sha256[:16]}"

    def command_of(self, program: Program) -> tuple[str, ...]:
        """Return what starts a runner there."""
        return (str(self.folder_of(program) / program.files[0].name),)

    def look(self) -> None:
        """Find out what earlier benches have left, by content."""
        self.link.sure(f"mkdir -p {self.folder}")
        # Files that were cut short in the middle of a push end in .part.
        said = self.link.sure(
            f"rm -f {self.folder}/*.part {self.folder}/*/*.part; "
            f"find {self.folder} -type f -exec sha256sum {{}} +",
            timeout_s=300,
        )
        self._there = dict(adb_text.digests(said.text))

    def missing_bytes(self, sources: Iterable[Path]) -> int:
        """Return how much room the files need that are not there yet, and the work with them."""
        there = set(self._there.values())
        sizes = [path.stat().st_size for path in sources if sha256_of(path) not in there]
        return sum(sizes) + _MARGIN_BYTES

    def put_program(self, program: Program) -> None:
        """Put the runner there and make it executable."""
        self.link.sure(f"mkdir -p {self.folder_of(program)}")
        for source in program.files:
            self._put(source, str(self.folder_of(program) / source.name))
        runner = shlex.quote(str(self.folder_of(program) / program.files[0].name))
        self.link.sure(f"chmod 755 {runner}")

    def put(self, source: Path) -> str:
        """Put a model there and return its path; former versions of it are removed."""
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", source.parent.name + "." + source.name)[-100:]
        target = str(self.folder / f"{name}-{sha256_of(source)}")
        self._put(source, target)
        former = [
            path
            for path in self._there
            if re.fullmatch(re.escape(str(self.folder / name)) + "-[0-9a-f]{64}", path)
            and path not in self._wanted
        ]
        if former:
            self.link.sure(f"rm -f {shlex.join(former)}")
            for path in former:
                del self._there[path]
        return target

    def remove_stale(self, program: Program) -> None:
        """Remove the runners of earlier versions."""
        self.link.sure(
            f"for it in {self.folder}/runner-*; do "
            f'[ "$it" = {self.folder_of(program)} ] || rm -rf "$it"; done'
        )

    def _put(self, source: Path, target: str) -> None:
        sha256 = sha256_of(source)
        self._wanted.add(target)
        if self._there.get(target) == sha256:
            return
        aside = f"{target}.part"
        arrived: str | None = None
        for _ in range(_ATTEMPTS):
            self.link.push(source, aside)
            said = self.link.sure(f"sha256sum {shlex.quote(aside)}", timeout_s=300)
            arrived = dict(adb_text.digests(said.text)).get(aside)
            if arrived == sha256:
                self.link.sure(
                    f"[ ! -e {shlex.quote(aside)} ] || "
                    f"mv {shlex.quote(aside)} {shlex.quote(target)}"
                )
                self._there[target] = sha256
                return
            if arrived is None and "not found" in said.why:
                break
        raise HarnessError(
            f"{source.name} does not arrive on {self.link.serial} as it was sent "
            f"(SHA-256 there: {arrived or said.why})",
            "try another cable or port; see that the phone's storage is sound and not full",
        )
