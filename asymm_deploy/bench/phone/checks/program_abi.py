"""Programs of another processor: told before anything is sent, not by the phone's shell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from asymm_deploy.errors import UsageError

_MACHINES = {3: "x86", 8: "MIPS", 40: "32-bit arm", 62: "x86-64", 183: "arm64", 243: "RISC-V"}
"""By ``e_machine`` of an ELF header (ELF-64 Object File Format and its supplements)."""
_ARM64 = 183
_HEADER_BYTES = 20
_BUILD = "build it with `asymm-deploy runner build`"
_CAN_RUN_IT = "no-arm64"
"""Allowed for phones that run other programs, such as an emulator on x86-64."""


def refuse_foreign_programs(files: Iterable[Path], allow: Sequence[str]) -> None:
    """Raise UsageError for a runner or a library that no arm64 phone can run; OSError if unread.

    Scripts, which have no such header, are for the phone to judge.
    """
    if _CAN_RUN_IT in allow:
        return
    for path in files:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        if not header:
            raise UsageError(f"{path} is empty: no runner and no library of one", _BUILD)
        if not header.startswith(b"\x7fELF") or len(header) < _HEADER_BYTES:
            continue
        machine = int.from_bytes(header[18:20], "big" if header[5] == 2 else "little")
        if machine != _ARM64:
            built = _MACHINES.get(machine, f"another processor (ELF machine {machine})")
            raise UsageError(f"{path} is built for {built}, and phones need arm64", _BUILD)
