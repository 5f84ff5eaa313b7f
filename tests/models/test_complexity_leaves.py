"""A count leaves the module and torch as they were, and says in a line what it can't run."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  its usual name

from asymm_deploy.errors import UsageError
from asymm_deploy.models.complexity import count


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
    with pytest.raises(UsageError, match="weight of LazyLinear has no shape yet") as caught:
        count(nn.LazyLinear(3), torch.zeros(1, 4))
    assert caught.value.hint.startswith("run the lazy module once, ")


def test_inputs_that_do_not_fit_are_a_usage_error_with_shapes_and_cause_in_a_line() -> None:
    class Particular(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            raise ValueError(f"\nno {len(x)}\nand no {len(y)}")

    with pytest.raises(UsageError) as caught:
        count(Particular(), torch.zeros(1, 4), torch.zeros(2))
    assert caught.value.what == "Particular fails on inputs of shape 1,4; 2: ValueError: no 1"
    assert caught.value.hint.startswith("give the shapes that its forward takes, ")
