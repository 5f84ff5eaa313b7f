"""Any module is counted by what it runs, wherever its weights are, and is left as it was."""

from __future__ import annotations

import contextlib
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its usual name

from asymm_deploy.errors import UsageError
from asymm_deploy.models.build import build
from asymm_deploy.models.complexity import count, count_spec
from asymm_deploy.models.cost import LayerKind
from asymm_deploy.models.names import parse


class Functional(nn.Module):
    """Convolves without a convolution module."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.randn(6, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.filters, stride=2)


class TwoInputs(nn.Module):
    """Multiplies one input by the other, and the product by a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(5, 2)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        mixed: Tensor = self.mix(left @ right)
        return mixed


class Tied(nn.Module):
    """Uses one weight twice, as an autoencoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Linear(8, 3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(x)
        return y @ self.down.weight


class OwnInferenceMode(nn.Module):
    """Runs itself in inference mode, where torch hands over operators whole."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, padding="same")
        self.mix = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            y: Tensor = self.mix(self.conv(x).mean((2, 3)))
            return y


class FallsBack(nn.Module):
    """Tries a layer that fails on this input, inside another, and takes a second one instead."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = nn.Sequential(nn.ReLU(), nn.Linear(99, 2))
        self.instead = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        try:
            y: Tensor = self.tries(x)
        except RuntimeError:
            y = self.instead(x)
        return y @ torch.ones(2, 3)


class Touchy(nn.Module):
    """Has everything that a count could disturb: statistics, randomness, a counter, a hook."""

    count: Tensor
    replaced: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout()
        self.conv = nn.Conv2d(4, 4, 1)
        self.frozen = nn.BatchNorm2d(4).eval()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))

    def train(self, mode: bool = True) -> Touchy:
        raise AssertionError("overridden with an effect, as modules that merge weights do")

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        self.replaced = torch.ones(())
        F.batch_norm(x, self.norm.running_mean, self.norm.running_var, training=True)
        y: Tensor = self.frozen(self.conv(self.drop(self.norm(x)))) + torch.rand(())
        return y


@pytest.mark.parametrize(
    ("module", "shape", "kind", "madds", "params"),
    [
        (nn.Conv1d(4, 6, 3, padding=1), (2, 4, 10), "vanilla", 2 * 6 * 10 * 4 * 3, 78),
        (nn.Conv2d(4, 6, 3, bias=False), (1, 4, 9, 8), "vanilla", 6 * 7 * 6 * 4 * 9, 216),
        (nn.Conv2d(4, 6, (1, 3)), (1, 4, 9, 8), "vanilla", 6 * 9 * 6 * 4 * 3, 78),
        (nn.Conv2d(4, 6, 3, dilation=2), (1, 4, 9, 8), "vanilla", 6 * 5 * 4 * 4 * 9, 222),
        (nn.Conv3d(2, 3, 3, padding=1), (1, 2, 4, 4, 4), "vanilla", 3 * 64 * 2 * 27, 165),
        (nn.Conv2d(4, 6, 1), (1, 4, 9, 8), "pointwise", 6 * 72 * 4, 30),
        (nn.Conv2d(8, 6, 1, groups=2), (1, 8, 9, 8), "pointwise", 6 * 72 * 4, 30),
        (nn.Conv2d(8, 6, 3, groups=2), (1, 8, 9, 8), "vanilla", 6 * 42 * 4 * 9, 222),
        (nn.Conv2d(8, 8, 3, groups=8), (1, 8, 9, 8), "depthwise", 8 * 42 * 9, 80),
        (nn.Conv2d(8, 16, 3, groups=8), (1, 8, 9, 8), "depthwise", 16 * 42 * 9, 160),
        (nn.Conv2d(1, 8, 3), (1, 1, 9, 8), "vanilla", 8 * 42 * 9, 80),
        (nn.ConvTranspose2d(4, 6, 3, 2), (1, 4, 5, 5), "vanilla", 4 * 25 * 6 * 9, 222),
        (nn.ConvTranspose1d(4, 4, 3, groups=4), (1, 4, 5), "depthwise", 4 * 5 * 3, 16),
        (nn.Linear(5, 7), (3, 5), "classifier", 3 * 5 * 7, 42),
        (nn.Linear(5, 7, bias=False), (2, 3, 5), "classifier", 6 * 5 * 7, 35),
        (Functional(), (1, 4, 9, 9), "vanilla", 6 * 16 * 4 * 9, 216),
        (nn.LSTM(4, 8), (5, 2, 4), "classifier", 5 * 2 * 32 * (4 + 8), 448),
        (nn.GRU(4, 8), (5, 2, 4), "classifier", 5 * 2 * 24 * (4 + 8), 336),
        (nn.RNN(4, 8), (5, 2, 4), "classifier", 5 * 2 * 8 * (4 + 8), 112),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_single_operator_costs_what_its_formula_says(
    module: nn.Module, shape: tuple[int, ...], kind: LayerKind, madds: int, params: int, device: str
) -> None:
    if device == "meta":
        module = module.to("meta")  # for good, so the run on the CPU comes first

    cost = count(module, torch.zeros(shape, device=device))

    assert cost.madds_by_kind()[kind] == cost.madds == madds
    assert sum(layer.params for layer in cost.layers) == cost.params == params
    assert cost.uncounted == ()


@pytest.mark.parametrize("training", [False, True])
def test_attention_counts_its_projections_and_both_products(training: bool) -> None:
    attention = nn.MultiheadAttention(8, 2).train(training)
    length, batch = 5, 2
    x = torch.randn(length, batch, 8)

    cost = count(attention, x, x, x)

    projections, products = 4 * length * batch * 8 * 8, 2 * batch * length * length * 8
    assert cost.madds == projections + products
    assert sum(layer.params for layer in cost.layers) == cost.params
    assert {layer.name for layer in cost.layers} == {"in_proj_weight", "out_proj", "matmul"}


def test_the_fast_path_of_a_transformer_hides_nothing() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=True).eval()
    torch.backends.mha.set_fastpath_enabled(True)  # its default

    cost = count(layer, torch.randn(2, 5, 8))

    assert cost.madds == 10 * (4 * 64 + 2 * 8 * 16) + 2 * 2 * 25 * 8
    assert cost.uncounted == ()
    assert torch.backends.mha.get_fastpath_enabled()


def test_several_inputs_and_products_of_activations_count() -> None:
    cost = count(TwoInputs(), torch.zeros(3, 4), torch.zeros(4, 5))

    assert [(layer.name, layer.operator) for layer in cost.layers] == [
        ("matmul", "matmul"),
        ("mix", "linear"),
    ]
    assert cost.madds == 3 * 4 * 5 + 3 * 5 * 2


def test_a_layer_that_fails_is_left_behind_where_the_module_goes_on_without_it() -> None:
    cost = count(FallsBack(), torch.zeros(1, 4))

    assert [(layer.name, layer.madds) for layer in cost.layers] == [("instead", 8), ("matmul", 6)]


def test_a_shared_weight_works_twice_and_counts_once() -> None:
    cost = count(Tied(), torch.zeros(1, 8))

    assert cost.madds == 2 * 8 * 3
    assert [layer.operator for layer in cost.layers] == ["linear", "linear"]
    assert [layer.params for layer in cost.layers] == [24, 0]
    assert cost.params == 24


def test_inference_mode_in_a_forward_hides_nothing() -> None:
    cost = count(OwnInferenceMode(), torch.zeros(1, 4, 6, 6))

    assert [(layer.name, layer.madds) for layer in cost.layers] == [
        ("conv", 8 * 36 * 4 * 9),
        ("mix", 40),
    ]


# torch warns of its own deprecated calls in both wrappers.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrapped_modules_count_as_what_they_wrap() -> None:
    x = torch.zeros(1, 4, 9, 9)
    plain = count(nn.Sequential(nn.Conv2d(4, 6, 3)), x)
    compiled = cast(nn.Module, torch.compile(nn.Sequential(nn.Conv2d(4, 6, 3))))
    traced: nn.Module = torch.jit.trace(  # type: ignore[no-untyped-call]
        nn.Sequential(nn.Conv2d(4, 6, 3)), x
    )
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 6, 3))

    assert count(compiled, x) == plain
    assert count(traced, x).madds == plain.madds
    assert count(normed, x).madds == plain.madds
    assert count(normed, x).layers[0].params == plain.params + 6  # a magnitude for each filter


def test_what_it_cannot_count_it_names() -> None:
    class Pairing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair = nn.Bilinear(4, 5, 6)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            z: Tensor = self.pair(x, y)
            return z

    cost = count(Pairing(), torch.zeros(2, 4), torch.zeros(2, 5))

    assert cost.uncounted == ("_trilinear in pair",)
    assert cost.params == 126


@pytest.mark.filterwarnings("ignore::UserWarning")  # that torch will drop them
def test_packed_weights_are_named_because_they_cannot_be_looked_into() -> None:
    quantised = torch.ao.nn.quantized.dynamic.Linear(4, 4)  # type: ignore[no-untyped-call]

    cost = count(nn.Sequential(quantised), torch.zeros(2, 4))

    assert cost.uncounted == ("linear_dynamic in 0",)


def test_lookups_norms_and_position_embeddings_cost_nothing_and_are_not_unknown() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 8)
            self.position = nn.Parameter(torch.zeros(1, 3, 8))
            self.norm = nn.LayerNorm((3, 8))

        def forward(self, x: Tensor) -> Tensor:
            position = F.interpolate(self.position, scale_factor=1.0)
            y: Tensor = self.norm(self.table(x.long()) + position + self.position)
            return y.softmax(-1)

    cost = count(Tokens(), torch.zeros(1, 3))

    assert (cost.layers, cost.uncounted) == ((), ())
    assert cost.params == 80 + 24 + 48


def test_running_statistics_are_no_parameters() -> None:
    assert count(nn.BatchNorm2d(4), torch.zeros(1, 4, 2, 2)).params == 8


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("enabled", [False, True])
def test_the_fast_path_is_left_as_it_was(enabled: bool, fails: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    try:
        with pytest.raises(UsageError) if fails else contextlib.nullcontext():
            count(nn.Linear(4, 2), torch.zeros(1, 5 if fails else 4))
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.parametrize("fails", [False, True])
def test_the_module_is_left_as_it_was(fails: bool) -> None:
    touchy = Touchy()
    seen: list[nn.Module] = []
    touchy.conv.register_forward_hook(lambda module, _, __: seen.append(module))
    hooks = len(touchy.conv._forward_hooks)
    state = {name: tensor.clone() for name, tensor in touchy.state_dict().items()}
    random = torch.get_rng_state()
    x = torch.randn(1, 2 if fails else 4, 3, 3, generator=torch.Generator().manual_seed(1))
    before = x.clone()

    if fails:
        with pytest.raises(UsageError, match="Touchy fails on inputs of shape 1,2,3,3"):
            count(touchy, x)
    else:
        count(touchy, x)

    assert [m.training for m in touchy.modules()] == [True, True, True, True, False]
    assert all(torch.equal(state[name], t) for name, t in touchy.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, before)
    assert all(parameter.grad is None for parameter in touchy.parameters())
    assert len(touchy.conv._forward_hooks) == hooks
    assert torch.is_grad_enabled()
    assert not nn.modules.module._global_forward_hooks
    assert not nn.modules.module._global_forward_pre_hooks


def test_a_lazy_module_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="weight of LazyLinear has no shape yet"):
        count(nn.LazyLinear(3), torch.zeros(1, 4))


def test_counting_without_memory_gives_what_counting_for_real_gives() -> None:
    for name in ("asymmnet_small_035", "mobilenetv2_035"):
        real = count(build(name), torch.zeros(1, 3, 224, 224))

        assert count_spec(parse(name)) == real


def test_layers_are_named_after_their_place() -> None:
    layers = {layer.name: layer for layer in count_spec(parse("asymmnet_small_100")).layers}

    depthwise = layers["blocks.3.depthwise.conv"]
    assert (depthwise.kind, depthwise.kernel, depthwise.stride) == ("depthwise", (5, 5), (2, 2))
    assert depthwise.groups == 96 + 24
    assert depthwise.output_shape == (1, 120, 14, 14)
    assert layers["blocks.3.se.reduce"].kind == "pointwise"
    assert layers["classifier"].params == 1000 * 1280 + 1000
