"""The files of the paper's authors (github.com/Spark001/AsymmNet): their names, and ours.

Their PyTorch file has names of its own for the same layers. The names in their MXNet files depend
on the version of their code, but layers come in the order in which the network runs, as in ours.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

# fmt: off
_NAMES = (
    (r"^first_block\.0\.",                        r"stem.conv."),
    (r"^first_block\.1\.",                        r"stem.bn."),
    (r"^asymm_block\.(\d+)\.expand\.",            r"blocks.\1.expand."),
    (r"^asymm_block\.(\d+)\.dw_conv\.",           r"blocks.\1.depthwise."),
    (r"^asymm_block\.(\d+)\.se\.out\.0\.",        r"blocks.\1.se.reduce."),
    (r"^asymm_block\.(\d+)\.se\.out\.2\.",        r"blocks.\1.se.expand."),
    (r"^asymm_block\.(\d+)\.pw_conv_linear\.",    r"blocks.\1.project."),
    (r"^last_block\.0\.",                         r"last.conv."),
    (r"^last_block\.1\.",                         r"last.bn."),
    (r"^last_block\.4\.",                         r"head.conv."),
    (r"^output\.",                                r"classifier."),
)
# fmt: on
_ROLE = re.compile(r"[._](weight|gamma|bias|beta|(?:running|moving)_(?:mean|var))\Z")
_RANKS = {
    "weight": 0,
    "gamma": 0,
    "bias": 1,
    "beta": 1,
    "running_mean": 2,
    "moving_mean": 2,
    "running_var": 3,
    "moving_var": 3,
}
"""Of a layer's tensors, in PyTorch's order."""


def is_of_the_authors(names: Container[str]) -> bool:
    """Return whether a PyTorch file has their names, without any prefix."""
    return "first_block.0.weight" in names and "asymm_block.0.dw_conv.conv.weight" in names


def our_name(theirs: str) -> str:
    """Return our name of one of their tensors; another name is returned as it is."""
    for pattern, ours in _NAMES:
        theirs, changed = re.subn(pattern, ours, theirs, count=1)
        if changed:
            break
    return theirs


def by_position(
    arrays: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> dict[str, str] | None:
    """Return our name of each of MXNet's, layer by layer; None unless each shape agrees.

    A 1x1 convolution may stand for a linear layer: MXNet's classifier is one.
    """
    theirs = _by_layer(list(arrays))
    ours = [name for name in wanted if not name.endswith("num_batches_tracked")]
    if len(theirs) != len(ours):
        return None
    pairs = dict(zip(theirs, ours, strict=True))
    if any(_plain(arrays[a]) != _plain(wanted[b]) for a, b in pairs.items()):
        return None
    return pairs


def _by_layer(names: list[str]) -> list[str]:
    """Sort by layer, in the order of their first tensors, and within one as PyTorch does.

    Files of the Module API have all running statistics behind all weights.
    """
    layers = [_ROLE.sub("", name) for name in names]
    first = {layer: place for place, layer in reversed(list(enumerate(layers)))}
    return sorted(names, key=lambda name: (first[_ROLE.sub("", name)], _role(name)))


def _role(name: str) -> int:
    found = _ROLE.search(name)
    return _RANKS[found[1]] if found else 0


def _plain(tensor: torch.Tensor) -> tuple[int, ...]:
    """Return the shape without what a 1x1 convolution has more than a linear layer."""
    shape = tuple(tensor.shape)
    return shape[:2] if shape[2:] == (1, 1) else shape
