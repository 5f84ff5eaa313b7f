"""Two results folders, timed at different times: the weaker comparison, with what there is.

What has changed between the two benches besides the model (another neighbour, another kernel)
falls on the candidate alone. So it takes more than chance: Mann-Whitney's p below 0.002 over launch
medians, and a ratio above the threshold. With 0.002 a hundred unchanged models give one such p on
the slower side in ten comparisons, by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import modes
from asymm_deploy.check.findings import UNITS, Change, Discarded, Metric, Verdict
from asymm_deploy.check.folders import fits, require_fitting
from asymm_deploy.check.policy import ALPHA_ONCE, Policy
from asymm_deploy.check.recorded.arms import (
    LEAST_LAUNCHES,
    Choice,
    Side,
    discarded,
    refuse_other_circumstances,
    refuse_several_shapes,
    refuse_too_few,
    remarks,
    sides,
)
from asymm_deploy.check.static import UNDECIDED, exact
from asymm_deploy.errors import ExitCode, UsageError

P = 0.002
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Recorded:
    """What came of it."""

    launch: LaunchRecord
    """One of the candidate's, for its circumstances."""
    changes: tuple[Change, ...]
    discarded: tuple[Discarded, ...]
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sentinel:
    """A model that did not change: what its launches say of the machine's speed."""

    name: str
    before: Side
    after: Side

    @property
    def level(self) -> float:
        """Log median in the baseline, which its launches are related to."""
        return float(np.median(self.before.logs))

    @property
    def note(self) -> str:
        moved = 100 * math.expm1(float(np.median(self.after.logs)) - self.level)
        return (
            f"All changes of latency are less that of {self.name}, launch by launch; it was "
            f"{moved:+.1f} %."
        )

    def without(self, side: Side) -> npt.NDArray[np.float64]:
        """Return a model's logs, each less what the sentinel's launch of its turn shows.

        So the sentinel's own noise is in them too. A launch without such a partner is left out.
        """
        beside = (self.before if side.name == self.before.name else self.after).by_launch
        return np.array(
            [log - beside[at] + self.level for at, log in side.by_launch.items() if at in beside],
            dtype=np.float64,
        )


def compare(
    baseline: Path, candidate: Path, choice: Choice, policy: Policy, sentinel: str | None
) -> Recorded:
    """Compare what both folders have of each model.

    ``sentinel`` names a model whose file did not change: its change is taken from all others'.
    Raises UsageError where the folders can't be compared, saying what differs.
    """
    before, after = sides("baseline", baseline, choice), sides("candidate", candidate, choice)
    require_fitting({*before, *after}, choice.models)
    chosen = [name for name in before if name in after and fits(name, choice.models)]
    used = [
        name
        for name in dict.fromkeys([*chosen, *([sentinel] if sentinel else [])])
        if name in before and name in after
    ]
    for name in used:
        refuse_several_shapes(name, before[name], after[name])
        refuse_other_circumstances(name, before[name], after[name])
        refuse_too_few(name, before[name], after[name])
    steady = None if sentinel is None else _sentinel(sentinel, before, after)
    changes = [
        change
        for name in used
        if name != sentinel
        for change in _changes(name, before[name], after[name], policy, steady)
    ]
    return Recorded(
        launch=next(iter((after or before).values())).launches[-1],
        changes=tuple(changes),
        discarded=tuple(d for name in used for d in discarded(before[name], after[name])),
        only_baseline=tuple(n for n in before if n not in after and fits(n, choice.models)),
        only_candidate=tuple(n for n in after if n not in before and fits(n, choice.models)),
        notes=(
            *([] if steady is None else [steady.note]),
            *(note for name in used for note in remarks(name, before[name], after[name])),
        ),
    )


def _sentinel(name: str, before: Mapping[str, Side], after: Mapping[str, Side]) -> _Sentinel:
    """Return the sentinel; raise UsageError where its launches say too little of the machine."""
    for side, found in (("baseline", before), ("candidate", after)):
        if name not in found or not found[name].counting:
            raise UsageError(
                f"--sentinel {name} has no launches that count in the {side}",
                f"models there: {', '.join(found)}",
            )
        if len(found[name].counting) < LEAST_LAUNCHES:
            raise UsageError(
                f"--sentinel {name} has {len(found[name].counting)} launches that count in the "
                f"{side}, and {LEAST_LAUNCHES} are needed",
                "bench it again together with the others, or name another",
            )
        if _has_two_modes(found[name]):
            raise UsageError(
                f"--sentinel {name} has launches that fall into two groups in the {side}",
                "bench it again together with the others, or name another",
            )
    steady = _Sentinel(name, before[name], after[name])
    old, new = (side.launches[-1].artifact_sha256 for side in (steady.before, steady.after))
    if old != new:
        raise UsageError(
            f"--sentinel {name} is another file in the candidate than in the baseline",
            "name a model that did not change",
        )
    return steady


def _changes(
    model: str, before: Side, after: Side, policy: Policy, steady: _Sentinel | None
) -> list[Change]:
    for side in (before, after):
        failed = next((r for r in side.launches if r.error is not None), None)
        code = flags.exit_code(
            {name for record in side.launches for name in record.flags},
            side.allow,
            ExitCode.HARNESS if failed is None else ExitCode(failed.exit_code),
        )
        if code not in (ExitCode.OK, ExitCode.UNSTABLE):
            said = failed.error if failed is not None else _gravest(side)
            return [_undecided(model, "failed", f"The {side.name} failed: {said}", code)]
        count = len(side.logs if steady is None else steady.without(side))
        if count < LEAST_LAUNCHES:
            beside = "" if steady is None else f" beside one of {steady.name}"
            why = (
                f"Only {count} of the {side.name}'s {len(side.launches)} launches count{beside}, "
                f"and {LEAST_LAUNCHES} are needed."
            )
            return [_undecided(model, "unstable", why, ExitCode.UNSTABLE)]
    if any(map(_has_two_modes, (before, after))):
        why = "Its launches fall into two groups, 5 % apart or more."
        return [_undecided(model, "unstable", why, ExitCode.UNSTABLE)]
    return [_latency(model, before, after, policy, steady), *_others(model, before, after, policy)]


def _has_two_modes(side: Side) -> bool:
    medians = verdicts.launch_medians_ns(side.counting).tolist()
    return modes.has_two_modes(medians, least_launches=modes.FEW_LAUNCHES)


def _gravest(side: Side) -> str:
    names = flags.ordered(name for record in side.launches for name in record.flags)
    return next(flags.FLAGS[name].meaning for name in names if name not in side.allow)


def _undecided(model: str, verdict: Verdict, why: str, code: ExitCode) -> Change:
    return Change(
        model=model,
        metric="latency",
        unit="ms",
        baseline=None,
        candidate=None,
        change_percent=None,
        low_percent=None,
        high_percent=None,
        threshold_percent=None,
        verdict=verdict,
        why=why,
        exit_code=code,
    )


def _latency(
    model: str, before: Side, after: Side, policy: Policy, steady: _Sentinel | None
) -> Change:
    old, new = (side.logs if steady is None else steady.without(side) for side in (before, after))
    allowed = policy.latency_threshold(math.exp(float(np.median(old))) / _NS_PER_MS)
    return _tested(model, "latency", old, new, allowed, _NS_PER_MS)


def _others(model: str, before: Side, after: Side, policy: Policy) -> list[Change]:
    old, new = before.counting[-1], after.counting[-1]
    counts: tuple[tuple[Metric, int | None, int | None], ...] = (
        ("madds", old.madds, new.madds),
        ("params", old.params, new.params),
    )
    found = [
        exact(model, metric, a, b, policy.thresholds[metric])
        for metric, a, b in counts
        if a is not None and b is not None
    ]
    varying: tuple[tuple[Metric, Callable[[LaunchRecord], float | None], float], ...] = (
        ("init", lambda r: r.init_ns, _NS_PER_MS),
        ("peak_memory", lambda r: r.peak_memory_mb, 1.0),
    )
    for metric, of, unit in varying:
        a = [value for value in map(of, before.counting) if value]
        b = [value for value in map(of, after.counting) if value]
        if min(len(a), len(b)) >= LEAST_LAUNCHES:
            share = policy.thresholds[metric] / 100
            change = _tested(model, metric, np.log(a), np.log(b), share, unit)
            if change.verdict == "inconclusive":  # as live: nobody can act on that a disk was slow
                why = f"{change.why} {UNDECIDED}"
                change = msgspec.structs.replace(change, verdict="pass", why=why)
            found.append(change)
    return found


def _tested(
    model: str,
    metric: Metric,
    before: npt.NDArray[np.float64],
    after: npt.NDArray[np.float64],
    allowed: float,
    unit: float,
) -> Change:
    """Return the change of medians of logs, and Mann-Whitney's verdict on it."""
    from scipy.stats import mannwhitneyu

    step = float(np.median(after) - np.median(before))
    bound = math.log1p(allowed)
    chance = float(mannwhitneyu(before, after).pvalue)
    # Not seen to be slower is no proof: to pass, it has to be seen to be below the threshold.
    below = float(mannwhitneyu(after - bound, before, alternative="less").pvalue) < ALPHA_ONCE
    verdict: Verdict = "inconclusive"
    if chance < P and step > bound:
        verdict = "regressed"
    elif chance < P and step < -bound:
        verdict = "improved"
    elif below:
        verdict = "pass"
    percent, least = 100 * math.expm1(step), min(len(before), len(after))
    return Change(
        model=model,
        metric=metric,
        unit=UNITS[metric],
        baseline=math.exp(float(np.median(before))) / unit,
        candidate=math.exp(float(np.median(after))) / unit,
        change_percent=percent,
        low_percent=None,
        high_percent=None,
        threshold_percent=100 * allowed,
        verdict=verdict,
        why=_why(verdict, percent, 100 * allowed, chance, least),
        blocks=least,
    )


def _why(verdict: Verdict, percent: float, allowed: float, chance: float, least: int) -> str:
    seen = f"{percent:+.1f} % over {least} launches a side, p = {chance:.2g}"
    if verdict == "inconclusive":
        return (
            f"{seen}: launches differ too much to tell it from {allowed:.3g} %, which is allowed."
        )
    return f"{seen}; {allowed:.3g} % more is allowed."
