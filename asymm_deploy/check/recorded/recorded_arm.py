"""One results folder as an arm of a recorded comparison: each model's launches in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import store
from asymm_deploy.bench.judge import rows as bench_rows
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check import launch_order, launched, modes
from asymm_deploy.check.copied_launches import LaunchFile
from asymm_deploy.check.findings import DiscardedBlock
from asymm_deploy.errors import UsageError


@dataclass(frozen=True, slots=True)
class RecordedChoice:
    """Which results to compare; None leaves it open, if there is only one to choose."""

    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    models: tuple[str, ...] = ()
    """Globs or parts of names."""
    same_file: bool = False
    """Whether the same model file on both sides is meant."""
    allow: tuple[str, ...] = ()
    """Flags that leave a launch valid."""


@dataclass(frozen=True, slots=True)
class RecordedArm:
    """One model's launches in one folder."""

    name: str
    """``baseline`` or ``candidate``."""
    launches: tuple[LaunchRecord, ...]
    allow: tuple[str, ...]
    folder: Path
    shapes: tuple[str, ...]
    """Of the input; several can't be compared."""
    retried: tuple[LaunchRecord, ...]
    """Launches that bench repeated, and that do not count."""
    left_out: int
    """Launches of other files or plans than the one measured last."""

    def counts(self, record: LaunchRecord) -> bool:
        """Whether the launch ended and nothing spoils it."""
        return launched.is_valid(record, self.allow)

    @property
    def counting(self) -> list[LaunchRecord]:
        """The launches that count."""
        return [record for record in self.launches if self.counts(record)]

    @property
    def logs(self) -> npt.NDArray[np.float64]:
        """Logs of the launches' medians."""
        return np.array([*self.by_launch.values()], dtype=np.float64)

    @property
    def by_launch(self) -> dict[tuple[str, int], float]:
        """Logs of medians by plan and number: bench takes models in turns, launch by launch."""
        found = self.counting
        logs = np.log(verdicts.launch_medians_ns(found)).tolist()
        return dict(zip(((r.plan_id, r.launch) for r in found), logs, strict=True))

    @property
    def has_two_modes(self) -> bool:
        """Whether its launches fall into two groups."""
        medians = verdicts.launch_medians_ns(self.counting).tolist()
        return modes.has_two_modes(medians, least_launches=modes.FEW_LAUNCHES)


def results_file(path: Path) -> LaunchFile:
    """Return the launches of a results folder, or of its runs.jsonl.

    Raises UsageError for a file that somebody edited: lines out of order, and records whose parts
    don't agree.
    """
    folder = path.parent if path.name == store.NAME else path
    found = LaunchFile(folder / store.NAME, store.load(folder))
    launch_order.refuse_edited(found)
    return found


def recorded_arms(name: str, file: LaunchFile, choice: RecordedChoice) -> dict[str, RecordedArm]:
    """Return a file's launches by model, all made with the one setting that is chosen.

    Raises UsageError if there are none, or if several settings are left to choose from.
    """
    folder, records = file.path.parent, bench_rows.alone(file.records)
    rows = [row for row in bench_rows.latest_launches(records) if _chosen(row[-1], choice)]
    for option, what in (
        ("--device", _device),
        ("--precision", lambda record: record.precision),
        ("--threads", lambda record: str(record.threads)),
        (None, lambda record: record.backend),
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
        model: RecordedArm(
            name=name,
            launches=tuple(launched.judged_together(mine[-1], choice.allow)),
            allow=choice.allow,
            folder=folder,
            shapes=tuple(input_shape_text(row[-1]) for row in mine),
            retried=launched.retried(mine[-1], records_of[model], choice.allow),
            left_out=launched.left_out(mine[-1], records_of[model]),
        )
        for model, mine in rows_of.items()
    }
    if not found:
        raise UsageError(
            f"{folder} has no launches" + (" that were asked for" if records else ""),
            "give another folder, or other --device, --precision and --threads",
        )
    return found


def input_shape_text(record: LaunchRecord) -> str:
    """Return the input's shape: ``1x3x224x224``."""
    return "x".join(map(str, record.input_shape or ())) or "unknown"


def discarded_launches(*arms: RecordedArm) -> list[DiscardedBlock]:
    """Return the launches that don't count, including those that were repeated."""
    return [
        DiscardedBlock(
            model=record.model,
            block=record.launch,
            reason=f"{arm.name}, launch {record.launch}: {' '.join(record.flags)}{then}",
            side=arm.name,
            cause=f"{' '.join(record.flags)}{then}",
        )
        for arm in arms
        for records, then in ((arm.retried, ", done again"), (arm.launches, ""))
        for record in records
        if not arm.counts(record)
    ]


def launch_remarks(model: str, before: RecordedArm, after: RecordedArm) -> list[str]:
    """Return sentences on the model's launches that an arm leaves out."""
    return [
        f"{arm.left_out} launch{'es'[: 2 * (arm.left_out != 1)]} of {model} in {arm.folder}, of "
        "another file or plan, are left out: what was measured last counts."
        for arm in (before, after)
        if arm.left_out
    ]


def _device(record: LaunchRecord) -> str:
    return record.device


def _chosen(record: LaunchRecord, choice: RecordedChoice) -> bool:
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
