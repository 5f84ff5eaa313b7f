"""Results of many commits -> from which one on a model is slower: what no pair of commits shows.

A file of launches is one point of each model's history. Its commit is read from its name:
``2026-11-23-1a2b3c4.jsonl`` is of commit 1a2b3c4, any other name stands for itself, and
``NAME/runs.jsonl`` is called NAME. The order is that in which the files are given, which a shell
sorts by name; so names should begin with a date or a number.

How it decides, as E-divisive does (Matteson and James 2014), with optimal partitioning in place of
a greedy search: PELT (Killick et al. 2012) splits the logarithms of the points into levels, at a
penalty that proposes too many rather than too few. Then the boundary that stands out least from the
points around it is dropped, until a permutation test confirms each one that is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags, stats, store, verdicts
from asymm_deploy.bench.records import SCHEMA_VERSION, LaunchRecord
from asymm_deploy.check.outputs.words import one_line
from asymm_deploy.check.records import Change, Report, Verdict
from asymm_deploy.errors import UsageError

LEAST_POINTS = 10
"""Fewer can't be told from chance: of 10 points, 252 ways to halve them, 2 are as far apart."""
MOST_POINTS = 500
"""The latest are kept; the permutations of more take minutes."""
SIGNIFICANCE = 0.01
"""Over all models together: one false alarm in a hundred looks."""
_LEAST_LEVEL = 3
"""Points of a level: one slow commit that the next one mends is no change."""
_SAME = 1e-9
"""Less than the clock's nanosecond in a second: points that differ by rounding alone."""
_RESAMPLES = 9_999
_NS_PER_MS = 1e6
_PERCENT = 100
_COMMIT = re.compile(r"(?:^|[-_.])([0-9a-f]{7,40})$")

Signal = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """One commit's launches of one model."""

    commit: str
    launches: tuple[LaunchRecord, ...]
    """Finished and valid ones; at least one."""

    @property
    def device(self) -> str:
        """Where they ran."""
        return self.launches[0].device

    @property
    def latency_ms(self) -> float:
        """The median of the launches' medians."""
        return float(np.median(verdicts.launch_medians_ns(self.launches))) / _NS_PER_MS

    @property
    def started_at(self) -> str:
        """Of the first launch."""
        return min(record.started_at for record in self.launches)


def judged(
    files: Sequence[Path], *, threshold_percent: float, inconclusive_fails: bool = True
) -> Report:
    """Return for each model whether its latest level is above its first one, and since when.

    Raises UsageError for files that can't be read, that name a commit twice, or whose launches were
    made under different circumstances (it says which).
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    given = _distinct(files)
    kept = given[-MOST_POINTS:]
    points = [point for commit, path in kept for point in _points(commit, path)]
    several_devices = any(
        len({point.device for point in points if point.commit == commit}) > 1 for commit, _ in kept
    )
    series: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        series.setdefault(_series_of(point, several_devices), []).append(point)
    if not series:
        raise UsageError(
            "there is no valid launch in these files", "give files that bench wrote, all finished"
        )
    for of_one in series.values():
        _refuse_other_circumstances(of_one)
    significance = SIGNIFICANCE / len(series)
    devices = {point.device for point in points}
    return Report(
        mode="recorded",
        device=", ".join(sorted(devices)),
        circumstances=_circumstances(points[0], len(kept), threshold_percent),
        baseline=kept[0][0],
        candidate=kept[-1][0],
        changes=tuple(
            _change(of_one, threshold_percent, significance, several_devices=several_devices)
            for of_one in series.values()
        ),
        notes=tuple(_notes(given, series)),
        started_at=started_at,
        inconclusive_fails=inconclusive_fails,
    )


def commit_of(path: Path) -> str:
    """Return the commit that a file's name ends in; without one, the name itself."""
    name = path.resolve().parent.name if path.name == store.NAME else path.stem
    found = _COMMIT.search(name)
    return found[1] if found else one_line(name)


def levels(values: Signal, significance: float) -> list[int]:
    """Return where new levels begin in ``values``, logarithms of latencies; none for one level.

    Each is confirmed: of random orders of the points around it, a share of less than
    ``significance`` has anywhere two levels as far apart.
    """
    noise = _noise(values)
    if len(values) < LEAST_POINTS or noise == 0.0:
        return []
    import ruptures

    search = ruptures.Pelt(model="l2", min_size=_LEAST_LEVEL, jump=1).fit(values)
    found = search.predict(pen=noise**2 * np.log(len(values)))[:-1]
    while found:
        edges = [0, *found, len(values)]
        doubts = [
            _p_value(values[edges[i] : edges[i + 2]], significance) for i in range(len(found))
        ]
        weakest = int(np.argmax(doubts))
        if doubts[weakest] < significance:
            break
        del found[weakest]
    return [int(start) for start in found]


def _noise(values: Signal) -> float:
    """Return the standard deviation from one point to the next, which steps hardly move.

    Half of all differences may be 0, where few values occur: then it is that of all points.
    """
    from scipy import stats as scipy_stats

    steps = np.diff(values)
    robust = float(scipy_stats.median_abs_deviation(steps, scale="normal")) / np.sqrt(2)
    return robust or float(values.std())


def _p_value(values: Signal, significance: float) -> float:
    """Return how often a random order of ``values`` has two levels as far apart as they have."""
    from scipy import stats as scipy_stats

    if len(values) < LEAST_POINTS:
        return 1.0
    resamples = max(_RESAMPLES, int(np.ceil(10 / significance)))
    found = scipy_stats.permutation_test(
        (values,),
        _largest_step,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=resamples,
        vectorized=True,
        batch=1000,
        rng=np.random.default_rng(0),  # the same files give the same verdict
    )
    return float(found.pvalue)


def _largest_step(values: Signal, axis: int = -1) -> Signal:
    """Return the largest difference of two neighbouring levels, over all places between them.

    It is scaled by the levels' lengths, so that all places are alike where there is but noise.
    """
    moved = np.moveaxis(values, axis, -1)
    count = moved.shape[-1]
    before = np.arange(_LEAST_LEVEL, count - _LEAST_LEVEL + 1)
    sums = np.cumsum(moved - moved.mean(axis=-1, keepdims=True), axis=-1)[..., before - 1]
    scaled: Signal = np.abs(sums) / np.sqrt(before * (count - before) / count)
    largest: Signal = scaled.max(axis=-1)
    return largest


def _change(
    points: Sequence[Point], threshold_percent: float, significance: float, *, several_devices: bool
) -> Change:
    record = points[0].launches[0]
    values = np.log([point.latency_ms for point in points])
    starts = levels(values, significance)
    edges = [0, *starts, len(values)]
    first, last = values[: edges[1]], values[edges[-2] :]
    percent = _as_percent(float(last.mean() - first.mean()))
    low, high = _interval(first, last) if starts else (None, None)
    verdict: Verdict
    if len(points) < LEAST_POINTS:
        verdict = "inconclusive"
        why = f"{len(points)} commits are too few to tell; {LEAST_POINTS} are needed."
    elif not starts:
        verdict, why = "pass", f"Over {len(points)} commits nothing stands out from the noise."
    else:
        steps = [
            f"{_as_percent(float(values[here:after].mean() - values[before:here].mean())):+.1f} % "
            f"from commit {points[here].commit} on"
            for before, here, after in zip(edges, edges[1:], edges[2:], strict=False)
        ]
        if percent > threshold_percent:
            verdict = "regressed"
        else:
            verdict = "improved" if percent < -threshold_percent else "pass"
        why = f"Over {len(points)} commits: {', '.join(steps)}."
    return Change(
        model=f"{record.model} on {record.device}" if several_devices else record.model,
        metric="latency",
        unit="ms",
        baseline=float(np.exp(first.mean())),
        candidate=float(np.exp(last.mean())),
        change_percent=percent if starts else 0.0 if len(points) >= LEAST_POINTS else None,
        low_percent=low,
        high_percent=high,
        threshold_percent=threshold_percent,
        verdict=verdict,
        why=why,
        blocks=len(points),
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


def _read(path: Path) -> list[LaunchRecord]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror}", "give files that bench wrote"
        ) from error
    # The last one may have been cut short while a bench was adding to it.
    return [_decoded(line, path, number) for number, line in enumerate(lines[:-1], start=1)]


def _decoded(line: bytes, path: Path, number: int) -> LaunchRecord:
    try:
        record = msgspec.json.decode(line, type=LaunchRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{path} is damaged in line {number}: {error}", "leave it out, or restore it"
        ) from error
    if record.schema_version > SCHEMA_VERSION:
        raise UsageError(
            f"{path}, line {number}, has schema_version {record.schema_version}; this program "
            f"knows {SCHEMA_VERSION}",
            "update asymm-deploy",
        )
    return record


def _counts(record: LaunchRecord) -> bool:
    return (
        record.error is None
        and len(record.samples_ns) > 0
        and min(record.samples_ns) > 0
        and flags.valid(record.flags, record.allowed)
    )


def _points(commit: str, path: Path) -> list[Point]:
    rows = (tuple(filter(_counts, launches)) for launches in stats.latest_launches(_read(path)))
    return [Point(commit, launches) for launches in rows if launches]


def _series_of(point: Point, several_devices: bool) -> tuple[object, ...]:
    """Return what points of one history have in common.

    A device is part of it only where several were timed for a commit: else another one is another
    circumstance, and no history of its own.
    """
    record = point.launches[0]
    setting = (record.engine, record.precision, record.threads)
    return (record.model, record.input_shape, record.device if several_devices else None, *setting)


_CIRCUMSTANCES: dict[str, Callable[[Point], object]] = {
    "device": lambda point: point.device,
    "chip": lambda point: point.launches[0].device_facts.soc,
    "core": lambda point: "+".join(map(str, point.launches[0].cpus)) or "none",
    "engine": lambda point: point.launches[0].engine_version,
    "runner": lambda point: f"{point.launches[0].runner} {point.launches[0].runner_version}",
    "runs of a launch": lambda point: max(record.runs for record in point.launches),
    "warm-up": lambda point: point.launches[0].warmup,
}


def _refuse_other_circumstances(points: Sequence[Point]) -> None:
    first = points[0]
    for point in points[1:]:
        for name, read in _CIRCUMSTANCES.items():
            then, now = read(first), read(point)
            if then != now:
                model = first.launches[0].model
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


def _notes(
    given: Sequence[tuple[str, Path]], series: dict[tuple[object, ...], list[Point]]
) -> list[str]:
    notes = []
    if len(given) > MOST_POINTS:
        notes.append(f"Of {len(given)} files the last {MOST_POINTS} are used.")
    points = max(series.values(), key=len)
    times = [point.started_at for point in points]
    if times != sorted(times):
        notes.append(
            "The files are not in the order of their launches; the order given counts. Begin their "
            "names with a date."
        )
    return notes
