"""What counts models, as the exact gate sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.bench.records import Precision


class ModelCounter(Protocol):
    """An emulator that is ready to count."""

    @property
    def key(self) -> CostKey:
        """What all of its counts depend on."""
        ...

    @property
    def precision(self) -> Precision:
        """That of the arithmetic it counts."""
        ...

    def count_all(
        self, artifacts: Sequence[Artifact], on_counted: Callable[[CostRecord], None]
    ) -> list[CostRecord]:
        """Return the counts of each, in their order; ``on_counted`` gets each as it is made.

        A model that can't be counted is a record that says why. Raises HarnessError if the emulator
        itself fails.
        """
        ...


class CountWatcher(Protocol):
    """Whoever shows people how the counting is going."""

    def remark(self, text: str) -> None:
        """Take a line to print."""
        ...

    def counting(self, models: int) -> AbstractContextManager[Callable[[str], None]]:
        """Surround the counting of so many; yield what is told each one's name."""
        ...


@dataclass(frozen=True, slots=True)
class CountedCheck:
    """That a comparison counts, and how."""

    alone: bool
    """Whether counts decide and nothing is timed; else they are a witness beside the latency."""
    make_counter: Callable[[], ModelCounter]
    """Raises HarnessError if there is no emulator."""
    watcher: CountWatcher
