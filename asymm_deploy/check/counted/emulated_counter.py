"""An emulator as the exact gate's counter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_models
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.records import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedCounter:
    """See ``ModelCounter``. Counts don't depend on what else runs, so ``jobs`` run at a time."""

    emulator: Emulator
    precision: Precision
    jobs: int

    @property
    def key(self) -> CostKey:
        """What all of its counts depend on."""
        return self.emulator.key()

    def count_all(
        self, artifacts: Sequence[Artifact], on_counted: Callable[[CostRecord], None]
    ) -> list[CostRecord]:
        """Return the counts of each, in their order; ``on_counted`` gets each as it is made."""
        return count_models(
            self.emulator,
            artifacts,
            CountPlan(precision=self.precision),
            jobs=self.jobs,
            on_counted=on_counted,
        )
