"""Accepts an intended change into a baseline, so that it no longer alarms and a larger one does.

There are two ways. With the candidate at hand, its files become the model's baseline, and the next
check compares with them. Without it, a metric may grow up to a given size, and what grows beyond
that still alarms.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from asymm_deploy.check.baseline.baseline_contents import baseline_size
from asymm_deploy.check.baseline.baseline_file import (
    Accepted,
    Baseline,
    is_baseline,
    load_baseline,
    write_baseline,
    write_baseline_file,
)
from asymm_deploy.check.baseline.baseline_parts import (
    complete_exports,
    copy_model,
    launches_in,
    write_launches,
)
from asymm_deploy.check.baseline.folder_swap import cant_write, real_place, recover, swapped
from asymm_deploy.check.baseline.kept_counts import read_counts, write_counts
from asymm_deploy.check.findings import UNITS, Metric, utc_now
from asymm_deploy.check.policy import parse_percent
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.safe import one_line
from asymm_deploy.text import counted

_MOST_REASON = 1000
"""Characters; it stands in tables."""


def accept_into_baseline(
    folder: Path,
    model: str,
    *,
    reason: str,
    by: str,
    candidate: Path | None = None,
    metric: str | None = None,
    up_to: str | None = None,
) -> list[str]:
    """Accept a change as ``baseline accept``'s options say; return remarks for people.

    Raises UsageError unless it is either ``candidate``, or ``up_to`` with a metric (by default
    latency).
    """
    if (candidate is None) == (up_to is None):
        raise UsageError(
            "it is not clear what to accept",
            "give --candidate ARTIFACTS, whose files become the baseline, or --up-to PERCENT",
        )
    if candidate is not None:
        if metric is not None:
            raise UsageError(
                "--metric goes with --up-to: new files are accepted in all metrics",
                "leave out --metric",
            )
        return accept_candidate(folder, model, candidate, reason=reason, by=by)[1]
    if metric is not None and metric not in UNITS:
        raise UsageError(f"there is no metric {metric!r}", f"metrics are: {', '.join(UNITS)}")
    wanted: Metric = metric or "latency"
    most = parse_percent(up_to or "", "--up-to")
    accept_growth(folder, model, wanted, most, reason=reason, by=by)
    return [f"{folder}: {wanted} of {model} may grow by up to {most:g} %"]


def accept_candidate(
    folder: Path, model: str, candidate: Path, *, reason: str, by: str
) -> tuple[Baseline, list[str]]:
    """Make the files of ``model`` in ``candidate`` its baseline; return it and remarks for people.

    A model that is not in the baseline is added. One that is loses its launches, since they are of
    the former file, and the growth it was allowed. Raises UsageError, with nothing changed, if the
    candidate doesn't have the model.
    """
    folder = real_place(folder)
    recover(folder, is_baseline)
    baseline = load_baseline(folder)
    exports = complete_exports(candidate)
    if model not in exports:
        raise UsageError(f"{candidate} has no {model}", f"it has: {', '.join(exports)}")
    if model not in baseline.models and (folder / model).exists():
        raise UsageError(f"{folder / model} is in the way, and not ours", "move it out")
    former = baseline.files.get(f"{model}/{manifests.MNN}")
    new = manifests.load_manifest(exports[model]).files[manifests.MNN]
    if new == former:
        raise UsageError(
            f"{model} in {candidate} is the file that the baseline already has",
            "there is nothing to accept",
        )
    kept = [record for record in launches_in(folder) if record.model != model]
    standing = tuple(
        found
        for found in baseline.accepted
        if found.model != model or found.up_to_percent is None  # what was replaced stays on record
    )
    accepted = Accepted(
        model=model,
        metric=None,
        up_to_percent=None,
        reason=_checked_reason(reason),
        by=by,
        at=utc_now(),
        former_sha256=former,
        sha256=new,
    )
    with swapped(folder, keeping=[path.name for path in folder.iterdir()]) as aside:
        if former is not None:
            shutil.rmtree(aside / model)
        copy_model(exports[model], aside / model)
        write_launches(aside, kept)
        counts = read_counts(aside)
        still = [record for record in counts if record.model != model]
        write_counts(aside, still)
        models = tuple(sorted({*baseline.models, model}))
        changed = write_baseline(aside, models, kept, (*standing, accepted))
    remarks = [baseline_size(folder, changed)]
    if len(kept) < baseline.launches:
        dropped = baseline.launches - len(kept)
        remarks.append(
            f"{counted(dropped, 'launch')} of the former {model} "
            f"{'was' if dropped == 1 else 'were'} dropped: "
            "a recorded comparison needs new ones, a live one does not"
        )
    if len(still) < len(counts):
        remarks.append(f"the counts of the former {model} were dropped: check counts it again")
    return changed, remarks


def accept_growth(
    folder: Path, model: str, metric: Metric, up_to_percent: float, *, reason: str, by: str
) -> Baseline:
    """Allow ``metric`` of ``model`` to grow by up to so many percent of the baseline's value.

    Raises UsageError for a model that is not in the baseline, and for 0 or less.
    """
    baseline = load_baseline(folder)
    if model not in baseline.models:
        raise UsageError(
            f"{folder} has no model {model!r}", f"it has: {', '.join(baseline.models)}"
        )
    if not 0 < up_to_percent < float("inf"):
        raise UsageError(
            f"a change of up to {up_to_percent:g} % can't be accepted", "give more than 0"
        )
    accepted = Accepted(
        model=model,
        metric=metric,
        up_to_percent=up_to_percent,
        reason=_checked_reason(reason),
        by=by,
        at=utc_now(),
    )
    changed = msgspec.structs.replace(baseline, accepted=(*baseline.accepted, accepted))
    try:
        write_baseline_file(changed, folder)
    except OSError as error:
        raise cant_write(folder, error) from error
    return changed


def _checked_reason(reason: str) -> str:
    line = one_line(reason)
    if not line:
        raise UsageError("there is no reason", "say in --reason why the change is intended")
    if len(line) > _MOST_REASON:
        raise UsageError(
            f"a reason of {len(line)} characters is too long", f"give at most {_MOST_REASON}"
        )
    return line
