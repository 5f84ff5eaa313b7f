"""``asymm-deploy export benchmarks.zoo_nets.modules:NAME``: every entry as a callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchmarks.zoo_nets.entry import Entry
from benchmarks.zoo_nets.plain import PLAIN
from benchmarks.zoo_nets.published import TIMM, TORCHVISION, ULTRALYTICS
from benchmarks.zoo_nets.transformer_nets import TRANSFORMERS

if TYPE_CHECKING:
    from torch import nn

ENTRIES: dict[str, Entry] = {
    entry.name: entry for entry in (*PLAIN, *TRANSFORMERS, *TORCHVISION, *ULTRALYTICS, *TIMM)
}


def __getattr__(name: str) -> Callable[[], nn.Module]:
    if name not in ENTRIES:
        raise AttributeError(name)

    def build() -> nn.Module:
        import torch

        torch.manual_seed(0)
        return ENTRIES[name].build().eval()

    return build
