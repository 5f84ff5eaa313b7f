"""What goes into a graph and comes out of it: name, shape and type, and the values."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]
"""The values of one tensor."""

Arrays: TypeAlias = dict[str, Array]
"""The values of several tensors, by name."""


class TensorSpec(msgspec.Struct, frozen=True):
    """One input or output of a graph with fixed shapes."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    """As numpy names it."""
