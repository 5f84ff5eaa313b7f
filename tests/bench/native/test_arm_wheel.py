"""A wheel is unpacked only if it is MNN's, of the version, for 64-bit ARM Linux, and whole."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from asymm_deploy.bench.emulated.emulator_home import engine_version
from asymm_deploy.bench.native.arm_wheel import fetch_arm_wheel, unpack_engine
from asymm_deploy.errors import HarnessError, UsageError

ENGINE = "_mnncengine.cpython-311-aarch64-linux-gnu.so"
ARM64 = b"\x7fELF".ljust(18, b"\0") + b"\xb7\0 engine"
CONTENT = {ENGINE: ARM64, "mnn.libs/libgomp.so.1": b"threads", "MNN/nn.py": b"python"}

Write = Callable[..., Path]


def refused(wheel: Path) -> str:
    """What is said of a wheel that can't be taken."""
    with pytest.raises(UsageError) as caught:
        unpack_engine(wheel, engine_version(), wheel.parent / "into")
    assert caught.value.hint
    return caught.value.what


def test_the_engine_and_its_libraries_are_unpacked_and_nothing_else(write_wheel: Write) -> None:
    wheel = write_wheel()
    engine = unpack_engine(wheel, engine_version(), wheel.parent / "into")
    assert engine.read_bytes() == ARM64
    files = [path for path in (wheel.parent / "into").rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == [ENGINE, "libgomp.so.1"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("mnn-{version}-cp311-cp311-manylinux2014_x86_64.whl", "is for manylinux2014_x86_64, and"),
        ("mnn-{version}-cp311-cp311-macosx_11_0_arm64.whl", "is for macosx_11_0_arm64, and not"),
        ("mnn-{version}-py3-none-any.whl", "is for any, and not"),
        ("mnn-0.1.2-cp311-cp311-manylinux2014_aarch64.whl", "is of mnn 0.1.2, and MNN"),
        ("numpy-{version}-cp311-cp311-manylinux2014_aarch64.whl", "is of numpy"),
        ("mnn.zip", "has no name of a wheel"),
    ],
)
def test_a_wheel_of_something_else_is_known_by_its_name(
    write_wheel: Write, name: str, what: str
) -> None:
    assert what in refused(write_wheel(name=name))


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
def test_a_wheel_that_was_cut_short_is_damaged(write_wheel: Write, kept: int) -> None:
    wheel = write_wheel()
    wheel.write_bytes(wheel.read_bytes()[:kept])
    assert "is damaged or cut short: " in refused(wheel)


@pytest.mark.parametrize("listed", [CONTENT | {ENGINE: b"another"}, {}])
def test_a_file_must_have_the_hash_that_the_wheel_lists(
    write_wheel: Write, listed: dict[str, bytes]
) -> None:
    assert f"{ENGINE} does not have the hash" in refused(write_wheel(CONTENT, listed=listed))


def test_a_wheel_without_its_list_is_damaged(write_wheel: Write) -> None:
    wheel = write_wheel()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(ENGINE, b"engine")
    assert "it has no RECORD of its files" in refused(wheel)


def test_an_encrypted_wheel_is_refused_in_words(write_wheel: Write) -> None:
    wheel = write_wheel()
    content = bytearray(wheel.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 4)
    wheel.write_bytes(content)
    assert "is encrypted" in refused(wheel)


def test_a_wheel_without_an_engine_is_refused(write_wheel: Write) -> None:
    assert "has no engine of MNN in it" in refused(write_wheel({"MNN/nn.py": b"python"}))


def test_nothing_is_written_outside_the_folder(write_wheel: Write) -> None:
    wheel = write_wheel(CONTENT | {"mnn.libs/../../out.so": b"away"})
    unpack_engine(wheel, engine_version(), wheel.parent / "into")
    assert not list(wheel.parent.rglob("out.so"))


def test_what_is_no_file_is_refused_and_never_waited_for(write_wheel: Write) -> None:
    wheel = write_wheel()
    wheel.unlink()
    assert "No such file" in refused(wheel)
    assert "No such file" in refused(wheel.with_name("nothing.whl"))
    os.mkfifo(wheel)
    assert "can't read" in refused(wheel)
    wheel.unlink()
    wheel.mkdir()
    assert "can't read" in refused(wheel)


def test_an_engine_of_another_machine_is_refused_whatever_the_wheel_is_called(
    write_wheel: Write,
) -> None:
    x86 = ARM64.replace(b"\xb7", b"\x3e")
    assert "is for another machine" in refused(write_wheel({ENGINE: x86}))


@pytest.mark.parametrize("at", range(0, 700, 7))
def test_a_wheel_with_a_flipped_bit_is_unpacked_or_refused_in_words(
    write_wheel: Write, at: int
) -> None:
    wheel = write_wheel()
    content = bytearray(wheel.read_bytes())
    for bit in range(8):
        content[at % len(content)] ^= 1 << bit
        wheel.write_bytes(content)
        with suppress(UsageError):
            unpack_engine(wheel, engine_version(), wheel.parent / "into")
        content[at % len(content)] ^= 1 << bit


def test_without_space_it_says_so(write_wheel: Write) -> None:
    wheel = write_wheel()
    (wheel.parent / "into").write_text("a file in the place of the folder")
    with pytest.raises(HarnessError, match="can't unpack"):
        unpack_engine(wheel, engine_version(), wheel.parent / "into")


def test_without_a_network_it_says_how_to_bring_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(HarnessError, match=r"pip can't fetch MNN 3\.6\.1") as caught:
        fetch_arm_wheel("3.6.1", tmp_path)
    assert "pip download" in caught.value.hint
    assert "--wheel" in caught.value.hint
