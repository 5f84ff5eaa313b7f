"""MNN's wheel for 64-bit ARM Linux is whole and the right one, or it is refused."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from pathlib import Path

import pytest

from asymm_deploy.bench.native.arm_wheel import fetch_arm_wheel, unpack_engine
from asymm_deploy.errors import HarnessError, UsageError

NAME = "mnn-3.6.1-cp311-cp311-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"
ENGINE = "_mnncengine.cpython-311-aarch64-linux-gnu.so"


def a_wheel(path: Path, *, listed: bytes = b"the engine", engine: str = ENGINE) -> Path:
    """A wheel with an engine and its hash as that of ``listed``, a library and a Python file."""
    files = {engine: b"the engine", "mnn.libs/libgomp.so.1": b"gomp", "MNN/__init__.py": b""}
    with zipfile.ZipFile(path, "w") as archive:
        rows = []
        for name, content in files.items():
            archive.writestr(name, content)
            hashed = hashlib.sha256(listed if name == engine else content).digest()
            coded = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
            rows.append(f"{name},sha256={coded},{len(content)}")
        archive.writestr("mnn-3.6.1.dist-info/RECORD", "\n".join(rows))
    return path


def test_the_engine_is_unpacked_with_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    engine = unpack_engine(a_wheel(tmp_path / NAME), "3.6.1", tmp_path / "out")
    assert engine == tmp_path / "out" / ENGINE
    found = {str(each.relative_to(tmp_path / "out")) for each in (tmp_path / "out").rglob("*.*")}
    assert found == {ENGINE, "mnn.libs", "mnn.libs/libgomp.so.1"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mnn-3.6.1-cp311-cp311-manylinux2014_x86_64.whl", "is for manylinux2014_x86_64, and not"),
        ("mnn-3.6.1-cp311-cp311-macosx_11_0_arm64.whl", "is for macosx_11_0_arm64, and not"),
        ("mnn-3.5.0-cp311-cp311-manylinux2014_aarch64.whl", "is of mnn 3.5.0, and MNN 3.6.1 is"),
        ("numpy-3.6.1-cp311-cp311-manylinux2014_aarch64.whl", "is of numpy 3.6.1, and MNN 3.6.1"),
        ("libMNN.so", "has no name of a wheel"),
    ],
)
def test_another_wheel_is_refused_by_its_name(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        unpack_engine(a_wheel(tmp_path / name), "3.6.1", tmp_path / "out")
    assert "--wheel" in caught.value.hint


def test_one_that_is_damaged_cut_short_empty_or_missing_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    wheel = a_wheel(tmp_path / NAME, listed=b"another")
    with pytest.raises(UsageError, match="has not the hash that the wheel lists"):
        unpack_engine(wheel, "3.6.1", out)
    whole = a_wheel(wheel).read_bytes()
    for content in (whole[: len(whole) // 2], b""):
        wheel.write_bytes(content)
        with pytest.raises(UsageError, match="is damaged or cut short"):
            unpack_engine(wheel, "3.6.1", out)
    a_wheel(wheel, engine="other.so")
    with pytest.raises(UsageError, match="has no engine of MNN"):
        unpack_engine(wheel, "3.6.1", out)
    wheel.unlink()
    with pytest.raises(UsageError, match=r"can't unpack .*: No such file"):
        unpack_engine(wheel, "3.6.1", out)
    os.mkfifo(wheel)
    with pytest.raises(UsageError, match=r"can't unpack .*: it is a pipe"):
        unpack_engine(wheel, "3.6.1", out)


def test_without_a_network_it_says_how_to_bring_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(HarnessError, match=r"pip can't fetch MNN 3\.6\.1") as caught:
        fetch_arm_wheel("3.6.1", tmp_path)
    assert "pip download" in caught.value.hint
    assert "--wheel" in caught.value.hint
