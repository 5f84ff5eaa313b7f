"""The emulator's plugin classifies each instruction as the disassembler names it."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.bench.emulated.emulator_home import find_emulator
from asymm_deploy.errors import HarnessError
from tests.harness.conftest import need

Words = npt.NDArray[np.uint32]
Decoded = tuple[str, int]
"""Class, and bytes loaded or stored."""

OBJDUMP = "aarch64-linux-gnu-objdump"
CLASSES = ("fma", "vector", "load", "store", "branch", "integer")

_NAMED = re.compile(r"^ *[0-9a-f]+:\t([0-9a-f]{8}) \t([\w.]+)(?:\t(.*))?$")
_BRANCH = re.compile(
    r"bc?\.\w+|b|bl|cbn?z|tbn?z|blr?a?[ab]?z?|bra?[ab]?z?|reta?[ab]?|ereta?[ab]?|drps"
)
_MULTIPLY_ADD = re.compile(
    r"fn?m(add|sub)|fml[as]l?2?|fcmla|ml[as]|[su]ml[as]l2?|sqdml[as]l2?|sqrdml[as]h"
    r"|(s|u|us|su|bf)dot|(s|u|us|bf)mmla|bfmlal[bt]"
)
_VECTOR_REGISTER = re.compile(r"\b[vbhsdq]\d+\b")
_ATOMIC = re.compile(
    r"(?:(?:ld|st)(?:add|clr|eor|set|[su]max|[su]min)|swp|cas)(?:al?|l)?(?P<bits>[bh]?)"
)
_SCALAR = re.compile(
    r"(?P<way>ld|st)(?:l|ll|la|a|ap|x|ax|lx|u|t|nt|apu|lu)?r(?P<signed>s?)(?P<bits>[bhw]?)"
)
_PAIR = re.compile(r"(?P<way>ld|st)(?:n|x|ax|lx)?p")
_STRUCTURES = re.compile(r"(?P<way>ld|st)(?P<count>[1-4])(?P<copied>r?)")
_WIDTH = {"b": 1, "h": 2, "s": 4, "w": 4, "d": 8, "x": 8, "q": 16}
_LATER = re.compile(r"(st|ld)z?2?g[mp]?|(ld|st)64b\w*|cpy\w+|set[gpme]\w*")
_SME_AND_SVE = (0, 2)
"""Groups of A64, in bits 28:25."""


def expected(name: str, operands: str) -> Decoded | None:
    """Return what the disassembler's words say; None for some of later processors."""
    if _LATER.fullmatch(name) or (name == "dc" and not operands.startswith("zva")):
        return None
    if _BRANCH.fullmatch(name):
        return "branch", 0
    if name == "dc":
        return "store", 64
    if name in ("prfm", "prfum"):
        return "load", 0
    if name in ("ldraa", "ldrab"):
        return "load", 8
    accessed = _accessed(name, operands)
    if accessed is not None:
        return accessed
    if _VECTOR_REGISTER.search(operands):
        return ("fma" if _MULTIPLY_ADD.fullmatch(name) else "vector"), 0
    return "integer", 0


def _accessed(name: str, operands: str) -> Decoded | None:
    registers = re.findall(r"(?:^|, )([wxbhsdq])(?:\d+|zr)", operands.split("[", maxsplit=1)[0])
    if found := re.fullmatch(r"casp(?:al?|l)?", name):
        return "load", 2 * _WIDTH[registers[0]]
    if found := _ATOMIC.fullmatch(name):
        return "load", _WIDTH[found["bits"] or registers[0]]
    if found := _PAIR.fullmatch(name):
        return _way(found), 2 * _WIDTH[registers[-1]]
    if name == "ldpsw":
        return "load", 8
    if found := _STRUCTURES.fullmatch(name):
        return _way(found), _structure_bytes(int(found["count"]), found["copied"], operands)
    if found := _SCALAR.fullmatch(name):
        return _way(found), _WIDTH[found["bits"] or registers[-1]]
    return None


def _way(found: re.Match[str]) -> str:
    return "load" if found["way"] == "ld" else "store"


def _structure_bytes(count: int, copied: str, operands: str) -> int:
    listed = operands[: operands.index("}")]
    lanes, width, element = re.search(r"\.(\d*)([bhsd])", listed), 0, 0
    assert lanes is not None
    element = _WIDTH[lanes[2]]
    if not lanes[1] or copied:
        return count * element
    first, *rest = map(int, re.findall(r"v(\d+)", listed))
    registers = 1 + len(rest)
    if "-" in listed:
        registers = (rest[-1] - first) % 32 + 1
    width = int(lanes[1]) * element
    return registers * width


def disassembled(words: Words, folder: Path) -> Iterator[tuple[int, str, str]]:
    """Yield each word that is an instruction, with its name and operands."""
    (folder / "words").write_bytes(words.astype("<u4").tobytes())
    command = [OBJDUMP, "-D", "-z", "-b", "binary", "-m", "aarch64", str(folder / "words")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    for line in said.splitlines():
        found = _NAMED.match(line)
        if found and found[2] not in (".inst", ".word", "udf") and "undefined" not in line:
            operands = re.sub(r"\s*(//|<).*", "", found[3] or "")
            yield int(found[1], 16), found[2], operands


@pytest.fixture(scope="module")
def decode(shared_object: ctypes.CDLL) -> Callable[[int], Decoded]:
    """The plugin's own decoder."""
    need(OBJDUMP)

    class Insn(ctypes.Structure):
        _fields_ = [("kind", ctypes.c_int), ("bytes", ctypes.c_uint32)]

    function = shared_object.a64_decode
    function.restype = Insn
    function.argtypes = [ctypes.c_uint32]

    def decoded(word: int) -> Decoded:
        insn = function(word)
        return CLASSES[insn.kind], insn.bytes

    return decoded


def wrong(words: Words, folder: Path, decode: Callable[[int], Decoded]) -> tuple[list[str], int]:
    """Return what the decoder takes for something else, and how many words were compared."""
    found, compared = [], 0
    for word, name, operands in disassembled(words, folder):
        right = None if word >> 25 & 15 in _SME_AND_SVE else expected(name, operands)
        if right is None:
            continue
        compared += 1
        given = decode(word)
        if given != right:
            found.append(f"{word:08x} {name} {operands}: {given}, not {right}")
    return found, compared


def test_every_kind_of_instruction_is_classified(
    tmp_path: Path, decode: Callable[[int], Decoded]
) -> None:
    # All values of the bits that say what it is; those that name registers are drawn.
    high, low = np.meshgrid(np.arange(1 << 11), np.arange(1 << 6), indexing="ij")
    kinds = (high.ravel() << 21 | low.ravel() << 10).astype(np.uint32)
    registers = np.random.default_rng(1).integers(0, 1 << 32, len(kinds), dtype=np.uint32)
    found, compared = wrong(kinds | registers & np.uint32(0x001F03FF), tmp_path, decode)
    assert found == []
    assert compared > 10_000


def test_a_barrier_and_a_cleared_line_are_told_apart(
    tmp_path: Path, decode: Callable[[int], Decoded]
) -> None:
    system = np.arange(0xD5000000, 0xD5100000, 32, dtype=np.uint32)
    found, compared = wrong(system, tmp_path, decode)
    assert found == []
    assert compared > 10_000
    assert decode(0xD50B7420) == ("store", 64)
    assert decode(0xD5033BBF) == ("integer", 0)


def test_every_kind_of_instruction_in_the_engine_is_classified(
    tmp_path: Path, decode: Callable[[int], Decoded]
) -> None:
    try:
        runner = find_emulator().runner
    except HarnessError as error:
        pytest.skip(str(error))
    for path in (runner, *runner.parent.glob("*.so")):
        words = _code(path)
        _, kinds = np.unique(words & np.uint32(0xFFE0FC00), return_index=True)
        found, compared = wrong(words[kinds], tmp_path, decode)
        assert found == []
        assert compared > 1_000


def _code(path: Path) -> Words:
    listed = subprocess.run(
        [OBJDUMP, "-h", str(path)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    found = re.search(r" \.text +(\w+) +\w+ +\w+ +(\w+)", listed)
    assert found is not None
    size, offset = int(found[1], 16), int(found[2], 16)
    return np.frombuffer(path.read_bytes()[offset : offset + size // 4 * 4], "<u4")
