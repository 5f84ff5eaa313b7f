"""Our networks are timm's after one import: made, cut and used as timm's own, exported as ours."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from types import ModuleType

import pytest
import torch

from asymm_deploy.errors import UsageError
from asymm_deploy.images.preprocessing import IMAGENET
from asymm_deploy.models.build import build
from asymm_deploy.models.names import known, parse, table_models
from asymm_deploy.models.spec import with_classes

OURS = pytest.importorskip(
    "asymm_deploy.timm",
    reason="timm is not installed: pip install '.[train]'",
    exc_type=ImportError,
)
timm = importlib.import_module("timm")
IMAGE = torch.rand(2, 3, 64, 64)


def test_every_network_of_table_5_is_there_and_every_other_classifier() -> None:
    names = set(timm.list_models())
    assert set(table_models(5)) <= names
    assert {name for name in known() if parse(name).task is None} <= names
    assert not {name for name in known() if parse(name).task is not None} & names


@pytest.mark.parametrize("name", ["asymmnet_small_035", "mbv3_small_035"])
def test_its_keys_are_ours_so_that_export_takes_what_was_trained(name: str) -> None:
    made = timm.create_model(name, num_classes=10).eval()
    expected = build(with_classes(parse(name), 10)).eval()
    assert list(made.state_dict()) == list(expected.state_dict())
    expected.load_state_dict(made.state_dict())
    with torch.no_grad():
        assert torch.equal(made(IMAGE), expected(IMAGE))


def test_it_has_the_parts_that_timm_expects() -> None:
    made = timm.create_model("asymmnet_small_035", drop_rate=0.0).train()
    assert made.num_classes == 1000
    features = made.forward_features(IMAGE)
    assert features.shape == (2, made.num_features, 2, 2)
    assert made.forward_head(features, pre_logits=True).shape == (2, made.head_hidden_size)
    assert made.get_classifier() is made.classifier
    made.reset_classifier(3, "max")
    assert made(IMAGE).shape == (2, 3)
    made.reset_classifier(0)
    assert made(IMAGE).shape == (2, made.head_hidden_size)
    with pytest.raises(UsageError, match="global_pool 'catavgmax'"):
        made.reset_classifier(10, "catavgmax")


def test_gradients_with_less_memory_are_the_same() -> None:
    made = timm.create_model("mbv3_small_035", drop_rate=0.0).eval()
    found = []
    for enable in (False, True):
        made.zero_grad()
        made.set_grad_checkpointing(enable)
        made(IMAGE).sum().backward()
        found.append(made.stem.conv.weight.grad.clone())
    assert torch.allclose(*found)


def test_other_channels_and_dropout_are_taken() -> None:
    made = timm.create_model("asymmnet_small_035", in_chans=1, drop_rate=0.5, num_classes=0)
    assert made.dropout.p == 0.5
    assert made(IMAGE[:, :1]).shape == (2, 1280)
    assert timm.create_model("asymmnet_small_035").dropout.p == 0.2  # the authors'


def test_its_maps_are_taken_at_each_stride() -> None:
    made = timm.create_model("asymmnet_small_035", features_only=True)
    assert made.feature_info.reduction() == [2, 4, 8, 16, 32]
    sides = [maps.shape[-1] for maps in made(IMAGE)]
    assert sides == [32, 16, 8, 4, 2]
    assert made.feature_info.channels() == [maps.shape[1] for maps in made(IMAGE)]


def test_timm_preprocesses_as_the_authors_and_as_evaluate_do() -> None:
    config = timm.data.resolve_data_config({}, model=timm.create_model("asymmnet_large_035"))
    assert config["input_size"] == (3, 224, 224)
    assert [255 * value for value in config["mean"]] == pytest.approx(IMAGENET.mean)
    assert [255 * value for value in config["std"]] == pytest.approx(IMAGENET.std)
    assert (config["crop_pct"], config["interpolation"]) == (0.875, "bilinear")


def test_there_are_no_weights_to_fetch() -> None:
    with pytest.raises(RuntimeError, match="No pretrained weights exist for asymmnet_small_035"):
        timm.create_model("asymmnet_small_035", pretrained=True)


def test_other_widths_and_rates_are_registered_on_request() -> None:
    assert OURS.register("asymmnet_small_040_r2")
    assert OURS.register("asymmnet_small_040_r2")  # a second time changes nothing
    assert timm.create_model("asymmnet_small_040_r2", num_classes=2)(IMAGE).shape == (2, 2)
    with pytest.raises(UsageError, match="has no classes"):
        OURS.register("asymmnet_small_040_face")


def test_importing_it_again_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importlib.reload(OURS)


def test_a_name_that_another_package_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert timm.models.model_entrypoint("mobilenetv2_100").__module__.startswith("timm.")
    monkeypatch.setitem(sys.modules, "their_nets", ModuleType("their_nets"))

    def asymmnet_small_045() -> torch.nn.Module:
        return torch.nn.Identity()

    asymmnet_small_045.__module__ = "their_nets"
    timm.models.register_model(asymmnet_small_045)
    with pytest.warns(UserWarning, match="another asymmnet_small_045, of their_nets: it is kept"):
        assert not OURS.register("asymmnet_small_045")
    assert timm.models.model_entrypoint("asymmnet_small_045") is asymmnet_small_045


def test_without_timm_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['timm'] = None\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "import asymm_deploy.timm"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'asymm-deploy[train]'" in done.stderr
