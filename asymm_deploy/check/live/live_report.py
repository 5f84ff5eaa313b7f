"""A live comparison from its folders to its report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from asymm_deploy.bench import store
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.check_request import CheckRequest, chosen_pairs
from asymm_deploy.check.circumstances import allowed_growth, launch_circumstances
from asymm_deploy.check.exact_changes import counted_changes
from asymm_deploy.check.findings import Change, GateReport, utc_now
from asymm_deploy.check.folders import Pair
from asymm_deploy.check.live.latency_change import change_of_outcome, change_of_same_file
from asymm_deploy.check.live.load_changes import LOAD_METRICS, load_changes, untold_loads
from asymm_deploy.check.live.time_pairs import LiveComparison, LiveEvent, time_pairs
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.errors import UsageError
from asymm_deploy.text import counted


class LiveWatcher(Protocol):
    """Whoever shows people how a live comparison is going."""

    def remark(self, text: str) -> None:
        """Take a line on what was mended or is waited for."""
        ...

    def watching(self, blocks: int) -> AbstractContextManager[Callable[[LiveEvent], None]]:
        """Surround the timing, of at least so many ``blocks``; yield what hears its events."""
        ...


def compare_live(
    request: CheckRequest,
    plan: Plan,
    policy: GatePolicy,
    make_device: Callable[[], Device],
    watcher: LiveWatcher,
) -> GateReport:
    """Time the models of both folders and return the report.

    Raises UsageError if there is nothing to compare, and HarnessError if the device fails.
    """
    if request.sentinel is not None:
        raise UsageError(
            "--sentinel is for recorded results", "leave it out: a live comparison needs none"
        )
    started_at = utc_now()
    pairs, ignored = chosen_pairs(request)
    same = [] if request.same_file else [pair for pair in pairs if pair.is_same_file]
    for line in _same_files(same):
        watcher.remark(line)
    not_timed = {pair.model for pair in same}
    timed = [pair for pair in pairs if pair.model not in not_timed]
    found = _timed(request, timed, plan, policy, make_device(), watcher) if timed else None
    return GateReport(
        mode="live",
        device="none" if found is None else found.bench.facts.device,
        circumstances=_circumstances(found, policy),
        baseline=str(request.baseline),
        candidate=str(request.candidate),
        changes=_changes(pairs, same, found, policy),
        discarded=() if found is None else found.discarded,
        notes=(
            *ignored,
            *(() if found is None else (*found.notes, *untold_loads(found.loads))),
            *_same_files(same),
            *(() if found is None else _resumed(found)),
        ),
        started_at=started_at,
        inconclusive_fails=request.inconclusive_fails,
    )


def launches_before(request: CheckRequest) -> list[LaunchRecord]:
    """Return what the output folder has of both versions' files, from earlier runs."""
    if not (request.out / store.NAME).exists():
        return []
    pairs, _ = chosen_pairs(request)
    files = {each.sha256 for pair in pairs for each in (pair.baseline, pair.candidate)}
    return [record for record in store.load(request.out) if record.artifact_sha256 in files]


def _timed(
    request: CheckRequest,
    pairs: Sequence[Pair],
    plan: Plan,
    policy: GatePolicy,
    device: Device,
    watcher: LiveWatcher,
) -> LiveComparison:
    with (
        store.opened(request.out, watcher.remark, "check") as runs,
        watcher.watching(len(pairs) * policy.least_blocks) as on_event,
    ):
        return time_pairs(device, pairs, plan, policy, runs, request.out, on_event)


def _changes(
    pairs: Sequence[Pair], same: Sequence[Pair], found: LiveComparison | None, policy: GatePolicy
) -> tuple[Change, ...]:
    """Return all changes, model by model; ``found`` is None if nothing was timed."""
    outcomes = {} if found is None else found.outcomes
    changes = [
        *map(change_of_same_file, same),
        *(change_of_outcome(model, outcome) for model, outcome in outcomes.items()),
    ]
    for pair in pairs:
        changes += counted_changes(pair.model, pair.baseline, pair.candidate, policy.thresholds)
    loads = {} if found is None else found.loads
    for metric in LOAD_METRICS:
        changes += load_changes(metric, loads, policy.thresholds)
    return tuple(change for pair in pairs for change in changes if change.model == pair.model)


def _circumstances(found: LiveComparison | None, policy: GatePolicy) -> tuple[str, ...]:
    if found is None:
        return ("nothing was timed",)
    counted = (r for series in found.launches.values() for arms in series for r in arms.candidate)
    records = tuple(counted)
    return (
        *(launch_circumstances(*records) if records else ()),
        allowed_growth(policy),
        _design(found, policy),
    )


def _design(found: LiveComparison, policy: GatePolicy) -> str:
    if found.in_blocks:
        most = policy.in_blocks().most_blocks
        return (
            f"blocks of 4 launches in random order, seed {policy.seed}, at most {most} blocks "
            "per model"
        )
    return (
        f"paired launches, both versions in turns in one process, in random order, seed "
        f"{policy.seed}, at most {policy.most_blocks} launches per model"
    )


def _same_files(pairs: Sequence[Pair]) -> tuple[str, ...]:
    if not pairs:
        return ()
    names = ", ".join(pair.model for pair in pairs)
    return (
        f"The same file in both, so not timed: {names}. To compare a file with itself, give "
        "--same-file.",
    )


def _resumed(found: LiveComparison) -> tuple[str, ...]:
    if not found.kept:
        return ()
    are = "is" if found.kept == 1 else "are"
    return (f"{counted(found.kept, 'launch')} {are} from an earlier run of this command.",)
