"""What counts a model: the emulator, and the three files that it needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.emulated.counts import CostKey

DEFAULT_CPU = "cortex-a76"
"""QEMU's name of the processor that is emulated if no other is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """An emulator that was found and is whole; hashes are of the files as they are now."""

    qemu: tuple[str, ...]
    """Starts ``qemu-aarch64``: one word, or its own loader with its libraries before it."""
    qemu_version: str
    """``7.2.22``."""
    sysroot: Path
    """Folder with the C library of arm64 Linux, for ``-L``."""
    runner: Path
    """The counted runner, an arm64 Linux program; the engine's libraries are beside it."""
    plugin: Path
    """The plugin that counts, a library of this machine's kind."""
    engine_version: str
    """Of MNN, as the runner says it."""
    runner_sha256: str
    library_sha256: str
    """Of the engine's library beside the runner."""
    plugin_sha256: str
    libc: str
    """SHA-256 over the C library and the mathematical one that the program runs with."""

    def key(self, cpu: str = DEFAULT_CPU) -> CostKey:
        """Return what counts by this emulator depend on, for QEMU's processor ``cpu``."""
        return CostKey(
            cpu=cpu,
            engine="mnn",
            engine_version=self.engine_version,
            runner_sha256=self.runner_sha256,
            library_sha256=self.library_sha256,
            libc=self.libc,
            emulator=self.qemu_version,
            plugin_sha256=self.plugin_sha256,
        )

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """What it is, a name and a value each, in order: for ``emulator where`` and ``doctor``."""
        return (
            ("emulator", " ".join(self.qemu)),
            ("emulator version", self.qemu_version),
            ("C library", str(self.sysroot)),
            ("runner", str(self.runner)),
            ("plugin", str(self.plugin)),
            ("engine", f"mnn {self.engine_version}"),
        )
