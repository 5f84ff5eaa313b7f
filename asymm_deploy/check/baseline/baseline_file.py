"""baseline.json: what a baseline's folder holds, and whether it still does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from asymm_deploy import __version__
from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import COSTS_NAME
from asymm_deploy.bench.records import LaunchRecord, Precision
from asymm_deploy.check.findings import Metric, utc_now
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.files import read_regular, sha256_of, write_whole
from asymm_deploy.versioned import DamagedError, decode_json

BASELINE_SCHEMA_VERSION = 1
BASELINE_FILE = "baseline.json"
BASELINE_MODEL_FILES = (manifests.MANIFEST_NAME, manifests.MNN, manifests.REFERENCE)
"""What a baseline keeps of each model, besides the recorded input of those that have one."""
_SAVE_ANEW = (
    "move it away and save it anew with `asymm-deploy baseline save ARTIFACTS --into FOLDER`"
)


class BaselineSetting(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where and with what a baseline's launches were made; None means unknown."""

    device: str
    soc: str | None
    cpus: tuple[int, ...]
    engine: str
    engine_version: str | None
    runner: str | None
    runner_version: str | None
    precision: Precision
    threads: int


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A change that somebody intended."""

    model: str
    metric: Metric | None
    """None: all of them, since the candidate's files became the model's baseline."""
    up_to_percent: float | None
    """A larger change still alarms; None if the files were replaced."""
    reason: str
    by: str
    at: str
    """ISO 8601, UTC."""
    former_sha256: manifests.Sha256 | None = None
    """Of the model.mnn that was replaced."""
    sha256: manifests.Sha256 | None = None
    """Of the one that took its place."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """``baseline.json``."""

    schema_version: int
    program: str
    """``asymm-deploy`` and its version."""
    saved_at: str
    """ISO 8601, UTC."""
    models: tuple[str, ...]
    settings: tuple[BaselineSetting, ...]
    """Those of the launches; empty if there are no launches."""
    launches: int
    files: dict[str, manifests.Sha256]
    """Every other file by its path in the folder."""
    accepted: tuple[Accepted, ...] = ()
    """In the order in which they were accepted; for a model and metric the last one counts."""


def kept_files(folder: Path) -> tuple[str, ...]:
    """Return what a baseline keeps of the exported model in ``folder``; raises as load_manifest."""
    recorded = manifests.INPUTS in manifests.load_manifest(folder).files  # from version 2 on
    return (*BASELINE_MODEL_FILES, manifests.INPUTS) if recorded else BASELINE_MODEL_FILES


def is_baseline(folder: Path) -> bool:
    """Whether ``folder`` says that it is one."""
    return (folder / BASELINE_FILE).exists()


def load_baseline(folder: Path) -> Baseline:
    """Return the baseline in ``folder`` after comparing every file with what was saved.

    Raises UsageError if there is none, a newer program wrote it, or a file was changed, lost or
    added by hand.
    """
    baseline = read_baseline_file(folder)
    refuse_strays(folder, baseline)
    for name, sha256 in baseline.files.items():
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise UsageError(
                f"{folder} is an incomplete baseline: {name}: {error.strerror}", _SAVE_ANEW
            ) from error
        if found != sha256:
            raise UsageError(
                f"{folder / name} is not the file that was saved: its SHA-256 differs",
                f"restore it, or {_SAVE_ANEW} (a usual cause is git converting line ends: put "
                "`* -text` into a .gitattributes there)",
            )
    return baseline


def read_baseline_file(folder: Path) -> Baseline:
    """Return what baseline.json says; raise UsageError if it can't be believed.

    The other files are not looked at; ``load_baseline`` does that.
    """
    path = folder / BASELINE_FILE
    try:
        raw = read_regular(path)
    except OSError as error:
        raise UsageError(
            f"{folder} is not a baseline: can't read {BASELINE_FILE}: {error.strerror}",
            "give a folder that `asymm-deploy baseline save` wrote",
        ) from error
    try:
        baseline = decode_json(
            raw, Baseline, BASELINE_SCHEMA_VERSION, where=str(path), hint=_SAVE_ANEW
        )
    except DamagedError as error:
        raise UsageError(f"{path} is damaged: {error}", f"restore it, or {_SAVE_ANEW}") from error
    names = [*baseline.files, *baseline.models]
    if any(not _is_inside(name) for name in names) or any(
        f"{model}/{name}" not in baseline.files
        for model in baseline.models
        for name in BASELINE_MODEL_FILES
    ):
        raise UsageError(f"{path} is damaged: it names files wrongly", _SAVE_ANEW)
    return baseline


def refuse_strays(folder: Path, baseline: Baseline) -> None:
    """Raise UsageError if a model or launches were put into ``folder`` by hand."""
    for path in sorted(folder.iterdir()):
        if path.name not in baseline.models and (path / manifests.MANIFEST_NAME).exists():
            raise UsageError(
                f"{path} was not saved with the baseline: nobody knows whether it is complete",
                f"move it out; `asymm-deploy baseline accept {folder} --model {path.name} "
                "--candidate ARTIFACTS --reason TEXT` adds a model",
            )
        if path.name == store.NAME and store.NAME not in baseline.files:
            raise UsageError(
                f"{path} was not saved with the baseline: nobody knows which files were timed",
                "move it out; `asymm-deploy baseline save --results` saves launches",
            )
        if path.name == COSTS_NAME and COSTS_NAME not in baseline.files:
            raise UsageError(
                f"{path} was not saved with the baseline: nobody knows which files were counted",
                "move it out; `asymm-deploy baseline save` counts where an emulator is set up",
            )


def write_baseline(
    folder: Path,
    models: tuple[str, ...],
    launches: Sequence[LaunchRecord],
    accepted: tuple[Accepted, ...],
) -> Baseline:
    """Write baseline.json for what is in ``folder``, and return it."""
    names = [f"{model}/{name}" for model in models for name in kept_files(folder / model)]
    if launches:
        names.append(store.NAME)
    if (folder / COSTS_NAME).exists():
        names.append(COSTS_NAME)
    baseline = Baseline(
        schema_version=BASELINE_SCHEMA_VERSION,
        program=f"asymm-deploy {__version__}",
        saved_at=utc_now(),
        models=models,
        settings=_settings(launches),
        launches=len(launches),
        files={name: sha256_of(folder / name) for name in names},
        accepted=accepted,
    )
    write_baseline_file(baseline, folder)
    return baseline


def write_baseline_file(baseline: Baseline, folder: Path) -> None:
    """Write baseline.json, whole or not at all."""
    write_whole(folder / BASELINE_FILE, as_json(baseline).encode() + b"\n")


def as_json(baseline: Baseline) -> str:
    """Return baseline.json's text."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2).decode()


def _settings(records: Iterable[LaunchRecord]) -> tuple[BaselineSetting, ...]:
    found = {
        BaselineSetting(
            device=record.device,
            soc=record.device_facts.soc,
            cpus=record.cpus,
            engine=record.engine,
            engine_version=record.engine_version,
            runner=record.runner,
            runner_version=record.runner_version,
            precision=record.precision,
            threads=record.threads,
        )
        for record in records
        if record.error is None
    }
    return tuple(sorted(found, key=msgspec.json.encode))


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts
