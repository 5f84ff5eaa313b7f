"""A baseline: a folder that can be committed or cached, and what changes of it were accepted.

It is a folder of exported models and of results at once, so that ``check`` takes it for either:
MODEL/manifest.json, model.mnn and reference.npz; runs.jsonl; and baseline.json, which says what
these are and whose decisions stand. model.onnx stays behind: nothing that ``check`` times is one.

There are two ways to accept a change. With the candidate at hand, its files become the model's
baseline, and the next check compares with them. Without, a change of a metric up to a given size is
allowed, and what is beyond that still alarms.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.baseline_file import (
    FILES,
    NAME,
    Accepted,
    Baseline,
    cant_write,
    is_baseline,
    load,
    now,
    place,
    read,
    refuse_strays,
    save_json,
    swapped,
    written,
)
from asymm_deploy.check.baseline.contents import size
from asymm_deploy.check.findings import UNITS, Change, Metric, Report
from asymm_deploy.check.folders import is_model
from asymm_deploy.check.policy import percent
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.safe import one_line

_MOST_REASON = 1000
"""Characters; it stands in tables."""


def save(
    artifacts: Path, into: Path, *, results: Path | None = None, force: bool = False
) -> tuple[Baseline, list[str]]:
    """Write a baseline of all models in ``artifacts``; return it and remarks for people.

    Of ``results`` the finished launches of these very files are taken. The folder appears whole or
    not at all; ``force`` replaces a baseline, keeping files in it that are not ours, and forgetting
    what was accepted. Raises UsageError where something is missing, damaged or in the way.
    """
    into = place(into)
    former = _what_is_there(into, force=force)
    models = _exports(artifacts)
    foreign = _foreign(into, former)
    for name in sorted(models.keys() & foreign):
        raise UsageError(f"{into / name} is in the way, and not ours", "move it out")
    launches: list[LaunchRecord] = []
    remarks: list[str] = []
    if results is not None:
        launches, remarks = _launches_of(models, results)
    with swapped(into, keeping=foreign) as aside:
        for name, folder in models.items():
            _copy_model(folder, aside / name)
        _write_launches(aside, launches)
        baseline = written(aside, tuple(models), launches, ())
    return baseline, [size(into, baseline), *remarks]


def accept(
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

    Raises UsageError unless it is either ``candidate``, or ``up_to`` with a metric or latency.
    """
    if (candidate is None) == (up_to is None):
        raise UsageError(
            "what is accepted is not clear",
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
    most = percent(up_to or "", "--up-to")
    accept_change(folder, model, wanted, most, reason=reason, by=by)
    return [f"{folder}: {wanted} of {model} may grow by up to {most:g} %"]


def accept_candidate(
    folder: Path, model: str, candidate: Path, *, reason: str, by: str
) -> tuple[Baseline, list[str]]:
    """Make the files of ``model`` in the artifacts ``candidate`` its baseline; say who and why.

    A model that is new is added. Of another one the launches are dropped, since they are of the
    former file, and so is what was allowed it. Raises UsageError where the candidate hasn't the
    model, and nothing is changed.
    """
    folder = place(folder)
    baseline = load(folder)
    exports = _exports(candidate)
    if model not in exports:
        raise UsageError(f"{candidate} has no {model}", f"it has: {', '.join(exports)}")
    if model not in baseline.models and (folder / model).exists():
        raise UsageError(f"{folder / model} is in the way, and not ours", "move it out")
    former = baseline.files.get(f"{model}/{manifests.MNN}")
    new = manifests.load(exports[model]).files[manifests.MNN]
    if new == former:
        raise UsageError(
            f"{model} in {candidate} is the file that the baseline has already",
            "there is nothing to accept",
        )
    kept = [record for record in _launches_in(folder) if record.model != model]
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
        at=now(),
        former_sha256=former,
        sha256=new,
    )
    with swapped(folder, keeping=[path.name for path in folder.iterdir()]) as aside:
        if former is not None:
            shutil.rmtree(aside / model)
        _copy_model(exports[model], aside / model)
        _write_launches(aside, kept)
        models = tuple(sorted({*baseline.models, model}))
        changed = written(aside, models, kept, (*standing, accepted))
    remarks = [size(folder, changed)]
    if len(kept) < baseline.launches:
        remarks.append(
            f"{baseline.launches - len(kept)} launches of the former {model} were dropped: "
            "a recorded comparison needs new ones, a live one does not"
        )
    return changed, remarks


def accept_change(
    folder: Path, model: str, metric: Metric, up_to_percent: float, *, reason: str, by: str
) -> Baseline:
    """Allow ``metric`` of ``model`` to grow by up to so many percent of the baseline's value.

    Raises UsageError for a model that is not in the baseline, and for 0 or less.
    """
    baseline = _with_model(folder, model)
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
        at=now(),
    )
    changed = msgspec.structs.replace(baseline, accepted=(*baseline.accepted, accepted))
    try:
        save_json(changed, folder)
    except OSError as error:
        raise cant_write(folder, error) from error
    return changed


def applied(report: Report, baseline: Baseline) -> Report:
    """Return ``report`` with the reason on each regression that was accepted at that size.

    A change that has an interval is larger than what was accepted where all of the interval is: at
    the very size that was accepted, estimates lie on both sides.
    """
    allowed = {
        (found.model, found.metric): found
        for found in baseline.accepted
        if found.up_to_percent is not None
    }

    def judged(change: Change) -> Change:
        found = allowed.get((change.model, change.metric))
        least = change.change_percent if change.low_percent is None else change.low_percent
        if (
            found is None
            or found.up_to_percent is None
            or change.verdict != "regressed"
            or least is None
            or least > found.up_to_percent
        ):
            return change
        why = f"{found.reason} ({found.by}, {found.at[:10]}, up to {found.up_to_percent:g} %)"
        return msgspec.structs.replace(change, accepted=why)

    return msgspec.structs.replace(report, changes=tuple(map(judged, report.changes)))


def _with_model(folder: Path, model: str) -> Baseline:
    baseline = load(folder)
    if model not in baseline.models:
        raise UsageError(
            f"{folder} has no model {model!r}", f"it has: {', '.join(baseline.models)}"
        )
    return baseline


def _what_is_there(into: Path, *, force: bool) -> Baseline | None:
    """Return the baseline to replace, if there is one; raise UsageError for what is in the way."""
    try:
        if not into.exists() or (into.is_dir() and next(into.iterdir(), None) is None):
            return None
    except OSError as error:
        raise UsageError(f"can't read {into}: {error.strerror}", "give another folder") from error
    if not is_baseline(into):
        raise UsageError(
            f"{into} is there, and is no baseline",
            "give another folder: not even --force replaces what is not ours",
        )
    if not force:
        raise UsageError(
            f"{into} holds a baseline",
            "pass --force to replace it and to forget what was accepted, or `baseline accept`",
        )
    former = read(into)
    refuse_strays(into, former)
    return former


def _foreign(into: Path, former: Baseline | None) -> list[str]:
    """Return the names in a baseline's folder that are none of its own: .gitattributes, say."""
    if former is None:
        return []
    ours = {NAME, *(PurePosixPath(name).parts[0] for name in former.files)}
    return [path.name for path in into.iterdir() if path.name not in ours]


def _exports(artifacts: Path) -> dict[str, Path]:
    """Return the folders of all models in ``artifacts`` by name, each proven to be whole."""
    try:
        one = is_model(artifacts)
        folders = [artifacts.resolve()] if one else sorted(filter(is_model, artifacts.iterdir()))
    except OSError as error:
        raise UsageError(
            f"can't read {artifacts}: {error.strerror}", "give the folder that `export` wrote"
        ) from error
    if not folders:
        raise UsageError(
            f"{artifacts} has no exported models in it", "give the folder that `export` wrote"
        )
    for folder in folders:
        try:
            manifest = manifests.load(folder)
        except (OSError, manifests.DamagedManifestError) as error:
            raise _not_whole(folder, str(error)) from error
        damaged = set(manifests.damaged_files(manifest, folder)) & set(FILES)
        if damaged:
            raise _not_whole(folder, f"{', '.join(sorted(damaged))} missing or changed")
    return {folder.name: folder for folder in folders}


def _not_whole(folder: Path, why: str) -> UsageError:
    return UsageError(f"{folder} holds no whole export: {why}", "export the model again")


def _launches_of(models: dict[str, Path], results: Path) -> tuple[list[LaunchRecord], list[str]]:
    """Return the finished launches of the models' files, and remarks on what is not there."""
    records = store.load(results)
    wanted = {
        (name, manifests.load(folder).files[manifests.MNN]) for name, folder in models.items()
    }
    kept = [
        record
        for record in records
        if record.error is None and (record.model, record.artifact_sha256) in wanted
    ]
    if not kept:
        raise UsageError(
            f"{results} has no finished launch of these models' files",
            "time them: `asymm-deploy bench` with the same --artifacts, or leave out --results",
        )
    remarks = []
    failed = sum(record.error is not None for record in records)
    others = len(records) - len(kept) - failed
    for count, what in ((others, "of other files"), (failed, "without a result")):
        if count:
            remarks.append(f"launches {what}, which stay behind: {count}")
    untimed = sorted(set(models) - {record.model for record in kept})
    if untimed:
        remarks.append(f"without launches: {', '.join(untimed)}")
    return kept, remarks


def _launches_in(folder: Path) -> list[LaunchRecord]:
    return store.load(folder) if (folder / store.NAME).exists() else []


def _copy_model(source: Path, target: Path) -> None:
    target.mkdir()
    for name in FILES:
        shutil.copyfile(source / name, target / name)


def _write_launches(folder: Path, launches: Sequence[LaunchRecord]) -> None:
    path = folder / store.NAME
    path.unlink(missing_ok=True)
    if launches:
        path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in launches))


def _checked_reason(reason: str) -> str:
    line = one_line(reason)
    if not line:
        raise UsageError("there is no reason", "say in --reason why the change is wanted")
    if len(line) > _MOST_REASON:
        raise UsageError(
            f"a reason of {len(line)} characters is too long", f"give at most {_MOST_REASON}"
        )
    return line
