"""Files arrive at a host whole and once, and are what their hash says."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.lab import host_store
from asymm_deploy.lab.host_store import ChunkRefusedError, HostStore
from asymm_deploy.lab.session_messages import FileAbsentError


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def send(store: HostStore, data: bytes, *, name: str | None = None, part: int = 4) -> int:
    """Send ``data`` in parts, under its own hash unless another is given."""
    here = 0
    for start in range(0, max(1, len(data)), part):
        chunk = data[start : start + part]
        here = store.receive(name or sha(data), "me", start, chunk, sha(chunk), len(data))
    return here


@pytest.mark.parametrize("data", [b"", b"a", b"a model of some parts"])
def test_a_file_appears_once_its_last_part_is_there(tmp_path: Path, data: bytes) -> None:
    store = HostStore(tmp_path / "new")
    assert store.missing([sha(data)]) == (sha(data),)
    assert send(store, data) == len(data)
    assert store.missing([sha(data)]) == ()
    with store.in_use(sha(data)) as path:
        assert path.read_bytes() == data
    assert [each.name for each in (tmp_path / "new").iterdir()] == [sha(data)]


def test_a_part_that_was_changed_on_the_way_is_refused_and_may_come_again(tmp_path: Path) -> None:
    store = HostStore(tmp_path)
    name = sha(b"abcdef")
    assert store.receive(name, "me", 0, b"abc", sha(b"abc"), 6) == 3
    with pytest.raises(ChunkRefusedError):
        store.receive(name, "me", 3, b"dXf", sha(b"def"), 6)
    assert store.receive(name, "me", 3, b"def", sha(b"def"), 6) == 6
    assert store.missing([name]) == ()


def test_a_part_that_comes_twice_changes_nothing_and_one_out_of_order_is_refused(
    tmp_path: Path,
) -> None:
    store = HostStore(tmp_path)
    name = sha(b"abcdef")
    store.receive(name, "me", 0, b"abc", sha(b"abc"), 6)
    assert store.receive(name, "me", 0, b"abc", sha(b"abc"), 6) == 3
    with pytest.raises(ChunkRefusedError):
        store.receive(name, "me", 5, b"f", sha(b"f"), 6)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_hash_never_appears(tmp_path: Path) -> None:
    store = HostStore(tmp_path)
    with pytest.raises(ChunkRefusedError, match="SHA-256 differs"):
        send(store, b"something else", name=sha(b"a model"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../" + 61 * "a", 64 * "A", 64 * "a" + "\n", "", 63 * "a" + "/"])
def test_no_name_from_elsewhere_becomes_a_path(tmp_path: Path, name: str) -> None:
    store = HostStore(tmp_path / "store")
    with pytest.raises(UsageError):
        send(store, b"a model", name=name or "x")
    with pytest.raises(UsageError), store.in_use(name):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_disk_has_changed_is_gone_and_not_used(tmp_path: Path) -> None:
    store = HostStore(tmp_path)
    send(store, b"a model")
    (tmp_path / sha(b"a model")).write_bytes(b"a moXel")
    with pytest.raises(FileAbsentError), store.in_use(sha(b"a model")):
        pass
    assert store.missing([sha(b"a model")]) == (sha(b"a model"),)


def test_beyond_the_limit_what_was_not_used_for_longest_goes_but_nothing_in_use(
    tmp_path: Path,
) -> None:
    store = HostStore(tmp_path, most_bytes=10)
    for age, data in ((30, b"old1"), (20, b"old2"), (10, b"new1")):
        send(store, data)
        then = (tmp_path / sha(data)).stat().st_mtime - age
        os.utime(tmp_path / sha(data), (then, then))
    names = {sha(data): data for data in (b"old1", b"old2", b"new1", b"new2")}
    left = {names[each.name] for each in tmp_path.iterdir()}
    assert left == {b"old2", b"new1"}, "the limit held when new1 came"
    with store.in_use(sha(b"old2")):
        send(store, b"new2")
    assert {names[each.name] for each in tmp_path.iterdir()} == {b"old2", b"new2"}


def test_a_transfer_that_its_client_gave_up_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HostStore(tmp_path)
    store.receive(sha(b"abcdef"), "gone", 0, b"abc", sha(b"abc"), 6)
    monkeypatch.setattr(host_store, "_IDLE_S", -1.0)
    send(store, b"more", part=4)
    assert [each.name for each in tmp_path.iterdir()] == [sha(b"more")]


def test_a_folder_that_can_not_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HarnessError, match="can't keep a file"):
        send(HostStore(tmp_path / "file" / "store"), b"a model")


@pytest.mark.parametrize(("number", "to_do"), [(errno.ENOSPC, "make room"), (errno.EROFS, "able")])
def test_what_to_do_follows_from_why_a_file_can_not_be_kept(
    number: int, to_do: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise OSError(number, "it fails")

    monkeypatch.setattr(HostStore, "_begin", fail)
    with pytest.raises(HarnessError, match="it fails") as caught:
        send(HostStore(tmp_path), b"a model")
    assert to_do in caught.value.hint
