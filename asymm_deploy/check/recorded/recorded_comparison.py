"""Two results folders, timed at different times: the weaker comparison, of what they have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.copied_launches import (
    FoundLaunch,
    refuse_copied,
    refuse_nearly_copied,
    refuse_shared,
)
from asymm_deploy.check.findings import Change, DiscardedBlock
from asymm_deploy.check.folders import matches, require_matches
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.check.recorded.arm_refusals import (
    refuse_other_circumstances,
    refuse_same_file,
    refuse_several_shapes,
    refuse_too_few,
)
from asymm_deploy.check.recorded.recorded_arm import (
    RecordedChoice,
    discarded_launches,
    launch_remarks,
    recorded_arms,
    results_file,
)
from asymm_deploy.check.recorded.recorded_change import metrics_not_told, recorded_changes
from asymm_deploy.check.recorded.sentinel import sentinel_named


@dataclass(frozen=True, slots=True)
class RecordedComparison:
    """What the comparison found."""

    launch: LaunchRecord
    """One of the candidate's, for its circumstances."""
    changes: tuple[Change, ...]
    discarded: tuple[DiscardedBlock, ...]
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]
    notes: tuple[str, ...]


def compare_folders(
    baseline: Path,
    candidate: Path,
    choice: RecordedChoice,
    policy: GatePolicy,
    sentinel_name: str | None,
) -> RecordedComparison:
    """Compare what both folders have of each model.

    The sentinel is a model whose file did not change: its change is subtracted from all others'.
    Raises UsageError if the folders can't be compared, saying what differs.
    """
    old, new = results_file(baseline), results_file(candidate)
    refuse_copied([old, new])
    before = recorded_arms("baseline", old, choice)
    after = recorded_arms("candidate", new, choice)
    require_matches({*before, *after}, choice.models)
    chosen = [name for name in before if name in after and matches(name, choice.models)]
    used = [
        name
        for name in dict.fromkeys([*chosen, *([sentinel_name] if sentinel_name else [])])
        if name in before and name in after
    ]
    finished: list[FoundLaunch] = []
    for name in used:
        refuse_several_shapes(name, before[name], after[name])
        refuse_other_circumstances(name, before[name], after[name])
        refuse_too_few(name, before[name], after[name])
        ours, theirs = old.finished(before[name].launches), new.finished(after[name].launches)
        refuse_shared({"the baseline": ours, "the candidate": theirs})
        refuse_nearly_copied([*ours, *theirs])
        finished += [*ours, *theirs]
        if name != sentinel_name and not choice.same_file:
            refuse_same_file(name, before[name], after[name])
    refuse_nearly_copied(finished)
    sentinel = None if sentinel_name is None else sentinel_named(sentinel_name, before, after)
    changes = [
        change
        for name in used
        if name != sentinel_name
        for change in recorded_changes(name, before[name], after[name], policy, sentinel)
    ]
    return RecordedComparison(
        launch=next(iter((after or before).values())).launches[-1],
        changes=tuple(changes),
        discarded=tuple(d for name in used for d in discarded_launches(before[name], after[name])),
        only_baseline=tuple(n for n in before if n not in after and matches(n, choice.models)),
        only_candidate=tuple(n for n in after if n not in before and matches(n, choice.models)),
        notes=(
            *([] if sentinel is None else [sentinel.note]),
            *(note for name in used for note in launch_remarks(name, before[name], after[name])),
            *metrics_not_told({n: (before[n], after[n]) for n in used if n != sentinel_name}),
        ),
    )
