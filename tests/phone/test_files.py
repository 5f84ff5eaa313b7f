"""The real adb pushes and pulls: every size whole, modes kept, nothing outside touched."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.phone.conftest import Attached

TMP = "/data/local/tmp"
SIZES = (0, 1, 65535, 65536, 65537, 3 * 2**20 + 11)


@pytest.mark.parametrize("age", ["pixel", "old"])
def test_files_of_all_sizes_go_there_and_back(
    age: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    attached: Attached = request.getfixturevalue(age)
    for size in SIZES:
        content = random.Random(size).randbytes(size)
        (tmp_path / "sent").write_bytes(content)
        assert attached.adb("push", str(tmp_path / "sent"), f"{TMP}/file").returncode == 0
        assert attached.phone.path(f"{TMP}/file").read_bytes() == content
        attached.adb("pull", f"{TMP}/file", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == content
        assert (
            hashlib.sha256(content).hexdigest().encode()
            in attached.shell(f"sha256sum {TMP}/file").stdout
        )


@pytest.mark.parametrize(("mode", "there"), [(0o644, 0o666), (0o755, 0o777), (0o500, 0o555)])
def test_a_push_keeps_the_owners_mode_and_gives_it_to_all(
    pixel: Attached, tmp_path: Path, mode: int, there: int
) -> None:
    (tmp_path / "sent").write_bytes(b"x")
    (tmp_path / "sent").chmod(mode)
    pixel.adb("push", str(tmp_path / "sent"), f"{TMP}/mode")
    assert pixel.phone.path(f"{TMP}/mode").stat().st_mode & 0o777 == there


def test_a_push_makes_the_folders_on_the_way(pixel: Attached, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"x")
    pixel.adb("push", str(tmp_path / "sent"), f"{TMP}/a/b/c")
    assert pixel.phone.path(f"{TMP}/a/b/c").read_bytes() == b"x"


def test_a_folder_is_pushed_and_pulled(pixel: Attached, tmp_path: Path) -> None:
    (tmp_path / "tree" / "in").mkdir(parents=True)
    (tmp_path / "tree" / "in" / "file").write_bytes(b"x")
    assert pixel.adb("push", str(tmp_path / "tree"), f"{TMP}/tree").returncode == 0
    assert pixel.adb("pull", f"{TMP}/tree", str(tmp_path / "back")).returncode == 0
    assert (tmp_path / "back" / "in" / "file").read_bytes() == b"x"


def test_adbutils_pushes_by_the_first_version(pixel: Attached, tmp_path: Path) -> None:
    import adbutils

    device = adbutils.AdbClient("127.0.0.1", pixel.server.port).device(pixel.phone.serial)
    device.sync.push(b"hello", f"{TMP}/v1")
    assert device.sync.read_bytes(f"{TMP}/v1") == b"hello"
    assert device.sync.stat(f"{TMP}/v1").size == 5
    assert device.sync.stat(f"{TMP}/nothing").mode == 0
    assert "v1" in {entry.path for entry in device.sync.list(TMP)}


def test_a_file_that_is_not_there_is_not_pulled(pixel: Attached, tmp_path: Path) -> None:
    done = pixel.adb("pull", f"{TMP}/nothing", str(tmp_path / "back"))
    assert done.returncode == 1
    assert b"No such file or directory" in done.stdout + done.stderr


@pytest.mark.parametrize("place", ["/data/file", "/data/local/file"])
def test_the_shell_user_writes_to_its_own_folder_only(
    pixel: Attached, tmp_path: Path, place: str
) -> None:
    (tmp_path / "sent").write_bytes(b"x")
    done = pixel.adb("push", str(tmp_path / "sent"), place)
    assert done.returncode == 1
    assert b"couldn't create file: Permission denied" in done.stdout + done.stderr
    assert pixel.shell(f"echo x >{place}").returncode != 0


def test_dots_and_links_lead_nowhere_outside(pixel: Attached, tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(b"x")
    outside = tmp_path / "outside"
    outside.mkdir()
    pixel.phone.path(f"{TMP}/link").symlink_to(outside)
    for place in (f"{TMP}/link/file", f"/../../../../../../..{outside}/file"):
        pixel.adb("push", str(tmp_path / "sent"), place)
    assert list(outside.iterdir()) == []
    (outside / "secret").write_bytes(b"x")
    done = pixel.adb("pull", f"{TMP}/link/secret", str(tmp_path / "back"))
    assert done.returncode == 1


def test_what_may_not_be_read_is_not_pulled_by_root_either(pixel: Attached, tmp_path: Path) -> None:
    clock = "/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_cur_freq"
    done = pixel.adb("pull", clock, str(tmp_path / "back"))
    assert done.returncode == 1
    assert b"Permission denied" in done.stdout + done.stderr
