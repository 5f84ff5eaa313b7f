"""Pairs of models -> their counts: new ones, or those that the baseline has kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.check.counted.model_counter import CountWatcher, ModelCounter
from asymm_deploy.check.folders import Pair


@dataclass(frozen=True, slots=True)
class CountedPairs:
    """The counts of both versions, in the order of the pairs."""

    records: list[tuple[CostRecord, CostRecord]]
    notes: tuple[str, ...]
    """Remarks on where the baselines' counts are from."""


def count_pairs(
    pairs: Sequence[Pair],
    kept: Sequence[CostRecord],
    counter: ModelCounter,
    watcher: CountWatcher,
) -> CountedPairs:
    """Count both versions of each pair, apart from baselines that ``kept`` has counts of.

    Counts of another emulator are of no use: then the baseline's model is counted again.
    """
    found = [_kept_of(pair.baseline, kept, counter) for pair in pairs]
    wanted = [pair.candidate for pair in pairs]
    wanted += [pair.baseline for pair, record in zip(pairs, found, strict=True) if record is None]
    with watcher.counting(len(wanted)) as on_counted:
        counted = counter.count_all(wanted, lambda record: on_counted(record.model))
    candidates, again = counted[: len(pairs)], iter(counted[len(pairs) :])
    baselines = [next(again) if record is None else record for record in found]
    return CountedPairs(
        list(zip(baselines, candidates, strict=True)), _notes(pairs, found, kept, counter)
    )


def _kept_of(of: Artifact, kept: Sequence[CostRecord], counter: ModelCounter) -> CostRecord | None:
    """Return the counts that were kept of this very file, if this emulator would count the same."""
    return next(
        (
            record
            for record in kept
            if _is_of(record, of, counter)
            and record.key == counter.key
            and record.counts is not None
        ),
        None,
    )


def _is_of(record: CostRecord, of: Artifact, counter: ModelCounter) -> bool:
    return (record.artifact_sha256, record.inputs_sha256, record.precision) == (
        of.sha256,
        of.inputs_sha256,
        counter.precision,
    )


def _notes(
    pairs: Sequence[Pair],
    found: Sequence[CostRecord | None],
    kept: Sequence[CostRecord],
    counter: ModelCounter,
) -> tuple[str, ...]:
    notes = []
    used = [pair.model for pair, record in zip(pairs, found, strict=True) if record is not None]
    if used:
        notes.append(f"Counts that the baseline kept, by the same emulator: {', '.join(used)}.")
    others: dict[str, list[str]] = {}
    for pair, record in zip(pairs, found, strict=True):
        other = next((each for each in kept if _is_of(each, pair.baseline, counter)), None)
        if record is None and other is not None and other.key != counter.key:
            differing = "; ".join(other.key.differences(counter.key))
            others.setdefault(differing, []).append(pair.model)
    notes += [
        f"The baseline's counts are another emulator's ({differing}), so its models were counted "
        f"again: {', '.join(models)}. `baseline save --force` would keep the new counts."
        for differing, models in others.items()
    ]
    return tuple(notes)
