"""The report of a recorded comparison."""

from __future__ import annotations

from asymm_deploy.check.check_request import CheckRequest, missing_models, nothing_in_both
from asymm_deploy.check.circumstances import allowed_growth, launch_circumstances
from asymm_deploy.check.findings import GateReport, utc_now
from asymm_deploy.check.policy import GatePolicy
from asymm_deploy.check.recorded.recorded_arm import RecordedChoice
from asymm_deploy.check.recorded.recorded_comparison import compare_folders
from asymm_deploy.errors import UsageError


def compare_recorded(request: CheckRequest, policy: GatePolicy) -> GateReport:
    """Compare the launches of both folders; raise UsageError if that can't be done."""
    for option in request.timing_options:
        raise UsageError(f"{option} is for live comparisons", "leave it out: nothing is timed here")
    choice = RecordedChoice(
        request.device,
        request.precision,
        request.threads,
        request.models,
        request.same_file,
        request.allow,
    )
    found = compare_folders(request.baseline, request.candidate, choice, policy, request.sentinel)
    ignored = missing_models(request, found.only_baseline, found.only_candidate)
    if not found.changes:
        raise nothing_in_both(request)
    return GateReport(
        mode="recorded",
        device=found.launch.device,
        circumstances=(*launch_circumstances(found.launch), allowed_growth(policy)),
        baseline=str(request.baseline),
        candidate=str(request.candidate),
        changes=found.changes,
        discarded=found.discarded,
        notes=(
            "Recorded at two different times, which is the weaker comparison: whatever else "
            "changed in between counts as the models' change. Give folders of exported models to "
            "compare live.",
            "The size of the .mnn file is not compared: results don't record it.",
            *found.notes,
            *ignored,
        ),
        started_at=utc_now(),
        inconclusive_fails=request.inconclusive_fails,
    )
