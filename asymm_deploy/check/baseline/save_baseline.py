"""A baseline: the version to compare with, as a folder to commit or to cache.

It is a folder of exported models and of results at once, so ``check`` takes it for either:
MODEL/manifest.json, model.mnn, reference.npz and inputs.bin; runs.jsonl; and baseline.json, which
says what these are and which changes were accepted. model.onnx is not kept, since ``check`` times
none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from asymm_deploy.bench import store
from asymm_deploy.bench.artifact import Artifact, exported
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.judge.rows import alone
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.baseline_contents import baseline_size
from asymm_deploy.check.baseline.baseline_file import (
    BASELINE_FILE,
    Baseline,
    is_baseline,
    read_baseline_file,
    refuse_strays,
    write_baseline,
)
from asymm_deploy.check.baseline.baseline_parts import complete_exports, copy_model, write_launches
from asymm_deploy.check.baseline.folder_swap import real_place, recover, swapped
from asymm_deploy.check.baseline.kept_counts import write_counts
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.text import counted


def save_baseline(
    artifacts: Path,
    into: Path,
    *,
    results: Path | None = None,
    force: bool = False,
    count: Callable[[Sequence[Artifact]], Sequence[CostRecord]] | None = None,
) -> tuple[Baseline, list[str]]:
    """Write a baseline of all models in ``artifacts``; return it and remarks for people.

    From ``results`` it takes the finished launches of these very files, and from ``count`` what
    they execute in an emulator. The folder appears whole or not at all. ``force`` replaces a
    baseline: files in it that are not ours are kept, and what was accepted is forgotten. Raises
    UsageError if something is missing, damaged or in the way.
    """
    into = real_place(into)
    recover(into, is_baseline)
    former = _what_is_there(into, force=force)
    models = complete_exports(artifacts)
    foreign = _foreign(into, former)
    for name in sorted(models.keys() & foreign):
        raise UsageError(f"{into / name} is in the way, and not ours", "move it out")
    launches: list[LaunchRecord] = []
    remarks: list[str] = []
    if results is not None:
        launches, remarks = _launches_of(models, results)
    counts: list[CostRecord] = []
    if count is not None:
        counts, uncounted = _good_counts(
            count([exported(folder, "mnn") for folder in models.values()])
        )
        remarks += uncounted
    with swapped(into, keeping=foreign) as aside:
        for name, folder in models.items():
            copy_model(folder, aside / name)
        write_launches(aside, launches)
        write_counts(aside, counts)
        baseline = write_baseline(aside, tuple(models), launches, ())
    return baseline, [baseline_size(into, baseline), *remarks]


def _what_is_there(into: Path, *, force: bool) -> Baseline | None:
    """Return the baseline to replace, if there is one; raise UsageError for what is in the way."""
    try:
        if not into.exists() or (into.is_dir() and next(into.iterdir(), None) is None):
            return None
    except OSError as error:
        raise UsageError(f"can't read {into}: {error.strerror}", "give another folder") from error
    if not is_baseline(into):
        raise UsageError(
            f"{into} exists, and is not a baseline",
            "give another folder: not even --force replaces what is not ours",
        )
    if not force:
        raise UsageError(
            f"{into} holds a baseline",
            "pass --force to replace it and to forget what was accepted, or `baseline accept`",
        )
    former = read_baseline_file(into)
    refuse_strays(into, former)
    return former


def _foreign(into: Path, former: Baseline | None) -> list[str]:
    """Return the names in a baseline's folder that it didn't write: .gitattributes, for example."""
    if former is None:
        return []
    ours = {BASELINE_FILE, *(PurePosixPath(name).parts[0] for name in former.files)}
    return [path.name for path in into.iterdir() if path.name not in ours]


def _good_counts(counts: Sequence[CostRecord]) -> tuple[list[CostRecord], list[str]]:
    """Return the counts that a check can use, and remarks on the others."""
    kept = [record for record in counts if record.counts is not None and record.valid]
    remarks = [
        f"{record.model}: counts are not kept: {record.error or ', '.join(record.flags)}"
        for record in counts
        if record not in kept
    ]
    if kept:
        some = f"{len(kept)} of " if remarks else ""
        remarks.append(f"counts of {some}{counted(len(counts), 'model')} are kept")
    return kept, remarks


def _launches_of(models: dict[str, Path], results: Path) -> tuple[list[LaunchRecord], list[str]]:
    """Return the finished launches of the models' files, and remarks on what is left out."""
    everything = store.load(results)
    records = alone(everything)
    wanted = {
        (name, manifests.load_manifest(folder).files[manifests.MNN])
        for name, folder in models.items()
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
    paired = len(everything) - len(records)
    for count, what in (
        (others, "of other files"),
        (failed, "without a result"),
        (paired // 2, "in turns with another model"),
    ):
        if count:
            remarks.append(f"launches {what}, which are left out: {count}")
    untimed = sorted(set(models) - {record.model for record in kept})
    if untimed:
        remarks.append(f"without launches: {', '.join(untimed)}")
    return kept, remarks
