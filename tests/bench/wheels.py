"""Wheels of MNN for 64-bit ARM Linux without a real engine."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from asymm_deploy.bench.emulated import emulator_home

WHEEL = "mnn-{version}-cp311-cp311-manylinux2014_aarch64.manylinux_2_17_aarch64.whl"
ENGINE = "_mnncengine.cpython-311-aarch64-linux-gnu.so"
CONTENT = {
    ENGINE: b"\x7fELF".ljust(18, b"\0") + b"\xb7\0 engine",
    "mnn.libs/libgomp.so.1": b"threads",
    "MNN/nn.py": b"python",
}


def wheel_file(
    folder: Path,
    content: Mapping[str, bytes] = CONTENT,
    *,
    name: str = WHEEL,
    listed: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel whose RECORD has the hashes of ``listed``, or else of its content."""
    path = folder / name.format(version=emulator_home.engine_version())
    rows = []
    for entry, data in (content if listed is None else listed).items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{entry},sha256={digest},{len(data)}\n")
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in content.items():
            archive.writestr(entry, data)
        archive.writestr("MNN.dist-info/RECORD", "".join(rows))
    return path
