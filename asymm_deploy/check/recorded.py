"""Two results folders, timed at different times: the weaker comparison, with what there is.

What has changed between the two benches besides the model (another neighbour, another kernel)
falls on the candidate alone. So it takes more than chance: Mann-Whitney's p below 0.002 over launch
medians, and a ratio above the threshold. With 0.002 a hundred unchanged models give one such p on
the slower side in ten comparisons, by chance alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags, stats, store, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import modes, trust
from asymm_deploy.check.folders import fits
from asymm_deploy.check.policy import ALPHA_ONCE, Policy
from asymm_deploy.check.records import UNITS, Change, Discarded, Metric, Verdict
from asymm_deploy.check.static import exact
from asymm_deploy.errors import ExitCode, UsageError

LEAST_LAUNCHES = 10
"""A side; the smallest p that 10 and 10 can give is 0.00001, that of 4 and 4 is 0.03."""
P = 0.002
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Choice:
    """Which results to compare; None leaves it open, where only one is there."""

    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    models: tuple[str, ...] = ()
    """Globs or parts of names."""
    allow: tuple[str, ...] = ()
    """Flags that leave a launch valid."""


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
class _Side:
    """One model's launches of one folder."""

    name: str
    """``baseline`` or ``candidate``."""
    launches: tuple[LaunchRecord, ...]
    allow: tuple[str, ...]

    @property
    def counting(self) -> list[LaunchRecord]:
        return [r for r in self.launches if r.error is None and flags.valid(r.flags, self.allow)]

    @property
    def logs(self) -> npt.NDArray[np.float64]:
        """Of launch medians."""
        medians: npt.NDArray[np.float64] = np.log(verdicts.launch_medians_ns(self.counting))
        return medians


def compare(
    baseline: Path, candidate: Path, choice: Choice, policy: Policy, sentinel: str | None
) -> Recorded:
    """Compare what both folders have of each model.

    ``sentinel`` names a model that did not change: its change is taken from all others'. Raises
    UsageError where the folders can't be compared, saying what differs.
    """
    before, after = _sides("baseline", baseline, choice), _sides("candidate", candidate, choice)
    chosen = [name for name in before if name in after and fits(name, choice.models)]
    for name in dict.fromkeys([*chosen, *([sentinel] if sentinel else [])]):
        if name in before and name in after:
            _refuse_other_circumstances(name, before[name], after[name])
            _refuse_too_few(name, before[name], after[name])
    drift, notes = _drift(sentinel, before, after)
    compared = [name for name in chosen if name != sentinel]
    changes = [
        change
        for name in compared
        for change in _changes(name, before[name], after[name], policy, drift)
    ]
    return Recorded(
        launch=next(iter((after or before).values())).launches[-1],
        changes=tuple(changes),
        discarded=tuple(d for name in compared for d in _discarded(before[name], after[name])),
        only_baseline=tuple(n for n in before if n not in after and fits(n, choice.models)),
        only_candidate=tuple(n for n in after if n not in before and fits(n, choice.models)),
        notes=notes,
    )


def _sides(side: str, path: Path, choice: Choice) -> dict[str, _Side]:
    """Return a folder's launches by model, those of the one setting that is chosen."""
    folder = path.parent if path.name == store.NAME else path
    records = store.load(folder)
    trust.refuse_impossible(records, folder / store.NAME)
    rows = [row for row in stats.latest_launches(records) if _chosen(row[-1], choice)]
    for option, what in (
        ("--device", _device),
        ("--precision", lambda record: record.precision),
        ("--threads", lambda record: str(record.threads)),
        (None, lambda record: record.engine),
    ):
        _refuse_mixed(folder, option, what, rows)
    found = {row[-1].model: _Side(side, tuple(row), choice.allow) for row in rows}
    if not found:
        raise UsageError(
            f"{folder} has no launches" + (" that were asked for" if records else ""),
            "give another folder, or other --device, --precision and --threads",
        )
    return found


def _device(record: LaunchRecord) -> str:
    return record.device


def _chosen(record: LaunchRecord, choice: Choice) -> bool:
    return (
        choice.device in (None, record.device)
        and choice.precision in (None, record.precision)
        and choice.threads in (None, record.threads)
    )


def _refuse_mixed(
    folder: Path,
    option: str | None,
    what: Callable[[LaunchRecord], str],
    rows: Sequence[Sequence[LaunchRecord]],
) -> None:
    values = list(dict.fromkeys(what(row[-1]) for row in rows))
    if len(values) > 1:
        raise UsageError(
            f"{folder} has results of several kinds: {', '.join(values)}",
            f"choose with {option} {values[0]}" if option else "bench them into separate folders",
        )


_MUST_AGREE: dict[str, Callable[[LaunchRecord], object]] = {
    "device": lambda r: r.device,
    "core": lambda r: "+".join(map(str, r.cpus)) or "none",
    "precision": lambda r: r.precision,
    "number of threads": lambda r: r.threads,
    "engine": lambda r: f"{r.engine} {r.engine_version}",
    "runner": lambda r: f"{r.runner} {r.runner_version}",
    "number of runs a launch": lambda r: r.runs,
    "input shape": lambda r: "x".join(map(str, r.input_shape or ())) or "unknown",
}


def _refuse_other_circumstances(model: str, before: _Side, after: _Side) -> None:
    for what, of in _MUST_AGREE.items():
        old, new = _values(of, before), _values(of, after)
        if old and new and old != new:
            raise UsageError(
                f"{model} can't be compared: the {what} is {' and '.join(old)} in the baseline "
                f"and {' and '.join(new)} in the candidate",
                "bench both alike; or compare the models live, with folders that export wrote",
            )


def _values(of: Callable[[LaunchRecord], object], side: _Side) -> list[str]:
    return sorted({str(of(record)) for record in side.launches if record.error is None})


def _refuse_too_few(model: str, before: _Side, after: _Side) -> None:
    for side in (before, after):
        count = len(side.launches)
        if count < LEAST_LAUNCHES and all(record.error is None for record in side.launches):
            raise UsageError(
                f"{model} has {count} launch{'es'[: 2 * (count != 1)]} in the {side.name}; "
                f"launches vary, and at least {LEAST_LAUNCHES} a side tell by how much",
                "bench it with --launches 10 or more; or compare the models live",
            )


def _drift(
    sentinel: str | None, before: Mapping[str, _Side], after: Mapping[str, _Side]
) -> tuple[float, tuple[str, ...]]:
    """Return by how much the sentinel's log median has changed, and what to say of it."""
    if sentinel is None:
        return 0.0, ()
    for side, found in (("baseline", before), ("candidate", after)):
        if sentinel not in found or not found[sentinel].counting:
            raise UsageError(
                f"--sentinel {sentinel} has no launches that count in the {side}",
                f"models there: {', '.join(found)}",
            )
    drift = float(np.median(after[sentinel].logs) - np.median(before[sentinel].logs))
    note = f"All changes are less that of {sentinel}, {100 * math.expm1(drift):+.1f} %."
    return drift, (note,)


def _discarded(*sides: _Side) -> list[Discarded]:
    return [
        Discarded(
            model=record.model,
            block=record.launch,
            reason=f"{side.name}, launch {record.launch}: {' '.join(record.flags)}",
        )
        for side in sides
        for record in side.launches
        if record not in side.counting
    ]


def _changes(model: str, before: _Side, after: _Side, policy: Policy, drift: float) -> list[Change]:
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
        if len(side.counting) < LEAST_LAUNCHES:
            why = (
                f"Only {len(side.counting)} of the {side.name}'s {len(side.launches)} launches "
                f"count, and {LEAST_LAUNCHES} are needed."
            )
            return [_undecided(model, "unstable", why, ExitCode.UNSTABLE)]
    if any(
        modes.has_two_modes(verdicts.launch_medians_ns(s.counting).tolist())
        for s in (before, after)
    ):
        why = "Its launches fall into two groups, 5 % apart or more."
        return [_undecided(model, "unstable", why, ExitCode.UNSTABLE)]
    return [_latency(model, before, after, policy, drift), *_others(model, before, after, policy)]


def _gravest(side: _Side) -> str:
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


def _latency(model: str, before: _Side, after: _Side, policy: Policy, drift: float) -> Change:
    baseline_ms = math.exp(float(np.median(before.logs))) / _NS_PER_MS
    allowed = policy.latency_threshold(baseline_ms)
    return _tested(model, "latency", before.logs, after.logs - drift, allowed, _NS_PER_MS)


def _others(model: str, before: _Side, after: _Side, policy: Policy) -> list[Change]:
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
            found.append(_tested(model, metric, np.log(a), np.log(b), share, unit))
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
