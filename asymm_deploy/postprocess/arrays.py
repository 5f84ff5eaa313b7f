"""The check that every function of this room makes on the numbers that it gets."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.intp]


def finite(values: npt.ArrayLike, what: str, axes: tuple[str, ...] = ()) -> Floats:
    """Return ``values`` as float64 with the axes that are named, or any number if none is.

    Raises ValueError if the number of axes differs, or if a value is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    if axes and array.ndim != len(axes):
        raise ValueError(
            f"the {what} have {array.ndim} axes, of lengths {array.shape}, instead of "
            f"{len(axes)}: {', '.join(axes)}; add the axis that is missing, or index one away"
        )
    wrong = array.size - int(np.isfinite(array).sum())
    if wrong:
        raise ValueError(
            f"{wrong} of {array.size} numbers in the {what} are NaN or infinite; look for such "
            "numbers in the input and the weights, and try fp32 if the network ran in fp16"
        )
    return array
