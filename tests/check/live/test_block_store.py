"""blocks.jsonl: refused if it is damaged or newer, mended if a line was cut short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asymm_deploy.check.live.block_store import BLOCKS_FILE, BlockLine, BlockStore
from asymm_deploy.errors import UsageError

NS = 10_000_000


Script = Callable[[Any], Any]
Slower = Callable[[float, Any], Script]
Lines = Callable[[Path], list[BlockLine]]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda text: text.replace('"schema_version":1', '"schema_version":2', 1),
            "schema_version 2",
        ),
        (lambda text: "{}\n" + text, "line 1"),
        (lambda text: "[" * 10_000 + "\n" + text, "line 1"),
    ],
)
def test_a_damaged_list_of_blocks_is_refused(
    slower: Slower, check: Any, told: Any, tmp_path: Path, edit: Callable[[str], str], said: str
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / BLOCKS_FILE
    path.write_text(edit(path.read_text()))
    with pytest.raises(UsageError, match=said):
        check(slower(0.0, told))


def test_a_block_whose_line_was_cut_short_is_taken_again(
    lines: Lines, slower: Slower, check: Any, told: Any, tmp_path: Path
) -> None:
    check(slower(0.0, told))
    path = tmp_path / "out" / BLOCKS_FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    found = check(slower(0.0, told))
    assert any("blocks.jsonl.torn" in note for note in found.notes)
    last = whole.rstrip(b"\n").rpartition(b"\n")[2]
    assert path.with_name("blocks.jsonl.torn").read_bytes() == last[:-19] + b"\n"
    assert len(check.device.launched) == 4
    assert len(lines(tmp_path)) == 8


def line(**changes: Any) -> BlockLine:
    values: dict[str, Any] = {"comparison": "a", "attempt": 0, "model": "net", "series": 0}
    values |= {"block": 0, "redone": 0, "order": "ABBA", "launches": (0, 1, 2, 3)}
    return BlockLine(**values | changes)


def test_the_highest_attempt_of_a_comparison_is_in_use(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    assert store.attempt("a") is None
    for found in (line(attempt=2), line(attempt=0), line(comparison="b", attempt=9)):
        store.add(found)
    for again in (store, BlockStore(tmp_path)):
        assert again.attempt("a") == 2
        assert again.attempt("b") == 9
        assert again.attempt("c") is None


def test_blocks_are_of_one_comparison_and_attempt_the_latest_last(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    one, other = line(block=1), line(block=0)
    for found in (one, line(attempt=1), other, line(comparison="b")):
        store.add(found)
    assert store.of("a", 0) == [one, other]
    assert BlockStore(tmp_path).of("a", 0) == [one, other]
    assert store.of("a", 2) == []
