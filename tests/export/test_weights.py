"""Weights go in whole and fitting, or the error names the keys; code never runs."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
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


def test_a_checkpoint_that_contains_itself_is_refused(tmp_path: Path) -> None:
    endless: dict[str, object] = {}
    endless["model"] = endless
    with pytest.raises(UsageError, match="no state_dict"):
        read_state_dict(saved(tmp_path / "w.pt", endless))


@pytest.mark.parametrize(
    "odd",
    [
        lambda weight: weight.to_sparse(),
        lambda weight: weight.to("meta"),
        lambda weight: weight.to(torch.complex64),
        lambda weight: torch.nested.nested_tensor([weight[0, 0, 0], weight[0, 0, 0, :2]]),
    ],
    ids=["sparse", "without data", "complex", "nested"],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.filterwarnings("ignore:Sparse")
def test_tensors_that_a_layer_can_not_hold_are_named_and_nothing_is_loaded(
    tmp_path: Path, odd: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    target = module()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    weights = {key: value + 1 for key, value in target.state_dict().items()}
    weights["0.weight"] = odd(weights["0.weight"])
    with pytest.raises(UsageError, match=r"0\.weight can't be loaded"):
        load_into(target, saved(tmp_path / "w.pt", weights))
    assert all(torch.equal(before[k], v) for k, v in target.state_dict().items())


def test_two_sets_of_weights_in_one_file_are_refused(tmp_path: Path) -> None:
    weights = dict(module().state_dict())
    weights["module.2.weight"] = weights["2.weight"] + 1
    with pytest.raises(UsageError, match=r"both with and without 'module\.': 2\.weight"):
        load_into(module(), saved(tmp_path / "w.pt", weights))


def test_a_counter_of_batches_may_be_missing_and_no_other_key(tmp_path: Path) -> None:
    weights = dict(module().state_dict())
    del weights["1.num_batches_tracked"]
    load_into(module(), saved(tmp_path / "w.pt", weights))
    del weights["1.running_mean"]
    with pytest.raises(UsageError, match=r"1 key missing: 1\.running_mean$"):
        load_into(module(), saved(tmp_path / "w.pt", weights))


def test_many_keys_that_do_not_fit_are_counted_and_the_first_five_listed(tmp_path: Path) -> None:
    weights = dict(module().state_dict()) | {f"x{i}": torch.zeros(1) for i in range(8)}
    with pytest.raises(UsageError, match="8 keys left over: x0, x1, x2, x3, x4 and 3 more"):
        load_into(module(), saved(tmp_path / "w.pt", weights))


def test_a_safetensors_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    entry = b'{"a":{"dtype":"F32","shape":[9999999999],"data_offsets":[0,4]}}'
    for raw in (struct.pack("<Q", 2**62) + b"{}", struct.pack("<Q", len(entry)) + entry + b"1234"):
        path.write_bytes(raw)
        with pytest.raises(UsageError, match=r"not a whole \.safetensors file"):
            read_state_dict(path)
