"""A counter that keeps what it counts in a folder, and counts nothing twice.

The file is none of a ``cost`` in the same folder: it has two versions of each model, and reports of
the folder must take neither for what the model costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.cost_store import Costs, opened_costs
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.bench.records import Precision
from asymm_deploy.check.counted.model_counter import ModelCounter

CHECK_COUNTS = "counts.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCounter:
    """See ``ModelCounter``. Each record is on disk before the next model is waited for."""

    counter: ModelCounter
    folder: Path
    fresh: bool
    """Whether to count again what the folder has."""
    remark: Callable[[str], None]
    """Gets a line on what was kept or repaired."""

    @property
    def key(self) -> CostKey:
        """What all of its counts depend on."""
        return self.counter.key

    @property
    def precision(self) -> Precision:
        """That of the arithmetic it counts."""
        return self.counter.precision

    def count_all(
        self, artifacts: Sequence[Artifact], on_counted: Callable[[CostRecord], None]
    ) -> list[CostRecord]:
        """Return the counts of each, in their order, those that the folder has or new ones.

        Also raises UsageError if the folder can't be written or what it has is damaged, and
        HarnessError while another check counts into it.
        """
        with opened_costs(self.folder, self.remark, CHECK_COUNTS) as costs:
            known = {} if self.fresh else self._known(costs)
            wanted = [each for each in artifacts if _identity(each) not in known]
            if there := len(artifacts) - len(wanted):
                self.remark(
                    f"{there} of {len(artifacts)} were counted before (--fresh counts them again)"
                )

            def keep(record: CostRecord) -> None:
                costs.add(record)
                on_counted(record)

            kept = [known.get(_identity(each)) for each in artifacts]
            for record in kept:
                if record is not None:
                    on_counted(record)
            made = iter(self.counter.count_all(wanted, keep) if wanted else ())
            return [next(made) if record is None else record for record in kept]

    def _known(self, costs: Costs) -> dict[tuple[str, str, str | None], CostRecord]:
        return {
            (record.model, record.artifact_sha256, record.inputs_sha256): record
            for record in costs.records
            if record.key == self.key
            and record.precision == self.precision
            and record.counts is not None
        }


def _identity(of: Artifact) -> tuple[str, str, str | None]:
    return of.model, of.sha256, of.inputs_sha256
