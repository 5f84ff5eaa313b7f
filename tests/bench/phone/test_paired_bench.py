"""`bench --paired` on a phone, whole: each pair is one command, and heat spoils no ratio."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy import cli
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.paired.pair_row import PAIRED_LAUNCHES
from asymm_deploy.commands import bench_steps
from tests.bench.phone.conftest import NOISE, lines_in
from tests.phone.faults import Throttles
from tests.phone.phone import Phone

NETWORKS = ("asymmnet_small_100", "mbv3_small_100")


@pytest.fixture(autouse=True)
def exported(monkeypatch: pytest.MonkeyPatch, unverified: Artifact, tmp_path: Path) -> None:
    """Both networks are the same small one, in files of their own."""

    def export(requests: Sequence[Any]) -> list[Any]:
        return [SimpleNamespace(request=request, failure=None) for request in requests]

    def subject(outcome: Any, plan: object) -> Artifact:
        model = outcome.request.source.model
        content = unverified.path.read_bytes() + b"\0" * (1 + NETWORKS.index(model))
        path = tmp_path / f"{model}.mnn"
        path.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return dataclasses.replace(unverified, model=model, path=path, sha256=sha256)

    monkeypatch.setattr(bench_steps, "export_with_progress", export)
    monkeypatch.setattr(bench_steps, "exported_subject", subject)


def test_a_pair_is_one_command_and_one_that_throttles_is_made_again(
    phone: Phone,
    adb_environment: object,
    phone_runner: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    is_clean: Callable[[Phone], bool],
) -> None:
    phone.faults.add(Throttles(given="--second-model", khz=825_600, cools_after_s=0.0))
    out = tmp_path / "results"
    allowed = [f"--allow={name}" for name in NOISE if name != "throttled"]
    numbers = ("--runs=20", "--launches=1", "--warmup=1", "--patience=20", "--cool-down=0.1")
    where = ("--runner", str(phone_runner), "--device", "auto", "--out", str(out))
    code = cli.run(["bench", *NETWORKS, "--paired", *numbers, *where, *allowed])
    said = capfd.readouterr().err
    # This machine may be as uneven as a phone that throttles; that is told, and no failure.
    assert code in {0, 4}, said
    told = re.search(r"takes ([\d.]+) times as long as mbv3_small_100 .* paired launches", said)
    assert told is not None, said
    assert 0.5 < float(told[1]) < 2
    records = lines_in(out)
    pairs = [record for record in records if record.paired is not None]
    assert {record.error for record in records} == {None}
    assert all("throttled" in record.flags for record in pairs[:2])
    assert [record.launch for record in pairs[:4]] == [0, 0, 0, 0]
    assert {record.launch for record in pairs} == set(range(PAIRED_LAUNCHES))
    assert len(phone.launches) == len(records) - len(pairs) // 2
    assert is_clean(phone)
