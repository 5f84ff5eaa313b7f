"""What export left is taken as it is, or refused with what to do."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asymm_deploy.bench import artifact as artifacts
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.files import sha256_of


def test_a_folder_without_an_export_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds an incomplete export") as caught:
        artifacts.exported(tmp_path, "mnn")
    assert "--force" in caught.value.hint


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(b'{"schema_version": 1}')
    with pytest.raises(UsageError, match="holds an incomplete export"):
        artifacts.exported(tmp_path, "mnn")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_reference_damaged_anywhere_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Callable[..., None]
) -> None:
    known = SimpleNamespace(outputs=[TensorSpec("output", (1, 3))], variant=None)
    monkeypatch.setattr("asymm_deploy.bench.artifact.manifests.load_manifest", lambda folder: known)
    path = tmp_path / "reference.npz"
    save(path, output_0=np.zeros((1, 3), np.float32))
    whole = path.read_bytes()
    flipped = [
        whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
        for at in range(len(whole))
        for bit in (0, 3, 7)
    ]
    other = io.BytesIO()
    np.save(other, np.zeros(3))
    damaged = [*(whole[:size] for size in range(len(whole))), *flipped, other.getvalue()]
    said = []
    for content in damaged:
        path.write_bytes(content)
        try:
            artifacts.exported(tmp_path, "mnn")
        except UsageError as error:
            said.append(error.what)
        except AttributeError:
            pass  # a flipped bit of no account: it was read, and more of the manifest is wanted
    assert len(said) > len(damaged) / 2
    assert all("holds an incomplete export: " in what for what in said)


@pytest.mark.parametrize(("given", "raised"), [(None, False), (1e-5, False), (1e-2, True)])
def test_a_tolerance_above_ours_is_known(given: float | None, raised: bool) -> None:
    outputs = [np.zeros((1, 3), np.float32), np.zeros((1, 3, 8, 8), np.float32)]
    assert artifacts._is_above_ours(given, outputs) is raised
    assert artifacts._is_above_ours(5e-4, [np.zeros(3, np.int64)]) is False
    assert artifacts._is_above_ours(2e-3, [np.zeros(3, np.int64)]) is True


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
    assert artifacts.artifact_changed(copy) is None
    path.write_bytes(path.read_bytes()[:-1])
    assert "SHA-256 differs" in (artifacts.artifact_changed(copy) or "")
    path.unlink()
    assert "can't read" in (artifacts.artifact_changed(copy) or "")


def test_a_recorded_input_that_was_changed_says_so(artifact: Artifact, tmp_path: Path) -> None:
    path = tmp_path / "inputs.bin"
    path.write_bytes(b"values")
    known = replace(artifact, inputs_file=path, inputs_sha256=sha256_of(path))
    assert artifacts.artifact_changed(known) is None
    assert known.files == (artifact.path, path)
    path.write_bytes(b"other")
    assert "inputs.bin is not the file" in (artifacts.artifact_changed(known) or "")
    path.unlink()
    assert "can't read" in (artifacts.artifact_changed(known) or "")
