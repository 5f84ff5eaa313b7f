"""Weights for an untrained network that make a comparison of its outputs meaningful.

With torch's own initialisation, a network's outputs hardly depend on its input (by about a
millionth of their size): a converter could drop half of the layers, and the difference would pass
for rounding. With BatchNorm's statistics taken from data, as in a trained network, the signal
reaches the output.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.proof.user_module import UserModule

if TYPE_CHECKING:
    import torch

    from asymm_deploy.export.request import ExportRequest

_ROUNDS = 2
"""How many sets of probes the statistics are taken from."""

_PREDICTIONS = 0.375
"""Share of the variance-preserving scale that a detector's predictions get. Sizes of boxes are
exponentials of them: boxes a thousand times the image's size would drown all other outputs.
"""

_MOST_GAIN = 1.0
"""Largest factor on the weights of squeeze-and-excite: more would also amplify rounding."""


def initialise(module: torch.nn.Module, seed: int) -> None:
    """Replace the weights of ``module``'s layers by random ones that depend on ``seed`` alone.

    Convolutions and linear layers: normal, with He et al.'s variance (ICCV 2015, Eq. 10).
    BatchNorm: scales in [0.5, 1.5] and shifts of deviation 0.2, so that no two channels are alike
    and a mix-up shows; PReLU's slopes in [0.1, 0.5] likewise. What a block adds to its input has
    half that scale, or rounding would grow from block to block up to the tolerance.
    """
    import torch
    from torch import nn

    from asymm_deploy.models.blocks import Block
    from asymm_deploy.models.heads import Predictions

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                fan_in = layer.weight[0].numel()
                layer.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
                if layer.bias is not None:
                    layer.bias.normal_(0.0, 0.1, generator=generator)
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.normal_(0.0, 0.2, generator=generator)
            elif isinstance(layer, nn.PReLU):
                layer.weight.uniform_(0.1, 0.5, generator=generator)
        for block in module.modules():
            if isinstance(block, Block):
                for norm in block.last_norms():
                    norm.weight.mul_(0.5)
            elif isinstance(block, Predictions):
                block.predict.weight.mul_(_PREDICTIONS)


def lacks_statistics(module: torch.nn.Module) -> bool:
    """Return whether ``module`` has BatchNorm layers, none of which has ever seen a batch."""
    from torch.nn.parameter import is_lazy

    layers = _norms(module)
    return bool(layers) and all(
        layer.running_mean is not None
        and layer.running_var is not None
        and not is_lazy(layer.running_mean)
        and not layer.running_mean.any()
        and bool((layer.running_var == 1).all())
        for layer in layers
    )


def set_missing_statistics(
    request: ExportRequest, module: torch.nn.Module, specs: Sequence[TensorSpec]
) -> bool:
    """Set the statistics of a module without trained weights that has none; return whether so."""
    return (
        request.weights is None
        and lacks_statistics(module)
        and set_statistics(module, specs, request.seed)
    )


def set_statistics(module: torch.nn.Module, specs: Sequence[TensorSpec], seed: int) -> bool:
    """Set BatchNorm's running statistics from random inputs; return whether that was possible.

    The batch mixes inputs of different statistics, so that their differences survive pooling.
    Squeeze-and-excite has no BatchNorm: its two convolutions are rescaled instead, so that its
    units are alive and its gates differ from input to input. A module that takes no such batch gets
    the inputs one by one, in the shape that was asked for. One that fails on those too, or that
    comes to NaN, is left as it was. The module is left in eval mode.
    """
    norms = _norms(module)
    module.eval()
    user = UserModule(module, [spec.name for spec in specs])
    samples = _samples(specs, seed)
    as_found = _copies([*module.parameters(), *module.buffers()])
    with _learning(module, norms, rescale=True), contextlib.suppress(Exception):
        user.call(_stacked(specs, samples))
        if _all_finite(norms):
            return True
    _put_back(as_found)
    with _learning(module, norms, rescale=False):
        learned = [_learns_from(sample, user, norms) for sample in samples]
    if any(learned):
        return True
    _put_back(as_found)
    return False


@contextlib.contextmanager
def _learning(
    module: torch.nn.Module,
    norms: Sequence[torch.nn.modules.batchnorm._BatchNorm],
    *,
    rescale: bool,
) -> Iterator[None]:
    """Let ``norms`` take fresh statistics from what runs; ``rescale`` the gates on the way."""
    import torch

    from asymm_deploy.models.blocks import SqueezeExcite

    momenta = [layer.momentum for layer in norms]
    hooks = [
        layer.register_forward_hook(hook)
        for gate in module.modules()
        if rescale and isinstance(gate, SqueezeExcite)
        for layer, hook in ((gate.reduce, _alive), (gate.expand, _varied))
    ]
    for layer in norms:
        layer.reset_running_stats()
        layer.momentum = None  # the average over all batches, each as much as any other
        layer.train()
    try:
        with torch.no_grad():
            yield
    finally:
        for hook in hooks:
            hook.remove()
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        module.eval()


def _alive(layer: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    """Give each unit before the ReLU a mean of 0.5 and a deviation of at most 1 over the batch."""
    return _standardise(layer, output, mean=0.5, deviation=1.0)


def _varied(layer: torch.nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
    """Give each gate a deviation of at most 0.5 before the hard-sigmoid (linear from -3 to 3)."""
    return _standardise(layer, output, mean=0.0, deviation=0.5)


def _standardise(
    layer: torch.nn.Module, output: torch.Tensor, *, mean: float, deviation: float
) -> torch.Tensor:
    """Rescale a convolution's weights, channel by channel, and return its new output."""
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    across = (0, 2, 3)
    scale = (deviation / output.std(dim=across)).clamp_max(_MOST_GAIN)
    shift = mean - scale * output.mean(dim=across)
    weight.mul_(scale[:, None, None, None])
    bias.mul_(scale).add_(shift)
    return output * scale[:, None, None] + shift[:, None, None]


def _norms(module: torch.nn.Module) -> list[torch.nn.modules.batchnorm._BatchNorm]:
    from torch.nn.modules.batchnorm import _BatchNorm

    return [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


def _learns_from(
    sample: Arrays, user: UserModule, norms: Sequence[torch.nn.modules.batchnorm._BatchNorm]
) -> bool:
    """Run one sample; take back what ``norms`` learned where it fails or gives NaN."""
    before = _copies([value for layer in norms for value in layer.buffers()])
    with contextlib.suppress(Exception):
        user.call(user.tensors(sample))
        if _all_finite(norms):
            return True
    _put_back(before)
    return False


def _all_finite(norms: Sequence[torch.nn.modules.batchnorm._BatchNorm]) -> bool:
    return all(bool(value.isfinite().all()) for layer in norms for value in layer.buffers())


def _copies(tensors: Sequence[torch.Tensor]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    from torch.nn.parameter import is_lazy

    return [(tensor, tensor.detach().clone()) for tensor in tensors if not is_lazy(tensor)]


def _put_back(copies: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
    import torch

    with torch.no_grad():
        for tensor, before in copies:
            tensor.copy_(before)


def _samples(specs: Sequence[TensorSpec], seed: int) -> list[Arrays]:
    """Return the probes of other seeds."""
    return [
        probe.arrays
        for number in range(1, _ROUNDS + 1)
        for probe in parity_probes(specs, seed + number)
    ]


def _stacked(specs: Sequence[TensorSpec], samples: Sequence[Arrays]) -> list[torch.Tensor]:
    """Return one batch: the samples along the batch axis."""
    import torch

    batches = [
        torch.from_numpy(np.concatenate([sample[spec.name] for sample in samples]))
        for spec in specs
    ]
    # Twice as fast for depthwise convolutions in batches.
    return [b.contiguous(memory_format=torch.channels_last) if b.dim() == 4 else b for b in batches]
