"""What the timed loop needs of an engine; mnn and onnxruntime each are one."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from asymm_deploy.export.tensors import TensorSpec

Array = npt.NDArray[np.generic]


class Session(Protocol):
    """A loaded model, ready to run on the CPU."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs in the engine's order, with the shapes that will run."""
        ...

    @property
    def precision(self) -> str:
        """In force, as far as the engine tells: fp32, fp16 or a word of its own."""
        ...

    @property
    def threads(self) -> int:
        """In force."""
        ...

    def feed(self, arrays: dict[str, Array]) -> None:
        """Set what every following run copies in: an array for each input, of its shape."""
        ...

    def run(self) -> None:
        """Copy the input in, compute, copy the output out. This is what is timed."""
        ...

    def outputs(self) -> dict[str, Array]:
        """Return what the last run computed, by name."""
        ...
