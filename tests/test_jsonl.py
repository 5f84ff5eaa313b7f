"""Lines are on disk or not there at all, whatever cuts a write short, and nothing is destroyed."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy import jsonl
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.text import counted


class Note(msgspec.Struct, frozen=True):
    schema_version: int
    text: str


def line(text: str) -> bytes:
    return msgspec.json.encode(Note(1, text))


def read(path: Path) -> jsonl.Lines[Note]:
    return jsonl.read_lines(path, Note, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.jsonl"


class Unwilling:
    """A file of which some calls fail, or write less than they were given."""

    def __init__(self, file: Any, **replaced: Callable[..., Any]) -> None:
        self._file = file
        self._replaced = replaced

    def __enter__(self) -> Unwilling:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        if name in self._replaced:
            return lambda *given: self._replaced[name](self._file, *given)
        return getattr(self._file, name)


def opened_as(monkeypatch: pytest.MonkeyPatch, which: str, **replaced: Callable[..., Any]) -> None:
    real = Path.open

    def open_path(self: Path, mode: str = "r", *args: Any, **named: Any) -> Any:
        file = real(self, mode, *args, **named)
        return Unwilling(file, **replaced) if mode == which else file

    monkeypatch.setattr(Path, "open", open_path)


def no_space(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_what_was_appended_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("notes") / "notes.jsonl"
    for text in texts:
        jsonl.append_line(path, line(text))
    found = read(path)
    assert [note.text for note in found.records] == texts
    assert found.torn == b""


def test_a_file_that_is_not_there_holds_nothing(path: Path) -> None:
    assert read(path) == jsonl.Lines([], b"")


def test_a_write_that_takes_a_few_bytes_at_a_time_writes_them_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_as(monkeypatch, "ab", write=lambda file, rest: file.write(rest[:7]))
    jsonl.append_line(path, line("a long text"))
    assert path.read_bytes() == line("a long text") + b"\n"


def test_a_write_that_takes_nothing_for_once_is_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, 0])
    opened_as(monkeypatch, "ab", write=lambda file, rest: next(answers, -1) and file.write(rest))
    jsonl.append_line(path, line("a"))
    assert path.read_bytes() == line("a") + b"\n"


def test_the_whole_line_is_in_the_file_when_it_is_synced(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    jsonl.append_line(path, line("a"))
    assert synced == [line("a") + b"\n"]


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_full_disk_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    jsonl.append_line(path, line("kept"))
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        if failing == "fsync":
            patched.setattr(os, "fsync", no_space)
        else:
            written: list[int] = []

            def write(file: Any, rest: bytes) -> int:
                written.append(no_space() if written else file.write(rest[:5]))
                return written[-1]

            opened_as(patched, "ab", write=write)
        with pytest.raises(HarnessError) as failed:
            jsonl.append_line(path, line("lost"))
    assert "No space left" in failed.value.what
    assert "what is finished is kept" in failed.value.hint
    assert path.read_bytes() == before


@given(st.data())
def test_a_last_line_cut_anywhere_is_put_aside_and_the_rest_stays(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("notes") / "notes.jsonl"
    whole = line("a") + b"\n" + line("b")
    cut = data.draw(st.integers(len(line("a")) + 2, len(whole)))
    path.write_bytes(whole[:cut])
    found = read(path)
    assert [note.text for note in found.records] == ["a"]
    assert found.torn == whole[len(line("a")) + 1 : cut]
    said = jsonl.put_aside(path, found.torn)
    assert said.endswith(f"{counted(len(found.torn), 'byte')} of it went to notes.jsonl.torn")
    assert path.read_bytes() == line("a") + b"\n"
    assert path.with_name("notes.jsonl.torn").read_bytes() == found.torn + b"\n"


def test_what_was_put_aside_before_stays_there(path: Path) -> None:
    for torn in (b'{"schema_ver', b'{"sche'):
        path.write_bytes(line("a") + b"\n" + torn)
        jsonl.put_aside(path, read(path).torn)
    assert path.with_name("notes.jsonl.torn").read_bytes() == b'{"schema_ver\n{"sche\n'


def test_nothing_is_removed_before_it_is_safe_elsewhere(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(line("a") + b'\n{"sch')
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(UsageError, match="can't mend"):
        jsonl.put_aside(path, b'{"sch')
    assert path.read_bytes() == before


def test_zeros_that_a_power_cut_left_are_torn_bytes_too(path: Path) -> None:
    path.write_bytes(line("a") + b"\n" + bytes(300))
    assert read(path).torn == bytes(300)


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"{}\n" + line("b") + b"\n", 1),
        (line("a") + b"\ngarbage\n", 2),
        (line("a") + b"\n\n" + line("b") + b"\n", 2),
        (line("a") + b"\n" + b"[" * 10_000 + b"\n", 2),
        (line("a") + b"\nno line of ours", 2),
        (b"\x89PNG", 1),
    ],
)
def test_damage_is_an_error_that_names_the_line_and_changes_nothing(
    path: Path, content: bytes, number: int
) -> None:
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"notes.jsonl is damaged in line {number}: "):
        read(path)
    assert path.read_bytes() == content


def test_a_newer_line_is_refused_by_its_number(path: Path) -> None:
    path.write_bytes(line("a") + b'\n{"schema_version":2,"text":"b"}\n')
    with pytest.raises(UsageError, match="line 2, has schema_version 2; this program knows 1"):
        read(path)


def test_a_folder_in_its_place_is_said(path: Path) -> None:
    path.mkdir()
    with pytest.raises(UsageError, match="can't read"):
        read(path)
    with pytest.raises(HarnessError, match="can't add to"):
        jsonl.append_line(path, line("a"))
