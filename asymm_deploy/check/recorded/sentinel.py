"""A model that did not change: what its launches say about the machine's own change of speed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asymm_deploy.check.recorded.arm_refusals import LEAST_RECORDED_LAUNCHES
from asymm_deploy.check.recorded.recorded_arm import RecordedArm
from asymm_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Sentinel:
    """Launches of one unchanged file in both folders."""

    name: str
    before: RecordedArm
    after: RecordedArm

    @property
    def level(self) -> float:
        """Its log median in the baseline, to which its launches are related."""
        return float(np.median(self.before.logs))

    @property
    def note(self) -> str:
        """Say by how much it changed."""
        moved = 100 * math.expm1(float(np.median(self.after.logs)) - self.level)
        return (
            f"{self.name} changed by {moved:+.1f} %, which is subtracted from all other changes of "
            "latency, launch by launch."
        )

    def corrected(self, arm: RecordedArm) -> npt.NDArray[np.float64]:
        """Return a model's logs, each less what the sentinel's launch of the same turn shows.

        So they include the sentinel's own noise. A launch without such a partner is left out.
        """
        partners = (self.before if arm.name == self.before.name else self.after).by_launch
        return np.array(
            [
                log - partners[at] + self.level
                for at, log in arm.by_launch.items()
                if at in partners
            ],
            dtype=np.float64,
        )


def sentinel_named(
    name: str, before: Mapping[str, RecordedArm], after: Mapping[str, RecordedArm]
) -> Sentinel:
    """Return the sentinel; raise UsageError if its launches say too little about the machine."""
    for arm, found in (("baseline", before), ("candidate", after)):
        if name not in found or not found[name].counting:
            raise UsageError(
                f"--sentinel {name} has no launches that count in the {arm}",
                f"models there: {', '.join(found)}",
            )
        if len(found[name].counting) < LEAST_RECORDED_LAUNCHES:
            raise UsageError(
                f"--sentinel {name} has too few launches in the {arm} that count: "
                f"{len(found[name].counting)} of the {LEAST_RECORDED_LAUNCHES} that are needed",
                "bench it again together with the others, or name another",
            )
        if found[name].has_two_modes:
            raise UsageError(
                f"--sentinel {name} has launches that fall into two groups in the {arm}",
                "bench it again together with the others, or name another",
            )
    old, new = (found[name].launches[-1].artifact_sha256 for found in (before, after))
    if old != new:
        raise UsageError(
            f"--sentinel {name} is not the same file in the baseline and in the candidate",
            "name a model that did not change",
        )
    return Sentinel(name, before[name], after[name])
