"""Weights go in whole and fitting, or the error names the keys; code never runs."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights import load_into, read_state_dict


def module() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("nesting", [None, "state_dict", "model_state_dict", "model"])
def test_a_state_dict_is_found_where_training_scripts_put_it(
    tmp_path: Path, nesting: str | None, prefix: str
) -> None:
    torch.manual_seed(1)
    source, target = module(), module()
    weights = {prefix + key: value for key, value in source.state_dict().items()}
    content = weights if nesting is None else {nesting: weights, "epoch": 3}
    load_into(target, saved(tmp_path / "w.pth", content))
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)


def test_safetensors_are_read(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, target = module(), module()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load_into(target, tmp_path / "w.safetensors")
    assert torch.equal(target.state_dict()["0.weight"], source.state_dict()["0.weight"])


def test_missing_and_left_over_keys_are_named_and_nothing_is_loaded(tmp_path: Path) -> None:
    target = module()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    weights = {key: value + 1 for key, value in target.state_dict().items()}
    weights["stranger.weight"] = weights.pop("2.weight")
    with pytest.raises(UsageError) as caught:
        load_into(target, saved(tmp_path / "w.pt", weights))
    assert "missing: 2.weight" in caught.value.what
    assert "left over: stranger.weight" in caught.value.what
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_other_shapes_are_named(tmp_path: Path) -> None:
    weights = dict(module().state_dict())
    weights["2.weight"] = torch.zeros(2, 5)
    with pytest.raises(UsageError, match=r"2\.weight: \(2, 5\) in the file, \(2, 4\)"):
        load_into(module(), saved(tmp_path / "w.pt", weights))


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code ran')",)


def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path: Path) -> None:
    for content in (_Bomb(), {"w": _Bomb()}, module()):
        with pytest.raises(UsageError, match="carries code") as caught:
            read_state_dict(saved(tmp_path / "w.pt", content))
        assert "state_dict" in caught.value.hint
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(UsageError):
        read_state_dict(plain)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_damaged_files_are_refused(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".safetensors":
        save_file(module().state_dict(), whole)
    else:
        torch.save(module().state_dict(), whole)
    for content in (b"", b"\0" * 100, b"not weights", whole.read_bytes()[:-40]):
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(content)
        with pytest.raises(UsageError):
            read_state_dict(damaged)


def test_files_that_are_missing_or_of_another_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read"):
        read_state_dict(tmp_path / "none.pt")
    (tmp_path / "w.bin").write_bytes(b"x")
    with pytest.raises(UsageError, match="not known"):
        read_state_dict(tmp_path / "w.bin")
    with pytest.raises(UsageError, match="no state_dict"):
        read_state_dict(saved(tmp_path / "list.pt", [1, 2]))
