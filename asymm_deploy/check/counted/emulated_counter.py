"""An emulator as the exact gate's counter: several models at a time, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.bench.records import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedCounter:
    """See ``ModelCounter``. Counts don't depend on what else runs, so ``jobs`` run at a time."""

    key: CostKey
    precision: Precision
    count: Callable[[Artifact], CostRecord]
    """Counts one model; called from several threads."""
    jobs: int

    def count_all(
        self, artifacts: Sequence[Artifact], on_counted: Callable[[str], None]
    ) -> list[CostRecord]:
        """Return the counts of each, in their order; what fails or Ctrl-C ends what is left."""
        pool = ThreadPoolExecutor(max(1, min(self.jobs, len(artifacts))))
        try:
            running = [pool.submit(self.count, artifact) for artifact in artifacts]
            records = []
            for artifact, each in zip(artifacts, running, strict=True):
                records.append(each.result())
                on_counted(artifact.model)
            return records
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
