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

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags, stats, store, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import modes, trust
from asymm_deploy.check.folders import fits
from asymm_deploy.check.policy import ALPHA_ONCE, Policy
from asymm_deploy.check.records import UNITS, Change, Discarded, Metric, Verdict
from asymm_deploy.check.static import UNDECIDED, exact
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
    folder: Path
    shapes: tuple[str, ...]
    """Of the input; more than one can't be compared."""
    retried: tuple[LaunchRecord, ...]
    """Launches that bench did again, and that do not count."""
    left_out: int
    """Launches of other files than the one measured last."""

    def counts(self, record: LaunchRecord) -> bool:
        return record.error is None and flags.valid(record.flags, self.allow)

    @property
    def counting(self) -> list[LaunchRecord]:
        return [record for record in self.launches if self.counts(record)]

    @property
    def logs(self) -> npt.NDArray[np.float64]:
        """Of launch medians."""
        return np.array([*self.by_launch.values()], dtype=np.float64)

    @property
    def by_launch(self) -> dict[tuple[str, int], float]:
        """Logs of medians by plan and number: bench takes models in turns, launch by launch."""
        found = self.counting
        logs = np.log(verdicts.launch_medians_ns(found)).tolist()
        return dict(zip(((r.plan_id, r.launch) for r in found), logs, strict=True))


@dataclass(frozen=True, slots=True)
class _Sentinel:
    """A model that did not change: what its launches say of the machine's speed."""

    name: str
    before: _Side
    after: _Side

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

    def without(self, side: _Side) -> npt.NDArray[np.float64]:
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
    before, after = _sides("baseline", baseline, choice), _sides("candidate", candidate, choice)
    chosen = [name for name in before if name in after and fits(name, choice.models)]
    used = [
        name
        for name in dict.fromkeys([*chosen, *([sentinel] if sentinel else [])])
        if name in before and name in after
    ]
    for name in used:
        _refuse_several_shapes(name, before[name], after[name])
        _refuse_other_circumstances(name, before[name], after[name])
        _refuse_too_few(name, before[name], after[name])
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
        discarded=tuple(d for name in used for d in _discarded(before[name], after[name])),
        only_baseline=tuple(n for n in before if n not in after and fits(n, choice.models)),
        only_candidate=tuple(n for n in after if n not in before and fits(n, choice.models)),
        notes=(
            *([] if steady is None else [steady.note]),
            *(note for name in used for note in _left_out(name, before[name], after[name])),
        ),
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
    rows_of: dict[str, list[Sequence[LaunchRecord]]] = {}
    for row in rows:
        rows_of.setdefault(row[-1].model, []).append(row)
    records_of: dict[str, list[LaunchRecord]] = {model: [] for model in rows_of}
    for record in records:
        if _chosen(record, choice):
            records_of[record.model].append(record)
    found = {
        model: _Side(
            name=side,
            launches=tuple(mine[-1]),
            allow=choice.allow,
            folder=folder,
            shapes=tuple(_shape(row[-1]) for row in mine),
            retried=_retried(mine[-1], records_of[model], choice.allow),
            left_out=_of_other_files(mine[-1], records_of[model]),
        )
        for model, mine in rows_of.items()
    }
    if not found:
        raise UsageError(
            f"{folder} has no launches" + (" that were asked for" if records else ""),
            "give another folder, or other --device, --precision and --threads",
        )
    return found


def _retried(
    row: Sequence[LaunchRecord], records: Sequence[LaunchRecord], allow: Sequence[str]
) -> tuple[LaunchRecord, ...]:
    """Return the launches that do not count, and were done again: another process, later."""
    started = {(stats.circumstances(record), record.launch): record.started_at for record in row}
    return tuple(
        record
        for record in records
        if record.started_at
        != started.get((stats.circumstances(record), record.launch), record.started_at)
        and not (record.error is None and flags.valid(record.flags, allow))
    )


def _of_other_files(row: Sequence[LaunchRecord], records: Sequence[LaunchRecord]) -> int:
    others = {
        (stats.circumstances(record), record.launch)
        for record in records
        if record.artifact_sha256 not in ("", row[-1].artifact_sha256)
    }
    return len(others)


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


def _shape(record: LaunchRecord) -> str:
    return "x".join(map(str, record.input_shape or ())) or "unknown"


_MUST_AGREE: dict[str, Callable[[LaunchRecord], object]] = {
    "device": lambda r: r.device,
    "chip": lambda r: r.device_facts.soc or "unknown",
    "system": lambda r: r.device_facts.os,
    "core": lambda r: "+".join(map(str, r.cpus)) or "none",
    "precision": lambda r: r.precision,
    "number of threads": lambda r: r.threads,
    "engine": lambda r: f"{r.engine} {r.engine_version}",
    "runner": lambda r: f"{r.runner} {r.runner_version}",
    "number of runs a launch": lambda r: r.runs,
    "number of runs to warm up": lambda r: r.warmup,
    "input shape": _shape,
}


def _refuse_several_shapes(model: str, *sides: _Side) -> None:
    for side in sides:
        if len(side.shapes) > 1:
            raise UsageError(
                f"{side.folder} has {model} with several input shapes: {', '.join(side.shapes)}",
                "bench them into separate folders; or compare other models, with --models PATTERN",
            )


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


def _sentinel(name: str, before: Mapping[str, _Side], after: Mapping[str, _Side]) -> _Sentinel:
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


def _discarded(*sides: _Side) -> list[Discarded]:
    return [
        Discarded(
            model=record.model,
            block=record.launch,
            reason=f"{side.name}, launch {record.launch}: {' '.join(record.flags)}{then}",
        )
        for side in sides
        for records, then in ((side.retried, ", done again"), (side.launches, ""))
        for record in records
        if not side.counts(record)
    ]


def _left_out(model: str, *sides: _Side) -> list[str]:
    return [
        f"{side.left_out} launch{'es'[: 2 * (side.left_out != 1)]} of another file of {model} in "
        f"{side.folder} are left out: what was measured last counts."
        for side in sides
        if side.left_out
    ]


def _changes(
    model: str, before: _Side, after: _Side, policy: Policy, steady: _Sentinel | None
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


def _has_two_modes(side: _Side) -> bool:
    return modes.has_two_modes(verdicts.launch_medians_ns(side.counting).tolist())


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


def _latency(
    model: str, before: _Side, after: _Side, policy: Policy, steady: _Sentinel | None
) -> Change:
    old, new = (side.logs if steady is None else steady.without(side) for side in (before, after))
    allowed = policy.latency_threshold(math.exp(float(np.median(old))) / _NS_PER_MS)
    return _tested(model, "latency", old, new, allowed, _NS_PER_MS)


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
