"""A live check on a phone, from its command line to its verdict."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.phone.options import PhoneOptions
from asymm_deploy.check.live import block_taker
from asymm_deploy.commands import check_progress
from tests.phone.faults import Throttles
from tests.phone.phone import Phone

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,3,64,64] x) => (float[1,32,64,64] y)
{
  y = Conv<pads=[1,1,1,1]>(x, weight)
}
"""
HEAT = ("throttled", "capped-clock", "hot")


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one export."""
    folder = tmp_path_factory.mktemp("net")
    model = onnx.parser.parse_model(GRAPH)
    weight = np.random.default_rng(1).normal(size=(32, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    onnx.save(model, folder / "net.onnx")
    out = folder / "artifacts"
    assert cli.run(["export", str(folder / "net.onnx"), "--out", str(out), "--jobs", "1"]) == 0
    return out


@pytest.fixture
def check(
    net: Path,
    phone: Phone,
    adb_environment: object,
    phone_runner: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Compare the model with itself on the phone; return the exit code and the report."""
    quick = partial(PhoneOptions, cool_down_s=0.0, patience_s=20.0)
    monkeypatch.setattr(check_progress, "PhoneOptions", quick)
    monkeypatch.setattr(block_taker, "_TRIES", 1)

    def run(*allowed: str) -> tuple[int, dict[str, Any]]:
        same = ("--baseline", net, "--candidate", net, "--same-file", "--threshold", "20%")
        where = ("--device", "auto", "--runner", phone_runner, "--out", tmp_path / "out")
        few = ("--runs", "20", "--warmup", "2", "--json", tmp_path / "check.json")
        flags = [f"--allow={name}" for name in allowed]
        code = cli.run(["check", *map(str, (*same, *where, *few)), *flags])
        return code, json.loads((tmp_path / "check.json").read_text())

    return run


def latency(report: dict[str, Any]) -> dict[str, Any]:
    (found,) = (change for change in report["changes"] if change["metric"] == "latency")
    return dict(found)


def test_a_phone_that_throttles_in_every_launch_is_no_change_of_the_model(
    check: Callable[..., tuple[int, dict[str, Any]]], phone: Phone
) -> None:
    """Its clock falls to less than a third in the middle of each launch."""
    phone.faults.add(Throttles(times=None, khz=825_600, cools_after_s=0.0))
    code, report = check()
    assert (code, latency(report)["verdict"]) == (4, "unstable")
    assert "throttled" in latency(report)["why"]
    launched = len(phone.launches)
    code, report = check(*HEAT)  # of the launches that are there
    assert (code, latency(report)["verdict"]) == (0, "pass")
    assert latency(report)["change_percent"] == pytest.approx(0, abs=2)
    assert len(phone.launches) == launched
