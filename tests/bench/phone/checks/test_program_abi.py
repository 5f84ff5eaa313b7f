"""A runner or a library of another processor is refused before it is pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.bench.phone.checks.program_abi import refuse_foreign_programs
from asymm_deploy.errors import UsageError


def elf(machine: int, order: int = 1) -> bytes:
    name = machine.to_bytes(2, "little" if order == 1 else "big")
    return b"\x7fELF\x02" + bytes([order, 1]) + bytes(9) + b"\x03\x00" + name + bytes(40)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (elf(62), "is built for x86-64, and phones need arm64"),
        (elf(3), "is built for x86,"),
        (elf(40), "is built for 32-bit arm,"),
        (elf(62, order=2), "is built for x86-64,"),
        (elf(4711), "is built for another processor (ELF machine 4711),"),
        (b"", "is empty"),
    ],
)
def test_what_no_phone_can_run_is_refused_unless_the_phone_is_none(
    tmp_path: Path, content: bytes, said: str
) -> None:
    good, bad = tmp_path / "runner", tmp_path / "libMNN.so"
    good.write_bytes(elf(183))
    bad.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        refuse_foreign_programs([good, bad], ["busy"])
    assert f"{bad} {said}" in refused.value.what
    assert "asymm-deploy runner build" in refused.value.hint
    refuse_foreign_programs([good, bad], ["no-arm64"])


@pytest.mark.parametrize("content", [elf(183), b"#!/bin/sh\n", b"\x7fELF", b"?"])
def test_what_a_phone_may_be_able_to_run_is_for_the_phone_to_judge(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "runner").write_bytes(content)
    refuse_foreign_programs([tmp_path / "runner"], [])
