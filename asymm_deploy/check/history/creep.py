"""Results of many commits -> from which one on a model is slower: what no pair of commits shows.

A file of launches is one point of each model's history. Its commit is read from its name:
``2026-11-23-1a2b3c4.jsonl`` is of commit 1a2b3c4, any other name stands for itself, and
``NAME/runs.jsonl`` is called NAME. The order is that in which the files are given, which a shell
sorts by name; so names should begin with a date or a number.

The logarithms of the points are split into levels (``levels.py``). The latest one is compared with
the lowest before it, not with the first: what came back after a gain alarms as well. A level has
lasted three commits, or it is none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import filterfalse, pairwise
from pathlib import Path

import numpy as np

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import rows, verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import plausibility
from asymm_deploy.check.findings import Change, Discarded, Report, Verdict
from asymm_deploy.check.folders import fits, require_fitting
from asymm_deploy.check.history.change_points import Signal, blind, boundaries, least_points
from asymm_deploy.check.policy import Policy
from asymm_deploy.check.recorded.arms import Launched, identity, is_valid, left_out, retried
from asymm_deploy.errors import UsageError
from asymm_deploy.safe import one_line

MOST_POINTS = 500
"""The latest are kept; the permutations of more take minutes."""
SIGNIFICANCE = 0.01
"""Over all models together: one false alarm in a hundred looks."""
_MOST_NAMED = 5
_SAME = 1e-9
"""Less than the clock's nanosecond in a second: points that differ by rounding alone."""
_NS_PER_MS = 1e6
_PERCENT = 100
_COMMIT = re.compile(r"(?:^|[-_.])([0-9a-f]{7,40})$")


@dataclass(frozen=True, slots=True)
class Point:
    """One commit's launches of one model; at least one, of whichever kind."""

    commit: str
    launches: tuple[LaunchRecord, ...]
    """Finished and valid ones."""
    discarded: tuple[LaunchRecord, ...]
    """The others, those that bench did again among them."""
    left_out: int = 0
    """Launches of other files or plans, before those."""

    @property
    def record(self) -> LaunchRecord:
        """One of them, for what they have in common."""
        return (self.launches or self.discarded)[0]

    @property
    def latency_ms(self) -> float:
        """The median of the launches' medians."""
        return float(np.median(verdicts.launch_medians_ns(self.launches))) / _NS_PER_MS

    @property
    def started_at(self) -> str:
        """Of the first launch."""
        return min(record.started_at for record in self.launches)


def judged(
    files: Sequence[Path],
    policy: Policy,
    *,
    models: Sequence[str] = (),
    allow: Sequence[str] = (),
    inconclusive_fails: bool = True,
) -> Report:
    """Return for each model whether its latest level is above an earlier one, and since when.

    ``models`` are globs or parts of names, none is all; ``allow`` names flags that spoil no launch.
    Raises UsageError for files that can't be read, that name a commit twice, or whose launches
    can't have been measured or were made under different circumstances (it says which).
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    given = _distinct(files)
    kept = given[-MOST_POINTS:]
    every, repeated = _points(kept, allow)
    require_fitting({point.record.model for point in every}, models)
    points = [point for point in every if fits(point.record.model, models)]
    counting = [point for point in points if point.launches]
    if not counting:
        raise UsageError(
            "there is no valid launch in these files",
            "give files that bench wrote, all finished",
        )
    commits = [commit for commit, _ in kept]
    series = _named(points)
    for of_one in series.values():
        _refuse_other_circumstances([point for point in of_one if point.launches])
    # Of all models, those too that are not judged: which these are may depend on the launches.
    significance = SIGNIFICANCE / len(series)
    return Report(
        mode="recorded",
        device=", ".join(sorted({point.record.device for point in points})),
        circumstances=_circumstances(counting[0], len(kept), policy.thresholds["latency"]),
        baseline=commits[0],
        candidate=commits[-1],
        changes=tuple(
            _change(name, of_one, commits, policy, significance) for name, of_one in series.items()
        ),
        discarded=tuple(_discarded(series)),
        notes=(*_notes(given, commits, series), *repeated),
        started_at=started_at,
        inconclusive_fails=inconclusive_fails,
    )


def commit_of(path: Path) -> str:
    """Return the commit that a file's name ends in; without one, the name itself."""
    name = path.resolve().parent.name if path.name == store.NAME else path.stem
    found = _COMMIT.search(name)
    return found[1] if found else one_line(name)


def _change(
    name: str,
    points: Sequence[Point],
    commits: Sequence[str],
    policy: Policy,
    significance: float,
) -> Change:
    counting = [point for point in points if point.launches]
    too_little = _too_little(counting, commits, least_points(significance))
    if too_little is not None:
        usual = policy.thresholds["latency"]
        return _row(name, "inconclusive", too_little, usual, len(counting))
    values = np.log([point.latency_ms for point in counting])
    starts = boundaries(values, significance)
    found = np.split(values, starts)
    begins = [counting[start].commit for start in (0, *starts)]
    means = [float(level.mean()) for level in found]
    lowest = int(np.argmin(means[:-1])) if starts else 0
    percent = _as_percent(means[-1] - means[lowest])
    threshold_percent = _PERCENT * policy.latency_threshold(math.exp(means[lowest]))
    verdict: Verdict = "pass"
    if percent > threshold_percent:
        verdict = "regressed"
    elif percent < -threshold_percent:
        verdict = "improved"
    said = [_steps(begins, means) if starts else "nothing stands out from the noise"]
    if len(found) > 2:
        said.append(f"{percent:+.1f} % against the lowest before, from commit {begins[lowest]} on")
    if verdict == "regressed":
        said.append(f"where that is wanted, give the files from commit {begins[-1]} on")
    unseen = blind(len(found[-1]), significance)
    said.append(f"a step in the last {unseen} commits can't be told from chance yet")
    some = f"{len(counting)} of " * (len(counting) < len(commits))
    return _row(
        name,
        verdict,
        f"Over {some}{len(commits)} commits: {'; '.join(said)}.",
        threshold_percent,
        len(counting),
        baseline=math.exp(means[lowest]),
        candidate=math.exp(means[-1]),
        percent=percent if starts else None,  # 0 would be a measurement
        interval=_interval(found[lowest], found[-1]) if starts else (None, None),
    )


def _steps(begins: Sequence[str], means: Sequence[float]) -> str:
    return ", ".join(
        f"{_as_percent(after - before):+.1f} % from commit {commit} on"
        for (before, after), commit in zip(pairwise(means), begins[1:], strict=True)
    )


def _too_little(counting: Sequence[Point], commits: Sequence[str], needed: int) -> str | None:
    """Return why a model can't be judged, and what to do; None if it can."""
    if not counting:
        return "None of its launches counts."
    first, last = counting[0].commit, counting[-1].commit
    if last != commits[-1]:
        return (
            f"Its last launches that count are of commit {last}, and the last commit is "
            f"{commits[-1]}: bench that again. If it is no longer benched like this, give the "
            f"files after {last}, or name other models by --models."
        )
    if len(counting) < needed:
        since = f" since commit {first}" * (first != commits[0])
        return (
            f"{needed} commits are needed to tell, and it has {len(counting)}{since}: add more, or "
            "give --inconclusive pass until then."
        )
    return None


def _row(
    name: str,
    verdict: Verdict,
    why: str,
    threshold_percent: float,
    commits: int,
    *,
    baseline: float | None = None,
    candidate: float | None = None,
    percent: float | None = None,
    interval: tuple[float | None, float | None] = (None, None),
) -> Change:
    return Change(
        model=name,
        metric="latency",
        unit="ms",
        baseline=baseline,
        candidate=candidate,
        change_percent=percent,
        low_percent=interval[0],
        high_percent=interval[1],
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=why,
        blocks=commits,
    )


def _interval(first: Signal, last: Signal) -> tuple[float, float]:
    """Return Welch's 95 % interval of the change between two levels, in percent."""
    from scipy import stats as scipy_stats

    if max(np.ptp(first), np.ptp(last)) < _SAME:
        low = high = _as_percent(float(last.mean() - first.mean()))
        return low, high
    interval = scipy_stats.ttest_ind(last, first, equal_var=False).confidence_interval(0.95)
    return _as_percent(float(interval.low)), _as_percent(float(interval.high))


def _as_percent(log_ratio: float) -> float:
    return _PERCENT * float(np.expm1(log_ratio))


def _distinct(files: Sequence[Path]) -> list[tuple[str, Path]]:
    if not files:
        raise UsageError("no file is given", "`--history results/*.jsonl`")
    paths = [path / store.NAME if path.is_dir() else path for path in files]
    given = [(commit_of(path), path) for path in paths]
    commits = [commit for commit, _ in given]
    for commit in commits:
        if commits.count(commit) > 1:
            twice = [str(path) for name, path in given if name == commit]
            raise UsageError(
                f"several files are of commit {commit}: {', '.join(twice[:3])}",
                "give one file a commit, named DATE-COMMIT.jsonl",
            )
    return given


def _points(
    files: Sequence[tuple[str, Path]], allow: Sequence[str]
) -> tuple[list[Point], list[str]]:
    """Return the points of all files, and a sentence on those that repeat others' launches.

    A copy of a results folder that was benched further has the launches of the commit before it,
    too. They say nothing of this one, and count once.
    """
    points: list[Point] = []
    repeating: list[str] = []
    seen: set[Launched] = set()
    for commit, path in files:
        records = store.load_file(path)
        plausibility.refuse_impossible(records, path)
        new = [record for record in records if identity(record) not in seen]
        if len(new) < len(records):
            repeating.append(commit)
        seen.update(map(identity, new))
        points += _points_of(commit, new, allow)
    if not repeating:
        return points, []
    which = ", ".join(repeating[:_MOST_NAMED])
    more = f" and {len(repeating) - _MOST_NAMED} more" * (len(repeating) > _MOST_NAMED)
    return points, [
        "The very launches of earlier commits, which count there alone, are also in "
        f"{which}{more}: give each commit a bench of its own, with another --out."
    ]


def _points_of(
    commit: str, records: Sequence[LaunchRecord], allow: Sequence[str]
) -> Iterator[Point]:
    def counts(record: LaunchRecord) -> bool:
        return len(record.samples_ns) > 0 and is_valid(record, allow)

    of_rows: dict[tuple[object, ...], list[LaunchRecord]] = {}
    for record in records:
        of_rows.setdefault(rows.row_of(record), []).append(record)
    for of_row in of_rows.values():
        (launches,) = rows.latest_launches(of_row)
        again = retried(launches, of_row, allow)
        yield Point(
            commit,
            tuple(filter(counts, launches)),
            (*again, *filterfalse(counts, launches)),
            left_out(launches, of_row),
        )


def _named(points: Sequence[Point]) -> dict[str, list[Point]]:
    """Return the points of each history by its name.

    That is the model's, and behind it what tells it from others of that model, its input shape for
    example. A device is part of it only where several were timed for a commit: else another one is
    another circumstance, and no history of its own.
    """
    places: dict[str, set[str]] = {}
    for point in points:
        places.setdefault(point.commit, set()).add(point.record.device)
    several_devices = any(len(devices) > 1 for devices in places.values())
    kinds: dict[str, dict[tuple[str, ...], list[Point]]] = {}
    for point in points:
        kind = tuple(
            read(point.record)
            for setting, read in _SETTINGS.items()
            if setting != "device" or several_devices
        )
        kinds.setdefault(point.record.model, {}).setdefault(kind, []).append(point)
    named = {}
    for model, of_model in kinds.items():
        differ = [len(set(texts)) > 1 for texts in zip(*of_model, strict=True)]
        for kind, of_one in of_model.items():
            told = ", ".join(text for text, differs in zip(kind, differ, strict=True) if differs)
            named[f"{model} ({told})" if told else model] = of_one
    return named


_SETTINGS: dict[str, Callable[[LaunchRecord], str]] = {
    "input shape": lambda record: "x".join(map(str, record.input_shape or ("unknown shape",))),
    "device": lambda record: record.device,
    "engine": lambda record: record.engine,
    "precision": lambda record: record.precision,
    "threads": lambda record: f"{record.threads} thread{'s' * (record.threads != 1)}",
}
_CIRCUMSTANCES: dict[str, Callable[[Point], object]] = {
    "device": lambda point: point.record.device,
    "chip": lambda point: point.launches[0].device_facts.soc,
    "system": lambda point: point.launches[0].device_facts.os,
    "core": lambda point: "+".join(map(str, point.launches[0].cpus)) or "none",
    "engine": lambda point: point.launches[0].engine_version,
    "runner": lambda point: f"{point.launches[0].runner} {point.launches[0].runner_version}",
    "runs of a launch": lambda point: max(record.runs for record in point.launches),
    "warm-up": lambda point: point.launches[0].warmup,
}


def _refuse_other_circumstances(points: Sequence[Point]) -> None:
    for point in points[1:]:
        first = points[0]
        for name, read in _CIRCUMSTANCES.items():
            then, now = read(first), read(point)
            if then != now:
                model = first.record.model
                raise UsageError(
                    f"{model}: its {name} was {then} at {first.commit} and is {now} at "
                    f"{point.commit}: these can't be one history",
                    f"give the files from {point.commit} on, or those before it",
                )


def _circumstances(point: Point, files: int, threshold_percent: float) -> tuple[str, ...]:
    found = ", ".join(f"{name} {read(point)}" for name, read in _CIRCUMSTANCES.items())
    return (
        f"history of {files} commits; {found}",
        f"threshold {threshold_percent:g} %, significance {SIGNIFICANCE:g} over all models",
    )


def _discarded(series: dict[str, list[Point]]) -> Iterator[Discarded]:
    for name, points in series.items():
        for point in points:
            for record in point.discarded:
                what = " ".join(record.flags) or "no result"
                yield Discarded(
                    model=name,
                    block=record.launch,
                    reason=f"commit {point.commit}, launch {record.launch}: {what}",
                )


def _notes(
    given: Sequence[tuple[str, Path]], commits: Sequence[str], series: dict[str, list[Point]]
) -> Iterator[str]:
    if len(given) > MOST_POINTS:
        yield f"Of {len(given)} files the last {MOST_POINTS} are used."
    longest = max(series.values(), key=len)
    times = [point.started_at for point in longest if point.launches]
    if times != sorted(times):
        yield (
            "The files are not in the order of their launches; the order given counts. Begin their "
            "names with a date."
        )
    counting = {point.commit for of_one in series.values() for point in of_one if point.launches}
    spoilt: dict[str, list[str]] = {commit: [] for commit in commits}
    for name, of_one in series.items():
        for point in of_one:
            if not point.launches:
                spoilt[point.commit].append(name)
    for name, of_one in series.items():
        left_out = sum(point.left_out for point in of_one)
        if left_out:
            yield (
                f"{name}: {left_out} launches of other files or plans are left out: of each commit "
                "what was measured last counts."
            )
    for commit, names in spoilt.items():
        if commit not in counting:
            yield f"Commit {commit}: no launch counts."
        elif names:
            yield f"Commit {commit}: no launch of {', '.join(names)} counts."
