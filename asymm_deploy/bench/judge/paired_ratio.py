"""Paired launches of two models -> how many times as long one of them takes as the other; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.judge import log_interval, plausibility, verdicts
from asymm_deploy.bench.judge.pair_difference import (
    MOST_SPLIT,
    common_clock,
    pair_difference,
    split_share,
)
from asymm_deploy.bench.records import LaunchRecord, PairedRatio, RecordPair
from asymm_deploy.errors import ExitCode, worst

_RISK = 0.025
"""On either side of the interval."""
_OVER_ALL = {"below-floor"}
"""Judged by the best calibration of any launch: a busy core shows less than it can do."""


def whole_pairs(records: Iterable[LaunchRecord]) -> list[RecordPair]:
    """Return the paired launches of two models in runs.jsonl, each with both of its records.

    Each launch comes twice, with either model first, as it was written down last. One of which a
    kill left a single record is left out, and so are those of a check.
    """
    found: dict[tuple[object, ...], LaunchRecord] = {}
    for record in records:
        if record.paired is not None and record.paired.partner is not None:
            found[_own_key(record)] = record
    pairs = []
    for record in found.values():
        other = found.get(_others_key(record))
        if other is not None and _are_of_one_launch(record, other):
            pairs.append((record, other))
    return pairs


def latest_ratios(row: Sequence[LaunchRecord], pairs: Iterable[RecordPair]) -> list[PairedRatio]:
    """Return the ratios of the file that ``row`` is of, by the launches that were made last.

    ``pairs`` are in the order of runs.jsonl. All are judged again by what they hold.
    """
    last = row[-1]
    of_partners: dict[str, dict[tuple[object, ...], list[RecordPair]]] = {}
    for pair in pairs:
        record, other = pair
        if (_row_of(record), record.artifact_sha256) == (_row_of(last), last.artifact_sha256):
            attempts = of_partners.setdefault(other.model, {})
            circumstances = (*_circumstances(record), other.artifact_sha256)
            same = attempts.pop(circumstances, [])
            attempts[circumstances] = [*same, pair]  # now the last one
    return [
        paired_ratio(_judged_again(attempts[next(reversed(attempts))]))
        for attempts in of_partners.values()
    ]


def paired_ratio(pairs: Sequence[RecordPair]) -> PairedRatio:
    """Return the ratio of the first model's times to the second one's, over one launch or more."""
    counting = [pair for pair in pairs if all(map(_counts, pair))]
    others = [record for pair in pairs if not all(map(_counts, pair)) for record in pair]
    spoilt = {name for record in others for name in record.flags if name not in record.allowed}
    found = [name for name in spoilt - _OVER_ALL if flags.FLAGS[name].invalidates]
    sides = ([one for one, _ in counting], [other for _, other in counting])
    allowed = pairs[-1][0].allowed
    of_all = {name for side in sides for name in _flags_over_all(side)} - set(allowed)
    if of_all:
        found += of_all
        counting = []
    last = pairs[-1][0]
    summary = PairedRatio(
        partner=pairs[-1][1].model,
        launches=len(counting),
        made=len(pairs),
        flags=flags.gravest_first(found),
        reason=last.error,
        exit_code=_exit_code(found, len(counting), len(pairs)),
    )
    if not counting:
        return summary
    differences = [pair_difference(other, one) for one, other in counting]
    clock = common_clock(differences)
    values = [found.by(clock) for found in differences]
    mean = sum(values) / len(values)
    around = log_interval.interval(values, _RISK) if len(values) > 1 else None
    wall = sum(found.wall for found in differences) / len(differences)
    return msgspec.structs.replace(
        summary,
        ratio=math.exp(mean),
        low=None if around is None else math.exp(around.low),
        high=None if around is None else math.exp(around.high),
        by_wall=math.exp(wall) if clock == "cpu" else None,
    )


def _counts(record: LaunchRecord) -> bool:
    """Whether nothing spoils the record but what is judged over all launches."""
    return record.error is None and flags.leave_valid(set(record.flags) - _OVER_ALL, record.allowed)


def _flags_over_all(side: Sequence[LaunchRecord]) -> list[str]:
    """Return what is wrong with one model's launches together."""
    floor = [name for name in verdicts.pooled_flags(side) if name in _OVER_ALL]
    return [*floor, *(["repeated-samples"] if plausibility.repeated(side) is not None else [])]


def _exit_code(found: Sequence[str], counting: int, made: int) -> ExitCode:
    """Return the worst of the flags' codes; a disturbed minority of the launches is none."""
    codes = [flags.FLAGS[name].exit_code for name in found]
    if 2 * counting >= made:
        codes = [code for code in codes if code is not ExitCode.UNSTABLE]
    return worst(codes)


def _judged_again(pairs: Sequence[RecordPair]) -> list[RecordPair]:
    ordered = sorted(pairs, key=lambda pair: pair[0].launch)
    sides = [verdicts.judged_again([pair[side] for pair in ordered]) for side in (0, 1)]
    return [split_judged(pair) for pair in zip(*sides, strict=True)]


def split_judged(pair: RecordPair) -> RecordPair:
    """Return a launch's records, flagged if too many of its pairs of runs were interrupted."""
    one, other = pair
    if one.error is None and other.error is None and split_share(one, other) > MOST_SPLIT:
        one, other = (verdicts.judged_with(x, [*x.flags, "split-pairs"]) for x in pair)
    return one, other


def _own_key(record: LaunchRecord) -> tuple[object, ...]:
    assert record.paired is not None
    names = (record.model, record.paired.partner)
    hashes = (record.artifact_sha256, record.paired.partner_sha256)
    return (*_place(record), names, hashes)


def _others_key(record: LaunchRecord) -> tuple[object, ...]:
    assert record.paired is not None
    names = (record.paired.partner, record.model)
    hashes = (record.paired.partner_sha256, record.artifact_sha256)
    return (*_place(record), names, hashes)


def _place(record: LaunchRecord) -> tuple[object, ...]:
    return (*_setting(record), *_circumstances(record), record.launch)


def _row_of(record: LaunchRecord) -> tuple[object, ...]:
    return (record.model, record.input_shape, record.classes, *_setting(record))


def _setting(record: LaunchRecord) -> tuple[object, ...]:
    return (record.device, record.engine, record.precision, record.threads, record.backend)


def _circumstances(record: LaunchRecord) -> tuple[object, ...]:
    return (record.plan_id, record.attempt, record.cpus)


def _are_of_one_launch(one: LaunchRecord, other: LaunchRecord) -> bool:
    """Whether nothing tells the two apart that a launch has in common; a kill may leave others."""
    return (one.started_at, len(one.samples_ns)) == (other.started_at, len(other.samples_ns))
