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
from tests.bench.phone.conftest import lines_in
from tests.phone.faults import Meanwhile, Throttles
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
    # The first two launches are those of either network alone.
    phone.faults.add(Throttles(launch=2, khz=825_600))
    phone.faults.add(Meanwhile(launch=3, at="start", do=phone.world.cool))
    out = tmp_path / "results"
    numbers = ("--runs=20", "--launches=1", "--warmup=1", "--patience=20", "--cool-down=0.1")
    where = ("--runner", str(phone_runner), "--device", "auto", "--out", str(out))
    code = cli.run(["bench", *NETWORKS, "--paired", *numbers, *where])
    said = capfd.readouterr().err
    assert code == 0, said
    told = re.search(r"takes ([\d.]+) times as long as mbv3_small_100 .* paired launches", said)
    assert told is not None, said
    assert float(told[1]) == pytest.approx(1, rel=0.02)
    records = lines_in(out)
    pairs = [record for record in records if record.paired is not None]
    assert {record.error for record in records} == {None}
    assert ["throttled" in record.flags for record in pairs] == [n < 4 for n in range(len(pairs))]
    numbers_of_pairs = [0, 0, *range(PAIRED_LAUNCHES)]
    assert [record.launch for record in pairs] == [n for n in numbers_of_pairs for _ in range(2)]
    assert len(phone.launches) == len(records) - len(pairs) // 2
    assert is_clean(phone)
