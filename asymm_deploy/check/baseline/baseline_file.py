"""baseline.json: what a baseline's folder holds, and how it is read and replaced as a whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated

import msgspec

from asymm_deploy import __version__
from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord, Precision
from asymm_deploy.check.findings import Metric
from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.files import followed, is_full, sha256_of, write_whole
from asymm_deploy.versioned import DamagedError, decode_json

SCHEMA_VERSION = 1
NAME = "baseline.json"
FILES = (manifests.NAME, manifests.MNN, manifests.REFERENCE)
"""Of a model."""
_START_ANEW = (
    "move it away and save it anew with `asymm-deploy baseline save ARTIFACTS --into FOLDER`"
)

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Setting(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Where and by what the launches of a baseline were made; None is unknown."""

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
    """A change that somebody wanted."""

    model: str
    metric: Metric | None
    """None: all of them, since the candidate's files became the model's baseline."""
    up_to_percent: float | None
    """More than that still alarms; None where the files were replaced."""
    reason: str
    by: str
    at: str
    """ISO 8601, UTC."""
    former_sha256: Sha256 | None = None
    """Of the model.mnn that was replaced."""
    sha256: Sha256 | None = None
    """Of the one that took its place."""


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """``baseline.json``."""

    schema_version: int
    program: str
    """``asymm-deploy`` and its version."""
    saved_at: str
    """ISO 8601, UTC."""
    models: tuple[str, ...]
    settings: tuple[Setting, ...]
    """Of the launches; none where there are none."""
    launches: int
    files: dict[str, Sha256]
    """Every other file by its path in the folder."""
    accepted: tuple[Accepted, ...] = ()
    """In the order in which it was accepted; for a model and metric the last one counts."""


def load(folder: Path) -> Baseline:
    """Return the baseline in ``folder`` after comparing every file with what was saved.

    Raises UsageError if there is none, a newer program wrote it, or a file is not what it was or
    was never saved.
    """
    baseline = read(folder)
    refuse_strays(folder, baseline)
    for name, sha256 in baseline.files.items():
        try:
            found = sha256_of(folder / name)
        except OSError as error:
            raise UsageError(
                f"{folder} is no whole baseline: {name}: {error.strerror}", _START_ANEW
            ) from error
        if found != sha256:
            raise UsageError(
                f"{folder / name} is not the file that was saved: its SHA-256 differs",
                f"restore it, or {_START_ANEW} (line ends that git converts are a usual cause: "
                "put `* -text` into a .gitattributes there)",
            )
    return baseline


def refuse_strays(folder: Path, baseline: Baseline) -> None:
    """Raise UsageError where a model or launches were put into ``folder`` by hand."""
    for path in sorted(folder.iterdir()):
        if path.name not in baseline.models and (path / manifests.NAME).is_file():
            raise UsageError(
                f"{path} was not saved with the baseline: nobody knows whether it is whole",
                f"move it out; `asymm-deploy baseline accept {folder} --model {path.name} "
                "--candidate ARTIFACTS --reason TEXT` adds a model",
            )
        if path.name == store.NAME and store.NAME not in baseline.files:
            raise UsageError(
                f"{path} was not saved with the baseline: nobody knows of what it is",
                "move it out; `asymm-deploy baseline save --results` saves launches",
            )


def is_baseline(folder: Path) -> bool:
    """Whether ``folder`` says that it is one."""
    return (folder / NAME).is_file()


def written(
    folder: Path,
    models: tuple[str, ...],
    launches: Sequence[LaunchRecord],
    accepted: tuple[Accepted, ...],
) -> Baseline:
    """Write baseline.json for what is in ``folder``, and return it."""
    names = [f"{model}/{name}" for model in models for name in FILES]
    if launches:
        names.append(store.NAME)
    baseline = Baseline(
        schema_version=SCHEMA_VERSION,
        program=f"asymm-deploy {__version__}",
        saved_at=now(),
        models=models,
        settings=_settings(launches),
        launches=len(launches),
        files={name: sha256_of(folder / name) for name in names},
        accepted=accepted,
    )
    save_json(baseline, folder)
    return baseline


def save_json(baseline: Baseline, folder: Path) -> None:
    """Write baseline.json, whole or not at all."""
    write_whole(folder / NAME, as_json(baseline).encode() + b"\n")


def _settings(records: Iterable[LaunchRecord]) -> tuple[Setting, ...]:
    found = {
        Setting(
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


def as_json(baseline: Baseline) -> str:
    """Return baseline.json's text."""
    return msgspec.json.format(msgspec.json.encode(baseline), indent=2).decode()


@contextmanager
def swapped(folder: Path, *, keeping: Sequence[str]) -> Iterator[Path]:
    """Yield a new folder that takes the place of ``folder`` when all went well.

    It begins with copies of the entries in ``keeping``. Whatever fails, ``folder`` is as it was; a
    crash between the two renames leaves it beside its place, as FOLDER.former.XXXX. ``folder`` is
    as ``place`` returned it.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=".part"))
    except OSError as error:
        raise cant_write(folder, error) from error
    try:
        aside.chmod(0o755)  # mkdtemp makes it for nobody else to read
        for name in keeping:
            source = folder / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, aside / name, symlinks=True)
            else:
                shutil.copy2(source, aside / name, follow_symlinks=False)
        yield aside
        _take_place(aside, folder)
    except OSError as error:
        raise cant_write(folder, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _take_place(aside: Path, folder: Path) -> None:
    """Rename ``aside`` to ``folder``, and remove what was there."""
    if not folder.exists():
        aside.rename(folder)
        return
    former = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}.former."))
    try:
        folder.rename(former)  # which is empty, and ours
    except OSError:
        former.rmdir()
        raise
    try:
        aside.rename(folder)
    except OSError:
        former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)


def place(folder: Path) -> Path:
    """Return where ``folder`` leads: a link stays one, and ``.`` has a name."""
    try:
        return followed(folder)
    except OSError as error:
        raise UsageError(f"can't read {folder}: {error.strerror}", "give another folder") from error


def cant_write(folder: Path, error: OSError) -> DeployError:
    """Return what to raise where the folder can't be written."""
    return (HarnessError if is_full(error) else UsageError)(
        f"can't write the baseline {folder}: {error.strerror or error}",
        "give a folder that you may write to, with space left; nothing was changed",
    )


def read(folder: Path) -> Baseline:
    """Return what baseline.json says; raise UsageError if it can't be believed.

    The other files are not looked at; ``load`` does.
    """
    path = folder / NAME
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{folder} is no baseline: can't read {NAME}: {error.strerror}",
            "give a folder that `asymm-deploy baseline save` wrote",
        ) from error
    try:
        baseline = decode_json(raw, Baseline, SCHEMA_VERSION, where=str(path), hint=_START_ANEW)
    except DamagedError as error:
        raise UsageError(f"{path} is damaged: {error}", f"restore it, or {_START_ANEW}") from error
    names = [*baseline.files, *baseline.models]
    if any(not _is_inside(name) for name in names) or any(
        f"{model}/{name}" not in baseline.files for model in baseline.models for name in FILES
    ):
        raise UsageError(f"{path} is damaged: it names files wrongly", _START_ANEW)
    return baseline


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def now() -> str:
    """Return the time, in UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
