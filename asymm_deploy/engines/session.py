"""What every engine can do with a model; the classes in the files beside this one do it.

The sessions are kept small, since the runner times their ``run``. What one engine alone can do
(callbacks for each operator, say) is a method of its class, not of the protocol.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec


class Session(Protocol):
    """A loaded model, ready to run on the CPU.

    Creating one raises EngineError where the engine can't load the file.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs, in the engine's order. An axis without a fixed size is 0.

        The types are the engine's own: MNN keeps 64-bit integers and booleans as int32.
        """
        ...

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the model's outputs, in the engine's order."""
        ...

    @property
    def precision(self) -> str:
        """Precision in force, as far as the engine tells: fp32, fp16, or the engine's own word."""
        ...

    @property
    def threads(self) -> int:
        """Number of threads in force."""
        ...

    def feed(self, arrays: Mapping[str, Array]) -> None:
        """Set the values that every following run starts from.

        ``arrays`` has one array for each input, of its shape; others are ignored. Arrays are
        converted to the engine's types and copied, so the caller may change them afterwards.
        Raises EngineError for a missing array, a wrong shape, or an integer that doesn't fit.
        """
        ...

    def run(self) -> None:
        """Copy the input in, compute, copy the output out. This is what the runner times.

        Engines reuse the input's memory, so it is written before every run. Raises EngineError.
        """
        ...

    def outputs(self) -> Arrays:
        """Return what the last run computed, by name. Later runs don't change it."""
        ...
