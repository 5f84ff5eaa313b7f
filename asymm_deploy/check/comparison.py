"""Two folders -> a report: live if both have exported models, else from their results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from asymm_deploy.bench.device import Device
from asymm_deploy.bench.plan import Plan
from asymm_deploy.check import folders
from asymm_deploy.check.baseline import baseline_file
from asymm_deploy.check.baseline.accepted_changes import with_accepted
from asymm_deploy.check.baseline.baseline_file import Baseline
from asymm_deploy.check.baseline.kept_counts import kept_counts
from asymm_deploy.check.check_request import CheckRequest, refuse_out
from asymm_deploy.check.counted.counted_report import compare_counted
from asymm_deploy.check.counted.model_counter import CountedCheck
from asymm_deploy.check.counted.second_witness import Witness
from asymm_deploy.check.findings import GateReport
from asymm_deploy.check.live.live_report import LiveWatcher, compare_live
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.check.recorded.recorded_report import compare_recorded
from asymm_deploy.errors import UsageError
from asymm_deploy.files import resolved


def compare_versions(
    request: CheckRequest,
    plan: Plan,
    policy: GatePolicy,
    make_device: Callable[[], Device],
    watcher: LiveWatcher,
    counting: CountedCheck | None = None,
) -> GateReport:
    """Compare both folders and return the report, with what the baseline accepts marked.

    ``make_device`` is called once it is clear that there is something to time; with ``counting``
    alone nothing is. Raises UsageError if the folders can't be compared, and HarnessError if the
    device or the emulator fails.
    """
    folders.require_comparable_folder(request.baseline, "--baseline")
    folders.require_comparable_folder(request.candidate, "--candidate")
    both = (request.baseline, request.candidate)
    saved = _baseline_of(request.baseline)
    kept = () if saved is None else kept_counts(request.baseline, saved)
    alone = counting is not None and counting.alone
    refuse_out(request, timing=not alone)
    if counting is not None and alone:
        report = compare_counted(request, policy, kept, counting.make_counter, counting.watcher)
        return report if saved is None else with_accepted(report, saved)
    if all(map(folders.has_models, both)):
        witness = None if counting is None else Witness(counting)
        report = compare_live(request, plan, policy, make_device, watcher)
        if witness is not None:
            report = witness.heard(report, request, policy, kept)
    elif all(map(folders.has_results, both)):
        if counting is not None:
            raise UsageError(
                "--cost counts models, and these folders have only results",
                "leave it out, or give two folders that export wrote",
            )
        report = compare_recorded(request, policy)
    else:
        models, results = sorted(both, key=folders.has_models, reverse=True)
        raise UsageError(
            f"{models} has exported models and {results} has only results",
            "give two folders that export wrote, or two that bench wrote",
        )
    return report if saved is None else with_accepted(report, saved)


def _baseline_of(folder: Path) -> Baseline | None:
    """Return the baseline that ``folder`` is or is a part of: a model's folder, or the launches."""
    for place in (folder, resolved(folder).parent):
        if baseline_file.is_baseline(place):
            return baseline_file.load_baseline(place)
    return None
