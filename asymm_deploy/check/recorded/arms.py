"""One results folder as a side of a recorded comparison: which launches, and what refuses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import flags, store
from asymm_deploy.bench.judge import rows as stats
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import plausibility
from asymm_deploy.check.findings import Discarded
from asymm_deploy.errors import UsageError

LEAST_LAUNCHES = 10
"""A side; the smallest p that 10 and 10 can give is 0.00001, that of 4 and 4 is 0.03."""


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
class Side:
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
    """Launches of other files or plans than what was measured last."""

    def counts(self, record: LaunchRecord) -> bool:
        """Whether the launch ended, with nothing that spoils it."""
        return is_valid(record, self.allow)

    @property
    def counting(self) -> list[LaunchRecord]:
        """The launches that count."""
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


def sides(side: str, path: Path, choice: Choice) -> dict[str, Side]:
    """Return a folder's launches by model, those of the one setting that is chosen."""
    folder = path.parent if path.name == store.NAME else path
    records = store.load(folder)
    plausibility.refuse_impossible(records, folder / store.NAME)
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
        model: Side(
            name=side,
            launches=tuple(mine[-1]),
            allow=choice.allow,
            folder=folder,
            shapes=tuple(_shape(row[-1]) for row in mine),
            retried=retried(mine[-1], records_of[model], choice.allow),
            left_out=left_out(mine[-1], records_of[model]),
        )
        for model, mine in rows_of.items()
    }
    if not found:
        raise UsageError(
            f"{folder} has no launches" + (" that were asked for" if records else ""),
            "give another folder, or other --device, --precision and --threads",
        )
    return found


Launched: TypeAlias = tuple[object, ...]


def identity(record: LaunchRecord) -> Launched:
    """Return what no two launches have in common, in whichever file they are."""
    return (record.started_at, record.model, record.plan_id, record.launch, record.samples_ns)


def is_valid(record: LaunchRecord, allow: Sequence[str]) -> bool:
    """Whether the launch ended, with nothing that spoils it; bench was allowed some flags, too."""
    return record.error is None and flags.valid(record.flags, (*record.allowed, *allow))


def retried(
    row: Sequence[LaunchRecord], records: Sequence[LaunchRecord], allow: Sequence[str]
) -> tuple[LaunchRecord, ...]:
    """Return the launches that do not count, and were done again: another process, later."""
    started = {(stats.circumstances(record), record.launch): record.started_at for record in row}
    return tuple(
        record
        for record in records
        if record.started_at
        != started.get((stats.circumstances(record), record.launch), record.started_at)
        and not is_valid(record, allow)
    )


def left_out(row: Sequence[LaunchRecord], records: Sequence[LaunchRecord]) -> int:
    """Return how many launches of ``records`` are of other files or plans than ``row``'s."""
    mine = stats.circumstances(row[-1])
    others = {
        (stats.circumstances(record), record.launch)
        for record in records
        if stats.circumstances(record) != mine and record.error is None
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


def refuse_several_shapes(model: str, *both: Side) -> None:
    """Raise UsageError where a side has the model with more than one input shape."""
    for side in both:
        if len(side.shapes) > 1:
            raise UsageError(
                f"{side.folder} has {model} with several input shapes: {', '.join(side.shapes)}",
                "bench them into separate folders; or compare other models, with --models PATTERN",
            )


def refuse_other_circumstances(model: str, before: Side, after: Side) -> None:
    """Raise UsageError, saying which, where something differs that times depend on."""
    for what, of in _MUST_AGREE.items():
        old, new = _values(of, before), _values(of, after)
        if old and new and old != new:
            raise UsageError(
                f"{model} can't be compared: the {what} is {' and '.join(old)} in the baseline "
                f"and {' and '.join(new)} in the candidate",
                "bench both alike; or compare the models live, with folders that export wrote",
            )


def _values(of: Callable[[LaunchRecord], object], side: Side) -> list[str]:
    return sorted({str(of(record)) for record in side.launches if record.error is None})


def refuse_too_few(model: str, before: Side, after: Side) -> None:
    """Raise UsageError where a side has too few launches, whether they count or not."""
    for side in (before, after):
        count = len(side.launches)
        if count < LEAST_LAUNCHES and all(record.error is None for record in side.launches):
            raise UsageError(
                f"{model} has {count} launch{'es'[: 2 * (count != 1)]} in the {side.name}; "
                f"launches vary, and at least {LEAST_LAUNCHES} a side tell by how much",
                "bench it with --launches 10 or more; or compare the models live",
            )


def discarded(*both: Side) -> list[Discarded]:
    """Return the launches that don't count, those that were done again too."""
    return [
        Discarded(
            model=record.model,
            block=record.launch,
            reason=f"{side.name}, launch {record.launch}: {' '.join(record.flags)}{then}",
        )
        for side in both
        for records, then in ((side.retried, ", done again"), (side.launches, ""))
        for record in records
        if not side.counts(record)
    ]


def remarks(model: str, before: Side, after: Side) -> list[str]:
    """Return sentences on launches of the model: left out of a side, or on both."""
    shared = len({*map(identity, before.launches)} & {*map(identity, after.launches)})
    the_same = (
        f"{shared} launches of {model} are in the baseline and in the candidate: where it should "
        "be a new version, bench that with another --out."
    )
    return [the_same] * bool(shared) + [
        f"{side.left_out} launch{'es'[: 2 * (side.left_out != 1)]} of {model} in {side.folder}, of "
        "another file or plan, are left out: what was measured last counts."
        for side in (before, after)
        if side.left_out
    ]
