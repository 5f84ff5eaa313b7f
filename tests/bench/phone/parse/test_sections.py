"""Each command's output comes back under its name; what was cut short does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.bench.phone.parse.sections import (
    MISSING_CODE,
    Section,
    compound_command,
    named_sections,
    split_sections,
)


def test_sections_end_at_their_marks_with_their_codes() -> None:
    text = "75\nM4RK battery 0\nno newlineM4RK low 1\nM4RK empty 127\n"
    assert split_sections(text, "M4RK") == {
        "battery": Section("75\n", 0),
        "low": Section("no newline", 1),
        "empty": Section("", 127),
    }


@pytest.mark.parametrize(
    "tail", ["half a sec", "half\nM4RK", "half\nM4RK b", "half\nM4RK b 12", "half\nM4RK b 12\r"]
)
def test_a_section_that_was_cut_short_is_left_out(tail: str) -> None:
    assert set(split_sections("x\r\nM4RK a 0\r\n" + tail, "M4RK")) == {"a"}


def test_a_mark_is_taken_literally() -> None:
    assert split_sections("xM.RK a 0\nxMxRK b 0\n", "M.RK").keys() == {"a"}


names = st.from_regex(r"[a-z0-9_]{1,10}", fullmatch=True)


@given(
    st.dictionaries(names, st.tuples(st.text(), st.integers(0, 255))).filter(
        lambda parts: not any("M4RK" in text for text, _ in parts.values())
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_was_printed_in_sections_comes_back(
    parts: dict[str, tuple[str, int]], end: str
) -> None:
    text = "".join(f"{said}M4RK {name} {code}{end}" for name, (said, code) in parts.items())
    found = split_sections(text, "M4RK")
    assert {name: (part.text, part.code) for name, part in found.items()} == parts


def test_a_shell_marks_what_each_command_prints(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no newline")
    commands = {
        "one": f"cat {tmp_path}/file",
        "missing": f"cat {tmp_path}/none",
        "two": "echo a; echo b",
    }
    printed = subprocess.run(
        ["sh", "-c", compound_command("M4  R'K", commands)], stdout=subprocess.PIPE, check=True
    ).stdout
    found = named_sections(printed, "M4  R'K", commands)
    assert found["one"] == Section("no newline", 0)
    assert found["two"] == Section("a\nb\n", 0)
    assert found["missing"].code == 1
    assert "No such file" in found["missing"].text  # stderr, too


def test_a_section_that_has_not_arrived_has_failed() -> None:
    printed = b"\xff75\nM4RK battery 0\nhal"
    assert named_sections(printed, "M4RK", ["battery", "max"]) == {
        "battery": Section("\ufffd75\n", 0),
        "max": Section("", MISSING_CODE),
    }
    assert MISSING_CODE != 0


def test_the_last_word_stands_behind_the_systems_warnings() -> None:
    assert Section("WARNING: linker: x\n4711\n", 0).last_word == "4711"
    assert Section("\n", 0).last_word == ""
