"""What goes into a graph and comes out of it: name, shape and type of each tensor."""

from __future__ import annotations

import msgspec


class TensorSpec(msgspec.Struct, frozen=True):
    """One input or output of a graph with fixed shapes; ``dtype`` is numpy's name for it."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
