"""Two folders of models -> a report of what they execute; nothing is timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asymm_deploy.bench.artifact import artifact_changed
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.check import folders
from asymm_deploy.check.check_request import CheckRequest, chosen_pairs
from asymm_deploy.check.counted.count_changes import (
    FLOOR_MISSES,
    count_changes,
    counts_without_figures,
)
from asymm_deploy.check.counted.counted_pairs import count_pairs
from asymm_deploy.check.counted.model_counter import CountWatcher, ModelCounter
from asymm_deploy.check.exact_changes import counted_changes
from asymm_deploy.check.findings import Change, GateReport, utc_now
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError


def compare_counted(
    request: CheckRequest,
    policy: GatePolicy,
    kept: Sequence[CostRecord],
    make_counter: Callable[[], ModelCounter],
    watcher: CountWatcher,
) -> GateReport:
    """Count the models of both folders and return the report; the counts decide, always.

    ``kept`` are counts of the baseline; ``make_counter`` is called once there is something to
    count. Raises UsageError if there is nothing to compare, and HarnessError if the emulator fails.
    """
    for folder in (request.baseline, request.candidate):
        if not folders.has_models(folder):
            raise UsageError(
                f"{folder} has only results, and counts are made of models",
                "give two folders that export or `baseline save` wrote",
            )
    started_at = utc_now()
    pairs, ignored = chosen_pairs(request)
    same = [] if request.same_file else [pair for pair in pairs if pair.is_same_file]
    not_counted = {pair.model for pair in same}
    rest = [pair for pair in pairs if pair.model not in not_counted]
    counter = make_counter() if rest else None
    changes = {pair.model: [change_of_uncounted(pair)] for pair in same}
    notes: tuple[str, ...] = ()
    if counter is not None:
        found, notes = changes_of_pairs(rest, kept, counter, policy, watcher, request.allow)
        changes |= found
    for pair in pairs:
        changes[pair.model] += counted_changes(
            pair.model, pair.baseline, pair.candidate, policy.thresholds
        )
    if same:
        names = ", ".join(pair.model for pair in same)
        notes += (f"The same file in both, so not counted: {names}.",)
    return GateReport(
        mode="counted",
        device="none" if counter is None else request.device or "none",
        circumstances=_circumstances(counter, policy),
        baseline=str(request.baseline),
        candidate=str(request.candidate),
        changes=tuple(change for pair in pairs for change in changes[pair.model]),
        notes=(*ignored, *notes),
        started_at=started_at,
        inconclusive_fails=request.inconclusive_fails,
    )


def changes_of_pairs(
    pairs: Sequence[Pair],
    kept: Sequence[CostRecord],
    counter: ModelCounter,
    policy: GatePolicy,
    watcher: CountWatcher,
    allow: Sequence[str],
) -> tuple[dict[str, list[Change]], tuple[str, ...]]:
    """Count each pair and return the changes of its counts by model, and remarks for people.

    A model whose file is not the one that was exported has failed, and is not counted.
    """
    changes = {}
    whole = []
    for pair in pairs:
        why = _changed(pair)
        if why is None:
            whole.append(pair)
        else:
            changes[pair.model] = [counts_without_figures(pair.model, "failed", why)]
    if not whole:
        return changes, ()
    found = count_pairs(whole, kept, counter, watcher)
    for pair, (before, after) in zip(whole, found.records, strict=True):
        changes[pair.model] = count_changes(pair.model, before, after, policy.thresholds, allow)
    return changes, (*found.notes, *_remarks(found.records))


def _changed(pair: Pair) -> str | None:
    """Return which version's file is not the one that was exported, and why; None if both are."""
    for side, version in (("baseline", pair.baseline), ("candidate", pair.candidate)):
        why = artifact_changed(version)
        if why is not None:
            return f"The {side} failed: {why}"
    return None


def change_of_uncounted(pair: Pair) -> Change:
    """Return the verdict on a model whose two versions are one file."""
    others = pair.baseline.inputs_sha256 != pair.candidate.inputs_sha256
    why = "The same file in both: nothing was counted."
    return counts_without_figures(
        pair.model, "same", why + " Only their recorded inputs differ." * others
    )


def counter_circumstances(counter: ModelCounter) -> tuple[str, ...]:
    """Return what counted, in short lines."""
    key = counter.key
    return (
        f"counted on an emulated {key.cpu} (QEMU {key.emulator}), {counter.precision}, 1 thread, "
        f"{key.engine} {key.engine_version}",
        f"counts can be compared with those of the same key: {key.text()}",
    )


def _circumstances(counter: ModelCounter | None, policy: GatePolicy) -> tuple[str, ...]:
    if counter is None:
        return ("nothing was counted",)
    allowed = policy.thresholds
    return (
        *counter_circumstances(counter),
        f"{allowed['instructions']:g} % more instructions are allowed, and "
        f"{allowed['l2_misses']:g} % more misses of the L2 or L3 cache, at least {FLOOR_MISSES}",
    )


def _remarks(records: Sequence[tuple[CostRecord, CostRecord]]) -> list[str]:
    """Return what else to know of the counts: which outputs nobody verified."""
    names = {both[1].model for both in records if _is_unverified(both)}
    if not names:
        return []
    return [f"Outputs without a reference, so not verified: {', '.join(sorted(names))}."]


def _is_unverified(both: Sequence[CostRecord]) -> bool:
    return any("unverified" in record.flags for record in both)
