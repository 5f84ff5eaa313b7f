"""Untrained networks get weights whose outputs depend on the input, the same for each seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

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
    specs = [TensorSpec("input", (1, 4, 64, 64))] if fails else SPECS
    assert set_statistics(module, specs, 0) is not fails
    layers = list(module.modules())
    assert not any(layer.training for layer in layers)
    assert not any(layer._forward_hooks for layer in layers)
    assert [m.momentum for m in layers if isinstance(m, nn.BatchNorm2d)] == momenta


def test_a_module_that_fails_keeps_its_weights_and_fresh_statistics() -> None:
    module = network()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    set_statistics(module, [TensorSpec("input", (1, 4, 64, 64))], 0)

    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert lacks_statistics(module)


class Normed(nn.Module):
    """BatchNorm on the first input; what the function makes of it and the others."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.function = function
        self.batches: list[int] = []

    def forward(self, x: Tensor, *others: Tensor) -> Any:
        self.batches.append(len(x))
        return self.function(self.norm(x), *others)


def only_batch_1(y: Tensor) -> Tensor:
    if len(y) != 1:
        raise ValueError("batch 1, please")
    return y


IMAGE = TensorSpec("x", (1, 3, 8, 8))


@pytest.mark.parametrize(
    ("function", "others"),
    [
        (only_batch_1, []),
        (lambda y: only_batch_1(y).reshape(1, -1), []),
        (lambda y, t: y * t, [TensorSpec("t", ())]),
        (lambda y, i: torch.ones(5)[i] * only_batch_1(y).sum(), [TensorSpec("i", (4,), "int64")]),
        (lambda y, m: torch.where(m, y.sum(), 0), [TensorSpec("m", (2, 2), "bool")]),
    ],
)
def test_what_takes_no_larger_batch_learns_sample_by_sample(
    function: Any, others: list[TensorSpec]
) -> None:
    module = Normed(function)

    assert set_statistics(module, [IMAGE, *others], 0)
    assert not lacks_statistics(module)
    assert all(bool(value.isfinite().all()) for value in module.buffers())


def test_samples_that_a_module_can_not_take_are_left_out_of_its_statistics() -> None:
    learned = Normed(lambda y: y)
    learned.register_forward_pre_hook(lambda _m, given: (given[0].log(),))  # NaN below zero

    assert set_statistics(learned, [IMAGE], 0)
    assert learned.norm.num_batches_tracked is not None
    assert 0 < int(learned.norm.num_batches_tracked) < 20
    assert all(bool(value.isfinite().all()) for value in learned.buffers())


def test_statistics_that_no_sample_can_give_stay_as_they_are() -> None:
    module = nn.Sequential(nn.BatchNorm1d(4))  # in training, it wants more than one value a channel
    never = nn.Sequential(*module, nn.Linear(5, 2))

    assert not set_statistics(never, [TensorSpec("x", (1, 4))], 0)
    assert lacks_statistics(never)
