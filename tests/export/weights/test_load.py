"""Weights go in whole and fitting, or the error names the keys; code never runs."""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights import load_into
from asymm_deploy.models.build import build
from asymm_deploy.models.names import parse
from asymm_deploy.models.spec import with_classes


def module() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


KEYS = (
    *("state_dict", "model_state_dict", "model", "ema", "model_ema", "state_dict_ema"),
    *("params_ema", "params", "net", "network", "module", "weights", "generator"),
)
PREFIXES = (
    *("module.", "model.", "_orig_mod.", "module.model.", "net.", "backbone.", "module._orig_mod."),
    *("_orig_mod.module.", "anything.else."),
)


def assert_equal(target: nn.Module, source: nn.Module) -> None:
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)


def test_a_bare_state_dict_goes_in_without_a_remark(tmp_path: Path) -> None:
    source, target = module(), module()
    assert load_into(target, saved(tmp_path / "w.pth", source.state_dict())) == []
    assert_equal(target, source)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("suffix", ["pt", "pth", "pth.tar", "ckpt", "bin", "anything"])
def test_a_state_dict_is_found_where_training_scripts_put_it(
    tmp_path: Path, key: str, suffix: str
) -> None:
    source, target = module(), module()
    content = {"epoch": 3, key: source.state_dict(), "optimizer": {"state": {0: torch.zeros(2)}}}
    notes = load_into(target, saved(tmp_path / f"w.{suffix}", content))
    assert notes == [f"weights: taken from '{key}'"]
    assert_equal(target, source)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_of_all_keys_is_found_and_told(tmp_path: Path, prefix: str) -> None:
    source, target = module(), module()
    weights = {prefix + key: value for key, value in source.state_dict().items()}
    notes = load_into(target, saved(tmp_path / "w.pth", {"state_dict": weights}))
    assert notes[1].startswith("weights: taken without")
    assert_equal(target, source)


def test_a_prefix_that_the_module_has_too_stays(tmp_path: Path) -> None:
    source, target = nn.Sequential(), nn.Sequential()
    for one in (source, target):
        one.module = module()
        one.module.model = module()
    assert load_into(target, saved(tmp_path / "w.pth", source.state_dict())) == []
    assert_equal(target, source)


def test_wrappers_inside_of_names_are_found(tmp_path: Path) -> None:
    source, target = module(), module()
    weights = {key.replace(".", ".module.", 1): value for key, value in source.state_dict().items()}
    notes = load_into(target, saved(tmp_path / "w.pth", weights))
    assert notes == ["weights: taken without 'module.' in its names"]
    assert_equal(target, source)


def test_the_weights_of_a_net_go_into_a_module_that_wraps_it(tmp_path: Path) -> None:
    source, target = module(), nn.Sequential()
    target.backbone = module()
    notes = load_into(target, saved(tmp_path / "w.pth", source.state_dict()))
    assert notes == ["weights: taken with 'backbone.' put in front"]
    assert_equal(target.backbone, source)


def test_counts_of_averages_and_of_tools_are_skipped(tmp_path: Path) -> None:
    source, target = module(), module()
    weights = {f"module.{key}": value for key, value in source.state_dict().items()} | {
        "n_averaged": torch.tensor(4),
        "total_ops": torch.zeros(1),
        "module.0.total_params": torch.zeros(1),
        "module.embeddings.position_ids": torch.arange(4),
    }
    notes = load_into(target, saved(tmp_path / "w.pth", weights))
    assert "skipped" in notes[-1]
    assert_equal(target, source)


def test_a_network_beside_another_one_is_found_by_its_prefix(tmp_path: Path) -> None:
    source, target = module(), module()
    weights = {f"model.{key}": value for key, value in source.state_dict().items()}
    weights |= {"loss.weight": torch.zeros(3), "metric.total": torch.zeros(())}
    notes = load_into(target, saved(tmp_path / "w.ckpt", {"state_dict": weights}))
    assert notes[1:] == [
        "weights: taken without 'model.'",
        "weights: 2 keys without the prefix: loss.weight, metric.total",
    ]
    assert_equal(target, source)


def test_of_two_networks_that_fit_strip_prefix_chooses(tmp_path: Path) -> None:
    student, teacher, target = module(), module(), module()
    weights = {f"student.{key}": value for key, value in student.state_dict().items()} | {
        f"teacher.{key}": value for key, value in teacher.state_dict().items()
    }
    path = saved(tmp_path / "w.pth", weights)
    with pytest.raises(
        UsageError, match=r"several networks that fit: student\., teacher\."
    ) as caught:
        load_into(target, path)
    assert "--strip-prefix student." in caught.value.hint
    for given in ("teacher.", "teacher"):
        notes = load_into(target, path, strip_prefix=given)
        assert "that begin with 'teacher" in notes[0]
        assert_equal(target, teacher)
    with pytest.raises(UsageError, match=r"no key that begins with 'tutor'; it has student\.0\.w"):
        load_into(target, path, strip_prefix="tutor")


def test_the_average_is_taken_where_both_fit_and_the_key_chooses(tmp_path: Path) -> None:
    trained, average, target = module(), module(), module()
    content = {"state_dict": trained.state_dict(), "ema": {"shadow": average.state_dict()}}
    path = saved(tmp_path / "w.pth", content)
    (note,) = load_into(target, path)
    assert note == (
        "weights: taken from 'ema.shadow'; state_dict would fit too: "
        "--weights-key state_dict takes that"
    )
    assert_equal(target, average)
    assert load_into(target, path, key="state_dict") == []
    assert_equal(target, trained)
    load_into(target, path, key="ema.shadow")
    assert_equal(target, average)


def test_an_average_of_parameters_alone_does_not_fit_and_the_trained_weights_do(
    tmp_path: Path,
) -> None:
    trained, target = module(), module()
    average = {name: parameter + 1 for name, parameter in trained.named_parameters()}
    notes = load_into(
        target, saved(tmp_path / "w.pth", {"ema": average, "model": trained.state_dict()})
    )
    assert notes == ["weights: taken from 'model'"]
    assert_equal(target, trained)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("nothing", "no key 'nothing' at the top; there are state_dict, ema, epoch"),
        ("ema.nothing", "no key 'nothing' in 'ema'; there are shadow"),
        ("epoch", "'epoch' holds no tensors by name"),
        ("ema", "'ema' holds no tensors by name"),
    ],
)
def test_a_key_that_leads_nowhere_is_told_with_those_there(
    tmp_path: Path, key: str, told: str
) -> None:
    weights = module().state_dict()
    path = saved(
        tmp_path / "w.pth", {"state_dict": weights, "ema": {"shadow": weights}, "epoch": 2}
    )
    with pytest.raises(UsageError, match=re.escape(told)) as caught:
        load_into(module(), path, key=key)
    assert caught.value.hint == "give --weights-key one of: ema.shadow, state_dict"


def test_keys_with_dots_and_places_in_lists_are_found(tmp_path: Path) -> None:
    source, target = module(), module()
    path = saved(tmp_path / "w.pth", {"a.b": [{"x": 1}, source.state_dict()]})
    load_into(target, path, key="a.b.1")
    assert_equal(target, source)


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


def test_weights_of_a_network_with_other_classes_say_which_option_takes_them(
    tmp_path: Path,
) -> None:
    spec = parse("asymmnet_small_035")
    weights = build(with_classes(spec, 7)).state_dict()
    with pytest.raises(UsageError, match="2 shapes differ, first classifier") as caught:
        load_into(build(spec), saved(tmp_path / "w.pt", weights))
    assert "7 outputs in the file and 1000 in the model" in caught.value.hint
    assert "--classes 7 makes a network of the paper fit" in caught.value.hint


def test_other_shapes_are_named(tmp_path: Path) -> None:
    weights = dict(module().state_dict())
    weights["2.weight"] = torch.zeros(2, 5)
    with pytest.raises(UsageError, match=r"2\.weight: \(2, 5\) in the file, \(2, 4\)"):
        load_into(module(), saved(tmp_path / "w.pt", weights))
    weights |= {"2.weight": torch.zeros(7, 4), "2.bias": torch.zeros(7)}
    with pytest.raises(UsageError, match="2 shapes differ") as caught:
        load_into(module(), saved(tmp_path / "w.pt", weights))
    assert "the last layer has 7 outputs in the file and 2 in the model" in caught.value.hint
    wide = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(8, 2))
    with pytest.raises(UsageError, match=r"7 shapes differ, first 0\.weight") as caught:
        load_into(module(), saved(tmp_path / "w.pt", wide.state_dict()))
    assert "check the width" in caught.value.hint


def test_keys_of_another_network_are_listed_on_both_sides(tmp_path: Path) -> None:
    other = {f"layer{i}.w": torch.zeros(1) for i in range(8)}
    with pytest.raises(UsageError) as caught:
        load_into(module(), saved(tmp_path / "w.pt", other))
    assert "missing: 0.weight, 0.bias, 1.weight, 1.bias, 1.running_mean and" in caught.value.what
    assert "left over: layer0.w, layer1.w, layer2.w, layer3.w, layer4.w and 3" in caught.value.what
    assert "no key agrees" in caught.value.hint


def test_a_prefix_after_which_most_keys_fit_is_told(tmp_path: Path) -> None:
    weights = {f"net.{key}": value for key, value in module().state_dict().items()}
    del weights["net.2.bias"]
    with pytest.raises(UsageError) as caught:
        load_into(module(), saved(tmp_path / "w.pt", weights))
    assert "taken without 'net.', as 8 tensors then fit; 1 key missing: 2.bias" in caught.value.what


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_cast_to_the_module_s_with_a_note(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    source, target = module().to(dtype), module()
    notes = load_into(target, saved(tmp_path / "w.pt", source.state_dict()))
    name = str(dtype).removeprefix("torch.")
    assert notes == [f"weights: 8 tensors made float32 from {name}"]
    assert_equal(target, source.to(torch.float32))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_quantized_numbers_without_their_scales_are_refused(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    weights = dict(module().state_dict())
    weights["0.weight"] = weights["0.weight"].to(dtype)
    with pytest.raises(UsageError, match=r"0\.weight") as caught:
        load_into(module(), saved(tmp_path / "w.pt", weights))
    assert "save the" in caught.value.hint


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("steps", torch.arange(3), persistent=False)


@pytest.mark.parametrize("name", ["embed.weight", "head.weight"])
def test_one_name_of_a_tied_tensor_is_enough(tmp_path: Path, name: str) -> None:
    source, target = Tied(), Tied()
    load_into(target, saved(tmp_path / "w.pt", {name: source.embed.weight}))
    assert torch.equal(target.head.weight, source.embed.weight)
    assert torch.equal(target.embed.weight, source.embed.weight)
    with pytest.raises(UsageError, match=r"embed\.weight and head\.weight are one tensor"):
        load_into(
            Tied(),
            saved(
                tmp_path / "u.pt",
                {"embed.weight": torch.zeros(5, 3), "head.weight": torch.ones(5, 3)},
            ),
        )


def test_constants_that_older_files_hold_are_skipped_unless_they_differ(tmp_path: Path) -> None:
    weights = dict(Tied().state_dict())
    notes = load_into(Tied(), saved(tmp_path / "w.pt", weights | {"steps": torch.arange(3)}))
    assert notes == ["weights: 1 key skipped, as nothing needs them: steps"]
    with pytest.raises(UsageError, match="left over: steps"):
        load_into(Tied(), saved(tmp_path / "w.pt", weights | {"steps": torch.arange(3) + 1}))


def test_a_layer_that_takes_its_shape_from_the_first_input_takes_the_weights_too(
    tmp_path: Path,
) -> None:
    source, target = nn.Linear(4, 2), nn.LazyLinear(2)
    load_into(target, saved(tmp_path / "w.pt", source.state_dict()))
    assert torch.equal(target.weight, source.weight)


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code ran')",)


def arrays_of(source: nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in source.state_dict().items()}


def written(save: Callable[..., None], *arrays: object, **named: object) -> bytes:
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        lambda path, arrays: torch.save(arrays, path),
        lambda path, arrays: torch.save({"epoch": 3, "model": [1, {"net.1": arrays}]}, path),
        lambda path, arrays: torch.save(arrays, path, _use_new_zipfile_serialization=False),
        lambda path, arrays: path.write_bytes(pickle.dumps(arrays)),
        lambda path, arrays: path.write_bytes(pickle.dumps(arrays, protocol=5)),
        lambda path, arrays: path.write_bytes(written(np.save, arrays)),
        lambda path, arrays: path.write_bytes(written(np.savez, **arrays)),
    ],
)
def test_arrays_of_numpy_are_told_and_what_is_told_makes_weights_of_them(
    tmp_path: Path, write: Callable[[Path, dict[str, Any]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, target = module(), module()
    write(tmp_path / "w.pt", arrays_of(source))
    with pytest.raises(UsageError, match="NumPy") as caught:
        load_into(target, tmp_path / "w.pt")
    told = caught.value.hint
    code = told[told.index("torch.save(") :]
    exec(code, {"torch": torch, "numpy": np, "path": "w.pt"})
    load_into(target, tmp_path / "weights.pt")
    assert_equal(target, source)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"epoch": 3, "loss": [1.0]}, "a dict of epoch, loss"),
        ({f"k{i}": i for i in range(12)}, "k8, k9 and 2 more"),
        ({}, "a dict without names"),
        ({0: torch.ones(2)}, "a dict without names"),
        ([torch.ones(2)], "a list of 1 value"),
        (torch.ones(2), "a single tensor"),
        (3, "one value of type int"),
    ],
)
def test_what_a_file_without_weights_holds_is_told(
    tmp_path: Path, content: object, what: str
) -> None:
    with pytest.raises(UsageError, match=f"holds no state_dict, but .*{what}"):
        load_into(module(), saved(tmp_path / "w.pt", content))


def test_a_pickle_that_carries_code_is_refused_and_not_run(tmp_path: Path) -> None:
    for content in (_Bomb(), {"w": _Bomb()}, module(), {"model": module()}):
        with pytest.raises(UsageError, match="carries code") as caught:
            load_into(module(), saved(tmp_path / "w.pt", content))
        assert "state_dict" in caught.value.hint
    plain = tmp_path / "plain.pt"
    plain.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(UsageError):
        load_into(module(), plain)


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
            load_into(module(), damaged)


def test_files_that_are_missing_or_of_another_type_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read"):
        load_into(module(), tmp_path / "none.pt")
    with pytest.raises(UsageError, match="is a folder"):
        load_into(module(), tmp_path)
    with pytest.raises(UsageError, match="no state_dict"):
        load_into(module(), saved(tmp_path / "list.pt", [1, 2]))


def test_a_checkpoint_that_contains_itself_is_refused(tmp_path: Path) -> None:
    endless: dict[str, object] = {}
    endless["model"] = endless
    with pytest.raises(UsageError, match="no state_dict"):
        load_into(module(), saved(tmp_path / "w.pt", endless))


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
    with pytest.raises(UsageError, match=r"1 key left over: module\.2\.weight"):
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
            load_into(module(), path)
