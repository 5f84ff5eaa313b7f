"""MXNet's files are read as written, and damage is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights.mxnet_params import read_params

KINDS = {"f4": 0, "f8": 1, "f2": 2, "u1": 3, "i4": 4, "i1": 5, "i8": 6}


def params(arrays: dict[str, np.ndarray], version: int = 2) -> bytes:
    magic = {1: 0xF993FAC8, 2: 0xF993FAC9, 3: 0xF993FACA}[version]
    raw = struct.pack("<QQQ", 0x112, 0, len(arrays))
    for array in arrays.values():
        raw += struct.pack("<I", magic) + (struct.pack("<i", 0) if version > 1 else b"")
        raw += struct.pack(f"<I{array.ndim}q", array.ndim, *array.shape)
        raw += struct.pack("<iii", 1, 0, KINDS[array.dtype.str[1:]]) + array.tobytes()
    raw += struct.pack("<Q", len(arrays))
    for name in arrays:
        raw += struct.pack("<Q", len(name.encode())) + name.encode()
    return raw


@pytest.mark.parametrize("version", [1, 2, 3])
def test_arrays_come_back_by_name(tmp_path: Path, version: int) -> None:
    given = {
        f"{prefix}{kind}": np.arange(6).reshape(2, 3).astype(kind)
        for prefix, kind in zip(("arg:", "aux:", "", "", "", "", ""), KINDS, strict=True)
    }
    (tmp_path / "w.params").write_bytes(params(given, version))
    found = read_params(tmp_path / "w.params")
    assert list(found) == list(KINDS)
    for kind, tensor in found.items():
        assert torch.equal(tensor, torch.arange(6).reshape(2, 3).to(tensor.dtype))
        assert tensor.numpy().dtype == np.dtype(kind)


def test_a_file_cut_short_or_damaged_anywhere_is_refused(tmp_path: Path) -> None:
    whole = params({"a": np.zeros((2, 3), "f4"), "b": np.zeros(4, "f2")})
    path = tmp_path / "w.params"
    for length in range(8, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError, match=r"not a whole \.params file"):
            read_params(path)
    refused = 0
    for place in range(8, len(whole)):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        try:
            read_params(path)
        except UsageError:
            refused += 1
    assert refused > len(whole) / 2


def test_sizes_that_no_file_could_hold_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "w.params"
    for middle in (
        struct.pack("<Q", 2**63),
        struct.pack("<QIiI2q", 1, 0xF993FAC9, 0, 2, 2**40, 2**40) + struct.pack("<iii", 1, 0, 0),
        struct.pack("<QIiI", 1, 0xF993FAC9, 0, 2**31),
        struct.pack("<QIiI", 1, 0xF993FAC9, 0, 0),
        struct.pack("<QIi", 1, 0xF993FAC9, 1),
        struct.pack("<QIi", 1, 0x12345678, 0),
    ):
        path.write_bytes(struct.pack("<QQ", 0x112, 0) + middle)
        with pytest.raises(UsageError):
            read_params(path)
