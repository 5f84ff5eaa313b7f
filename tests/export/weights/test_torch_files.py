"""Every tensor that torch writes comes back bit for bit, from new files and old."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights.checkpoint import read_checkpoint


def tensors() -> dict[str, torch.Tensor]:
    base = torch.arange(24.0).reshape(4, 6)
    dtypes = (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32),
        *(torch.int16, torch.int8, torch.uint8, torch.bool, torch.uint16, torch.float8_e4m3fn),
    )
    return {str(dtype): base.to(dtype) for dtype in dtypes} | {
        "transposed": base.T,
        "part": base[1:3, 2:],
        "expanded": base[:, :1].expand(4, 5),
        "shared": base,
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(base + 1),
        "with attributes": _with_attributes(),
    }


def _with_attributes() -> torch.Tensor:
    made = nn.Parameter(torch.ones(2))
    made.note = "mine"  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "old file"])
@pytest.mark.parametrize("protocol", [2, 4])
def test_tensors_come_back_as_they_were(tmp_path: Path, zipped: bool, protocol: int) -> None:
    path = tmp_path / "w.pt"
    torch.save(tensors(), path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
    checkpoint = read_checkpoint(path)
    assert isinstance(checkpoint.content, dict)
    for name, wanted in tensors().items():
        found = checkpoint.tensor(checkpoint.content[name])
        assert found is not None, name
        assert found.dtype == wanted.dtype
        assert torch.equal(found.to(torch.float64), wanted.detach().to(torch.float64)), name


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"a": torch.ones(3)}, tmp_path / "w.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    checkpoint = read_checkpoint(tmp_path / "w.pt")
    assert isinstance(checkpoint.content, dict)
    assert checkpoint.tensor(checkpoint.content["a"]) is not None


@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "old file"])
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(30)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in range(1, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read_checkpoint(path)


def test_a_file_of_the_other_byte_order_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save({"a": torch.ones(3)}, path)
    path.write_bytes(path.read_bytes().replace(b"little", b"big   "))
    with pytest.raises(UsageError, match="other byte order"):
        read_checkpoint(path)


def test_damage_anywhere_is_never_more_than_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    for zipped in (True, False):
        torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=zipped)
        whole = path.read_bytes()
        for place in range(0, len(whole), 3):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
            try:
                checkpoint = read_checkpoint(path)
                if isinstance(checkpoint.content, dict):
                    for value in checkpoint.content.values():
                        checkpoint.tensor(value)
            except UsageError:
                continue


def test_a_pickle_of_tensors_that_torch_did_not_write_says_so(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(pickle.dumps({"a": torch.ones(3)}))
    with pytest.raises(UsageError, match=r"carries code: it names torch\.storage\._load"):
        read_checkpoint(tmp_path / "w.pt")
