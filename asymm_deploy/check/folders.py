"""What the two folders hold: exported models, or results, or nothing of use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from asymm_deploy.bench import artifact, store
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest
from asymm_deploy.files import resolved
from asymm_deploy.safe import excerpt

_TO_TRY = (
    "give a folder that `asymm-deploy export --out`, `bench --out` or `baseline save` has written"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One model in both versions."""

    model: str
    baseline: Artifact
    candidate: Artifact

    @property
    def is_same_file(self) -> bool:
        """Whether both versions are one file, run in the same way: timing can't tell them apart.

        Their recorded inputs may differ, which is no change of the model. The files are read: where
        one is not what its manifest says, that has to be found out.
        """
        old, new = self.baseline, self.candidate
        if (old.sha256, old.api) != (new.sha256, new.api):
            return False
        return artifact.artifact_changed(old) is None and artifact.artifact_changed(new) is None


def has_models(folder: Path) -> bool:
    """Whether there is at least one exported model in ``folder``, or it is one itself."""
    return bool(_model_folders(folder))


def has_results(folder: Path) -> bool:
    """Whether there is a runs.jsonl in ``folder``, or it is one itself."""
    return folder.name == store.NAME or (folder / store.NAME).exists()


def require_comparable_folder(folder: Path, option: str) -> None:
    """Raise UsageError if there is nothing at ``folder`` to compare; ``option`` names it."""
    try:
        if not folder.exists():
            raise UsageError(f"{option}: there is no {folder}", _TO_TRY)
        if has_models(folder) or has_results(folder):
            return
        empty = folder.is_dir() and next(folder.iterdir(), None) is None
    except OSError as error:
        raise UsageError(f"{option}: can't read {folder}: {error.strerror}", _TO_TRY) from error
    what = "is empty" if empty else "has no exported models and no results in it"
    raise UsageError(f"{option}: {folder} {what}", _TO_TRY)


def pairs(baseline: Path, candidate: Path) -> tuple[list[Pair], list[str], list[str]]:
    """Return the models that both folders have, and the names of those that only one has.

    Two folders that are each one model's own are a pair, whatever the models are called. Raises
    UsageError if an export is incomplete, or a newer program's.
    """
    ours, theirs = _model_folders(baseline), _model_folders(candidate)
    if is_model(baseline) and is_model(candidate):
        (old,), (new,) = ours.values(), theirs.values()
        return [_pair(next(iter(theirs)), old, new)], [], []
    both = [name for name in ours if name in theirs]
    return (
        [_pair(name, ours[name], theirs[name]) for name in both],
        [name for name in ours if name not in theirs],
        [name for name in theirs if name not in ours],
    )


def require_comparable_pair(pair: Pair) -> None:
    """Raise UsageError if a model file is missing or the versions' input shapes differ."""
    for version in (pair.baseline, pair.candidate):
        path = version.path
        if not path.is_file():
            raise UsageError(
                f"{path.parent} holds an incomplete export: "
                + (f"{path.name} is no file" if path.exists() else f"there is no {path.name}"),
                "export the model again, with --force",
            )
    old, new = (_shapes(x) for x in (pair.baseline, pair.candidate))
    if old and new and old != new:
        raise UsageError(
            f"{pair.model} can't be compared: the input shape is {old} in the baseline and {new} "
            "in the candidate",
            "export both for the same --input-shape",
        )


def otherwise_fed(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return a remark on each model whose inputs have other names or types in the two versions.

    That is a change of what the model is given, which its latency, load and counts include.
    """
    return tuple(
        f"{pair.model}: its inputs are {old} in the baseline and {new} in the candidate. What that "
        "costs is part of the comparison."
        for pair in pairs
        if pair.baseline.inputs is not None
        and pair.candidate.inputs is not None
        and (old := _fed(pair.baseline)) != (new := _fed(pair.candidate))
    )


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of ``patterns``, globs or parts of names, matches; with none, all match."""
    globs = [text if any(char in text for char in "*?[") else f"*{text}*" for text in patterns]
    return not globs or any(fnmatchcase(name, glob) for glob in globs)


def require_matches(names: Collection[str], patterns: Sequence[str]) -> None:
    """Raise UsageError for a pattern that matches none of ``names``: a typo would always pass."""
    for pattern in patterns:
        if not any(matches(name, [pattern]) for name in names):
            raise UsageError(
                f"--models {pattern} matches no model", f"there are: {', '.join(sorted(names))}"
            )


def _pair(model: str, baseline: Path, candidate: Path) -> Pair:
    return Pair(model, artifact.exported(baseline, "mnn"), artifact.exported(candidate, "mnn"))


def _shapes(of: Artifact) -> str:
    return " and ".join("x".join(map(str, spec.shape)) for spec in of.inputs or ())


def _fed(of: Artifact) -> str:
    return ", ".join(f"{excerpt(spec.name)} ({spec.dtype})" for spec in of.inputs or ()) or "none"


def is_model(folder: Path) -> bool:
    """Whether ``folder`` is one exported model's own."""
    return (folder / manifest.MANIFEST_NAME).exists()


def _model_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of models by name, in the order of names."""
    if is_model(folder):
        return {resolved(folder).name: folder}
    if not folder.is_dir():
        return {}
    return {path.name: path for path in sorted(folder.iterdir()) if is_model(path)}
