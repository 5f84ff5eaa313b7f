"""Whether a variant is faster or slower than the export, as far as the launches tell; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from asymm_deploy.report.variants.variant_facts import VariantFacts

SpeedVerdict: TypeAlias = Literal["faster", "slower", "no difference", "unknown"]

_LEAST_LAUNCHES = 4
"""Of which an interval is taken for one."""


@dataclass(frozen=True, slots=True)
class SpeedChange:
    """What is known of a variant's time, relative to the export's in fp32."""

    verdict: SpeedVerdict
    text: str
    """In words; empty if nothing was timed."""


UNTIMED = SpeedChange("unknown", "")


def speed_change(base: VariantFacts, variant: VariantFacts) -> SpeedChange:
    """Return how a variant's time compares with that of the export, in fp32 on the same device.

    By launches of both in turns in one process, if there are some; else by the 95 % intervals of
    both rows, which must not overlap. Launches that something spoilt claim nothing.
    """
    ours = variant.row
    if ours is not None and ours.latency_median_ms is None:
        return SpeedChange("unknown", f"it could not be timed: {ours.reason or ours.flags_text}")
    if ours is None or ours.latency_median_ms is None or base.row is None:
        return UNTIMED
    pair = variant.pair
    enough = pair is not None and pair.launches >= _LEAST_LAUNCHES
    if enough and pair is not None and pair.low is not None and pair.high is not None:
        return _of_ratio(pair.low, pair.high, "in turns with fp32")
    spoilt = next((facts for facts in (base, variant) if facts.row and not facts.row.valid), None)
    if spoilt is not None and spoilt.row is not None:
        whose = "fp32's" if spoilt is base else "its"
        why = " ".join(spoilt.row.flags)
        return SpeedChange("unknown", f"nothing is said of speed: {whose} launches are {why}")
    bounds = (ours.ci_low_ms, ours.ci_high_ms, base.row.ci_low_ms, base.row.ci_high_ms)
    low, high, base_low, base_high = bounds
    if low is None or high is None or base_low is None or base_high is None:
        return SpeedChange("unknown", "nothing is said of speed: one launch has no interval")
    return _of_ratio(low / base_high, high / base_low, "by launches apart")


def _of_ratio(low: float, high: float, how: str) -> SpeedChange:
    if low > 1:
        return SpeedChange("slower", f"{_range(low - 1, high - 1)} slower here, {how}")
    if high < 1:
        return SpeedChange("faster", f"{_range(1 - high, 1 - low)} faster here, {how}")
    return SpeedChange(
        "no difference",
        f"no difference of speed seen ({100 * (low - 1):+.1f} to {100 * (high - 1):+.1f} %, {how})",
    )


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f} %"
