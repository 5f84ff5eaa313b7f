"""What export left is taken as it is, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.errors import UsageError
from asymm_deploy.files import sha256_of


def test_a_folder_without_an_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no whole export") as caught:
        artifacts.exported(tmp_path, "mnn")
    assert "--force" in caught.value.hint


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"schema_version": 1}')
    with pytest.raises(UsageError, match="holds no whole export"):
        artifacts.exported(tmp_path, "mnn")


def test_a_bare_file_has_no_reference(artifact: Artifact) -> None:
    bare = artifacts.bare(artifact.path)
    assert (bare.model, bare.sha256) == ("model", sha256_of(artifact.path))
    assert bare.reference is None
    assert bare.inputs is None


def test_a_bare_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        artifacts.bare(tmp_path / "none.mnn")


def test_a_file_that_was_changed_says_so(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "model.mnn"
    path.write_bytes(artifact.path.read_bytes())
    copy = artifacts.bare(path)
    assert artifacts.changed(copy) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert "SHA-256 differs" in (artifacts.changed(copy) or "")
    path.unlink()
    assert "can't read" in (artifacts.changed(copy) or "")
