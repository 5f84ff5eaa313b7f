"""Files appear whole or not at all, links stay links, and nothing is left aside."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from asymm_deploy import files
from asymm_deploy.errors import HarnessError, UsageError


def test_a_hash_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes")
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(b"some bytes").hexdigest()


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_text("old")
    with files.written_aside(target) as aside:
        aside.write_text("new")
        assert aside.parent == tmp_path
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a"
    target.write_text("old")

    def fail() -> None:
        with files.written_aside(target) as aside:
            aside.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        files.write_whole(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_takes_the_place_of_another_and_never_is_there_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_exchange: bool
) -> None:
    if not can_exchange:
        monkeypatch.setattr(files, "_exchanged", lambda *_: False)
    new, place = tmp_path / "new", tmp_path / "place"
    new.mkdir()
    (new / "a").touch()
    files.take_place(new, place)  # where nothing was
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("a")] == [Path("place/a")]
    new.mkdir()
    (new / "b").touch()
    renamed: list[Path] = []
    rename = Path.rename

    def noted(path: Path, target: Path) -> Path:
        renamed.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", noted)
    files.take_place(new, place)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("?")} == {"new/a", "place/b"}
    assert bool(renamed) is not can_exchange


def test_a_folder_that_can_not_take_a_place_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "a").touch()
    with pytest.raises(OSError, match="No such file"):
        files.take_place(tmp_path / "missing", place)
    assert {path.name for path in tmp_path.rglob("*")} == {"place", "a"}


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to("real")
    files.write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links") as failed:
        files.followed(tmp_path / "a")
    assert failed.value.errno == errno.ELOOP


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    files.write_whole(target, b"x")
    assert target.read_bytes() == b"x"


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/"])
def test_devices_streams_and_folders_are_no_files_to_replace(path: str) -> None:
    assert files.is_special(Path(path))


def test_files_and_new_names_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    assert not files.is_special(tmp_path / "a")
    assert not files.is_special(tmp_path / "new")


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    files.write_whole(pipe, b"text")
    assert os.read(reading, 10) == b"text"
    os.close(reading)


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_want_of_space_is_told_from_other_failures(number: int, full: bool) -> None:
    assert files.is_full(OSError(number, "")) is full


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert files.ensure_folder(tmp_path / "a" / "b", "results") == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(UsageError, match=r"can't write results to .*/a: "):
        files.ensure_folder(tmp_path / "a", "results")


def test_a_full_disk_is_the_harness_and_not_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(HarnessError, match="No space left"):
        files.ensure_folder(tmp_path, "results")


def special(folder: Path, kind: str) -> Path:
    """What is no regular file, nor ever becomes one."""
    path = folder / "special"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a socket", "a device"])
def test_what_is_no_file_is_refused_in_words_and_never_waited_for(
    tmp_path: Path, kind: str
) -> None:
    path = special(tmp_path, kind)
    for read in (files.sha256_of, files.read_regular, files.opened_regular, files.require_regular):
        with pytest.raises(OSError, match=kind):
            read(path)


def test_a_null_character_in_a_path_is_told() -> None:
    for read in (files.opened_regular, files.require_regular):
        with pytest.raises(OSError, match="null character"):
            read(Path("a\0b"))


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert files.read_regular(tmp_path / "link") == b"content"


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="nobody reads"):
        files.write_whole(tmp_path / "pipe", b"table")


KILLED = """
import os, signal, sys
from pathlib import Path
from asymm_deploy.files import written_aside
with written_aside(Path(sys.argv[1])) as aside:
    aside.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_goes_with_the_next_write_of_that_file(tmp_path: Path) -> None:
    target, other = tmp_path / "a", tmp_path / "a.b"
    for path in (target, other):
        subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    files.write_whole(target, b"whole")
    left = {path.name for path in tmp_path.iterdir()}
    assert "a" in left
    assert [name[:5] for name in left - {"a"}] == [".a.b."]


def test_two_who_write_one_file_leave_each_other_alone(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with files.written_aside(target) as first:
        first.write_text("first")
        files.write_whole(target, b"second")
        assert target.read_text() == "second"
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]
