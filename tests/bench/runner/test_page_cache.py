"""A file's pages are dropped where the system lets us, and nothing is called cold that is not."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from asymm_deploy.bench.runner import page_cache
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.page_cache import drop_from_cache

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="needs Linux")
SIZE = 10 * mmap.PAGESIZE + 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_bytes(b"x" * SIZE)
    return path


def test_pages_in_use_by_another_are_counted(file: Path) -> None:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        assert mapped[0] == mapped[-1] == ord("x")
        left = drop_from_cache(str(file))
    assert left.whole == 11
    assert left.resident is not None
    assert left.resident > 0


def test_a_file_that_was_just_written_is_dropped_on_a_disk(file: Path) -> None:
    kinds = {
        line.split()[1]: line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()
    }
    mount = max((m for m in kinds if file.is_relative_to(m)), key=len)
    if kinds[mount] not in {"ext4", "xfs", "btrfs"}:
        pytest.skip(f"{mount} is {kinds[mount]}")
    assert drop_from_cache(str(file)) == (11, 0)


def test_a_file_that_lives_in_memory_stays(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("there is no /dev/shm to write to")
    path = memory / f"asymm-{os.getpid()}"
    try:
        path.write_bytes(b"x" * SIZE)
        assert drop_from_cache(str(path)) == (11, 11)
    finally:
        path.unlink()


def test_what_the_system_may_not_tell_of_a_file_of_others_is_not_believed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_cache, "_resident", lambda *_: 11)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert drop_from_cache(str(file)) == (11, None)
    monkeypatch.setattr(page_cache, "_resident", lambda *_: 0)
    assert drop_from_cache(str(file)) == (11, 0)


def test_an_empty_file_has_no_pages_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert drop_from_cache(str(tmp_path / "empty")) == (0, 0)
    with pytest.raises(RefusedError, match="can't read the model: No such file"):
        drop_from_cache(str(tmp_path / "nothing"))
