"""Five seconds of our own runner on this machine, a run for each frame."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.sustained.curve_records import SUSTAINED_NAME
from asymm_deploy.bench.sustained.curves import curves_in


def test_each_frame_is_run_or_said_to_be_skipped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["bench", str(folder / "model.mnn"), "--for", "5s", "--every", "100ms"]
    assert cli.run([*command, "--allow", "stolen-time"]) == 0
    path = tmp_path / "results" / SUSTAINED_NAME
    (curve,), _ = curves_in(path.read_bytes(), path)
    assert curve.is_whole
    assert sum(x.runs + x.skipped for x in curve.seconds) == 50
    assert curve.reached_s == pytest.approx(5, abs=0.5)
    assert curve.launch.engine_version is not None
