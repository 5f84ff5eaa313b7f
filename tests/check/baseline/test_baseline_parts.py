"""Only complete exports become a part of a baseline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.check.baseline.baseline_file import load_baseline
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.errors import UsageError

Export = Callable[..., Path]


@pytest.mark.parametrize("name", ["model.mnn", "reference.npz"])
def test_a_damaged_export_is_refused(export: Export, tmp_path: Path, name: str) -> None:
    artifacts = export("a")
    (artifacts / "a" / name).write_bytes(b"other")
    with pytest.raises(UsageError, match="holds an incomplete export"):
        save_baseline(artifacts, tmp_path / "baseline")


def test_the_recorded_input_is_a_part(export: Export, tmp_path: Path) -> None:
    export("a", recorded=True)
    baseline, _remarks = save_baseline(export("old"), tmp_path / "baseline")
    assert (tmp_path / "baseline" / "a" / "inputs.bin").read_bytes() == b"values"
    assert "a/inputs.bin" in baseline.files
    assert "old/inputs.bin" not in baseline.files
    load_baseline(tmp_path / "baseline")
    (tmp_path / "baseline" / "a" / "inputs.bin").write_bytes(b"others")
    with pytest.raises(UsageError, match=r"inputs\.bin is not the file that was saved"):
        load_baseline(tmp_path / "baseline")


def test_a_damaged_recorded_input_is_refused(export: Export, tmp_path: Path) -> None:
    artifacts = export("a", recorded=True)
    (artifacts / "a" / "inputs.bin").unlink()
    with pytest.raises(UsageError, match=r"incomplete export: inputs\.bin missing or changed"):
        save_baseline(artifacts, tmp_path / "baseline")


def test_folders_without_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read"):
        save_baseline(tmp_path / "missing", tmp_path / "baseline")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no exported models"):
        save_baseline(tmp_path / "empty", tmp_path / "baseline")
