"""Untrained networks get weights whose outputs depend on the input, the same for each seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from asymm_deploy import build
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.untrained import initialise, lacks_statistics, set_statistics
from asymm_deploy.models.blocks import SqueezeExcite

SPECS = (TensorSpec("input", (1, 3, 64, 64)),)


def network() -> nn.Module:
    return build("asymmnet_small_035").eval()


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 64, 5), nn.BatchNorm2d(64), nn.PReLU(64))


def variation(module: nn.Module) -> float:
    """How much outputs differ from input to input, as a share of their size."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        outputs = torch.cat(
            [module(torch.randn(1, 3, 64, 64, generator=generator)) for _ in range(4)]
        )
    return float(outputs.std(dim=0).mean() / outputs.abs().mean())


def test_a_seed_gives_the_same_weights_whatever_was_there_before() -> None:
    torch.manual_seed(1)
    first = plain()
    torch.manual_seed(2)
    second, third = plain(), plain()
    initialise(first, 5)
    initialise(second, 5)
    initialise(third, 6)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    assert not torch.equal(first.state_dict()["0.weight"], third.state_dict()["0.weight"])


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    initialise(plain(), 5)
    module = plain()
    torch.manual_seed(3)
    initialise(module, 5)
    assert torch.equal(torch.rand(1), expected)


def test_weights_have_the_spread_of_their_equation() -> None:
    module = plain()
    initialise(module, 0)
    weight, _bias, scales, shifts, slopes = (each.detach() for each in module.parameters())
    assert float(weight.std()) == pytest.approx((2 / (3 * 5 * 5)) ** 0.5, rel=0.05)
    assert float(weight.mean()) == pytest.approx(0.0, abs=0.01)
    assert 0.5 <= float(scales.min()) < 0.6 < 1.4 < float(scales.max()) <= 1.5
    assert 0.1 <= float(slopes.min()) < 0.2 < 0.4 < float(slopes.max()) <= 0.5
    assert float(shifts.std()) == pytest.approx(0.2, rel=0.3)


def test_statistics_are_lacking_only_where_no_layer_has_seen_a_batch() -> None:
    first, last = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    module = nn.Sequential(first, nn.Conv2d(3, 3, 1), last)
    assert lacks_statistics(module)
    last.get_buffer("running_mean")[1] = 0.5
    assert not lacks_statistics(module)
    last.get_buffer("running_mean")[1] = 0.0
    first.get_buffer("running_var")[0] = 2.0
    assert not lacks_statistics(module)


@pytest.mark.parametrize(
    "module", [nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)]
)
def test_what_keeps_no_statistics_lacks_none(module: nn.Module) -> None:
    assert not lacks_statistics(module)


def test_outputs_depend_on_the_input_only_once_statistics_are_set() -> None:
    module = network()
    initialise(module, 0)
    before = variation(module)
    set_statistics(module, SPECS, 0)
    assert not lacks_statistics(module)
    assert variation(module) > max(0.2, 3 * before)


def test_the_statistics_are_those_of_the_layers_input() -> None:
    seen: list[torch.Tensor] = []
    norm = nn.BatchNorm2d(3)
    norm.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0]))
    set_statistics(norm, SPECS, 0)
    (batch,) = seen
    across = (0, 2, 3)
    assert norm.get_buffer("running_mean").numpy() == pytest.approx(batch.mean(across), abs=1e-5)
    assert norm.get_buffer("running_var").numpy() == pytest.approx(batch.var(across), rel=1e-3)


def test_another_seed_gives_other_statistics() -> None:
    means = []
    for seed in (0, 0, 1):
        norm = nn.BatchNorm2d(3)
        set_statistics(norm, SPECS, seed)
        means.append(norm.get_buffer("running_mean"))
    assert torch.equal(means[0], means[1])
    assert not torch.equal(means[0], means[2])


def test_units_and_gates_of_squeeze_and_excite_are_alive_and_vary() -> None:
    gate = SqueezeExcite(8)
    initialise(gate, 0)
    with torch.no_grad():
        gate.reduce.weight.mul_(50)  # saturated: every gate would be 0 or 1
    specs = [TensorSpec("input", (1, 8, 16, 16))]
    set_statistics(gate, specs, 0)
    found: dict[nn.Module, torch.Tensor] = {}
    for layer in (gate.reduce, gate.expand):
        layer.register_forward_hook(lambda layer, _i, output: found.update({layer: output}))
    # The batch that they are set from: the probes of the two seeds behind the one given.
    probes = [probe for seed in (1, 2) for probe in parity_probes(specs, seed)]
    with torch.no_grad():
        gate(torch.from_numpy(np.concatenate([probe.arrays["input"] for probe in probes])))
    across = (0, 2, 3)
    for layer, mean, deviation in ((gate.reduce, 0.5, 1.0), (gate.expand, 0.0, 0.5)):
        output = found[layer]
        assert output.mean(across).numpy() == pytest.approx(mean, abs=1e-3)
        assert float(output.std(across).max()) <= deviation + 1e-3
        assert float(output.std(across).min()) > 0.01


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_in_eval_mode_without_hooks_and_with_its_momentum(fails: bool) -> None:
    module = network()
    momenta = [m.momentum for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    if fails:
        with pytest.raises(RuntimeError):
            set_statistics(module, [TensorSpec("input", (1, 4, 64, 64))], 0)
    else:
        set_statistics(module, SPECS, 0)
    layers = list(module.modules())
    assert not any(layer.training for layer in layers)
    assert not any(layer._forward_hooks for layer in layers)
    assert [m.momentum for m in layers if isinstance(m, nn.BatchNorm2d)] == momenta
