"""The parts of a baseline's folder: exported models that are proven complete, and launches."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from asymm_deploy.bench import store
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.baseline.baseline_file import kept_files
from asymm_deploy.check.folders import is_model
from asymm_deploy.errors import UsageError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.files import resolved


def complete_exports(artifacts: Path) -> dict[str, Path]:
    """Return the folders of all models in ``artifacts`` by name; it may be one model's own folder.

    Raises UsageError if there is none, or if one is damaged.
    """
    try:
        one = is_model(artifacts)
        folders = [resolved(artifacts)] if one else sorted(filter(is_model, artifacts.iterdir()))
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
            manifest = manifests.load_manifest(folder)
        except OSError as error:
            why = f"can't read {manifests.MANIFEST_NAME}: {error.strerror}"
            raise _incomplete(folder, why) from error
        except manifests.DamagedManifestError as error:
            raise _incomplete(folder, str(error)) from error
        damaged = set(manifests.damaged_files(manifest, folder)) & set(kept_files(folder))
        if damaged:
            raise _incomplete(folder, f"{', '.join(sorted(damaged))} missing or changed")
    return {folder.name: folder for folder in folders}


def copy_model(source: Path, target: Path) -> None:
    """Copy the files that a baseline keeps of a model to a new folder."""
    target.mkdir()
    for name in kept_files(source):
        shutil.copyfile(source / name, target / name)


def launches_in(folder: Path) -> list[LaunchRecord]:
    """Return the launches in ``folder``; none if it has no runs.jsonl."""
    return store.load(folder) if (folder / store.NAME).exists() else []


def write_launches(folder: Path, launches: Sequence[LaunchRecord]) -> None:
    """Replace the launches in ``folder``; without any it has no runs.jsonl."""
    path = folder / store.NAME
    path.unlink(missing_ok=True)
    if launches:
        path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in launches))


def _incomplete(folder: Path, why: str) -> UsageError:
    return UsageError(f"{folder} holds an incomplete export: {why}", "export the model again")
