"""One model's two arms, and the blocks of them that earlier checks measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.judge import verdicts
from asymm_deploy.bench.judge.pair_difference import told_impossible
from asymm_deploy.bench.launch import Bench, Placed
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.block_store import BlockLine, BlockStore
from asymm_deploy.check.live.launched_block import Arm, BlockKind, BlockLaunches, arms_of
from asymm_deploy.check.live.procedure import BlockPlace


@dataclass(slots=True)
class ContestArm:
    """One arm of one model."""

    artifact: Artifact
    placed: Placed | None = None
    """Where its files are on the device, once they were put there."""
    first: LaunchRecord | None = None
    """The finished launch whose output was compared with the reference; until then, the latest."""

    def remember(self, record: LaunchRecord) -> None:
        """Take note of a launch of this arm."""
        if record.error is None and (self.first is None or self.first.output_error is None):
            self.first = record


@dataclass(slots=True)
class Contest:
    """One model's two arms."""

    arms: dict[Arm, ContestArm]
    comparison: str
    """A hash of both models' files and of all that their timings depend on."""
    attempt: int
    kept: dict[tuple[BlockPlace, int], BlockLaunches] = field(default_factory=dict)
    """What earlier checks measured, by place and by how often the block was spoilt before."""
    misfits: int = 0
    """How many of their blocks did not fit the lines of runs.jsonl."""
    counted: dict[BlockPlace, BlockLaunches] = field(default_factory=dict)


def contest_of(
    pair: Pair,
    bench: Bench,
    seed: int,
    records: Sequence[LaunchRecord],
    store: BlockStore,
    kind: BlockKind,
) -> Contest:
    """Return the contest of a pair, with the blocks in ``store`` that fit ``records``."""
    circumstances = [bench.plan_id, bench.cpus, seed, *kind.circumstances]
    versions = (pair.baseline, pair.candidate)
    files = [pair.model, *(version.sha256 for version in versions)]
    inputs = [version.inputs_sha256 for version in versions]
    recorded = [inputs] if any(inputs) else []  # none: as the hash was before inputs were recorded
    text = msgspec.json.encode([circumstances, files, *recorded])
    comparison = hashlib.sha256(text).hexdigest()[:16]
    attempt = store.attempt(comparison)
    if attempt is None:
        attempt = 0
    elif bench.plan.fresh:
        attempt += 1
    arms: dict[Arm, ContestArm] = {"A": ContestArm(pair.baseline), "B": ContestArm(pair.candidate)}
    contest = Contest(arms, comparison, attempt)
    misfits = set()
    again = _judged_again(records, pair.model, bench)
    for line in store.of(comparison, attempt):
        key = BlockPlace(line.model, line.series, line.block), line.redone
        launches = _launches_of(line, arms, bench, again, kind)
        if launches is None:
            misfits.add(key)
        else:
            contest.kept[key] = launches
    contest.misfits = len(misfits - contest.kept.keys())
    return contest


def _judged_again(records: Sequence[LaunchRecord], model: str, bench: Bench) -> list[LaunchRecord]:
    """Return all records, those of the model's files judged by what they hold, not by their flags.

    Flags that can't be told from a record stay.
    """
    of_files: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        if (record.model, record.plan_id, record.cpus) == (model, bench.plan_id, bench.cpus):
            of_files.setdefault(record.artifact_sha256, []).append(number)
    judged = list(records)
    for numbers in of_files.values():
        again = verdicts.judged_again([records[number] for number in numbers])
        for number, record in zip(numbers, again, strict=True):
            judged[number] = record
    return judged


def _is_pair(launches: Sequence[LaunchRecord]) -> bool:
    """Whether these are both records of one launch, in the order in which the versions ran."""
    if len(launches) != 2 or any(record.paired is None for record in launches):
        return False
    one, other = launches
    assert one.paired is not None
    assert other.paired is not None
    return (
        one.started_at == other.started_at
        and one.wall_ns == other.wall_ns
        and one.off_core_ns == other.off_core_ns
        and one.paired.partner_sha256 == other.artifact_sha256
        and other.paired.partner_sha256 == one.artifact_sha256
        and one.paired.runs_first
        and not other.paired.runs_first
        and one.paired.loaded_first != other.paired.loaded_first
        and told_impossible(one, other) is None
    )


def _launches_of(
    line: BlockLine,
    arms: dict[Arm, ContestArm],
    bench: Bench,
    records: Sequence[LaunchRecord],
    kind: BlockKind,
) -> BlockLaunches | None:
    """Return the launches of a block; None if runs.jsonl has others where they should be."""
    if line.order not in kind.orders or not 0 < len(line.launches) <= len(line.order):
        return None
    launches: BlockLaunches = []
    for arm, number in zip(arms_of(line.order), line.launches, strict=False):
        if not 0 <= number < len(records):
            return None
        record = records[number]
        found = (record.launch, record.model, record.artifact_sha256)
        wanted = (number, line.model, arms[arm].artifact.sha256)
        if (*found, record.plan_id, record.cpus) != (*wanted, bench.plan_id, bench.cpus):
            return None
        if (record.paired is not None) != kind.paired:
            return None
        launches.append((arm, record))
    cut_short = len(launches) < len(line.order) and launches[-1][1].valid
    if kind.paired and not _is_pair([record for _arm, record in launches]):
        return None
    return None if cut_short or len(set(line.launches)) < len(launches) else launches
