"""The exact gate on a real emulator: what grew is found and named, and what didn't is exactly 0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy import cli
from asymm_deploy.bench.emulated import emulator_home
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.check.baseline.kept_counts import read_counts

GRAPH = """
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,3,16,16] x) => (float[1,8,16,16] y)
<float[1] factor = {{{factor}}}>
{{
  scaled = Mul(x, factor)
  first = Conv<pads=[1,1,1,1]>(scaled, first_weight)
  bent = Relu(first)
  y = Conv<pads=[1,1,1,1]>(bent, second_weight)
}}
"""


def exported(folder: Path, channels: int = 16, factor: float = 1.5) -> None:
    model = onnx.parser.parse_model(GRAPH.format(factor=factor))
    random = np.random.default_rng(1)
    for name, shape in (("first", (channels, 3, 3, 3)), ("second", (8, channels, 3, 3))):
        weight = random.normal(size=shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weight, f"{name}_weight"))
    source = folder.parent / f"of-{folder.name}" / "net.onnx"
    source.parent.mkdir()
    onnx.save(model, source)
    assert cli.run(["export", str(source), "--out", str(folder), "--jobs", "1"]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Path:
    """Folders old, wider (one channel more in the first layer) and scaled (another factor)."""
    del emulator  # without one nothing is exported
    folder = tmp_path_factory.mktemp("versions")
    exported(folder / "old")
    exported(folder / "wider", channels=17)
    exported(folder / "scaled", factor=2.5)
    return folder


@pytest.fixture(autouse=True)
def found(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator_home, "find_emulator", lambda: emulator)


def check(folder: Path, candidate: str, tmp_path: Path, baseline: str = "old") -> Any:
    """Return the report and the exit code; sizes are not what this is about."""
    sizes = [f"--{name}-threshold=100%" for name in ("size", "madds", "params")]
    folders = ["--baseline", str(folder / baseline), "--candidate", str(folder / candidate)]
    report = tmp_path / "check.json"
    code = cli.run(
        [
            "check",
            *folders,
            "--device",
            "a76",
            *sizes,
            "--json",
            str(report),
            "--out",
            str(tmp_path / "out"),
        ]
    )
    return json.loads(report.read_text()), code


def test_one_channel_more_in_one_layer_is_found_and_named(made: Path, tmp_path: Path) -> None:
    report, code = check(made, "wider", tmp_path)
    assert code == 1
    (change,) = (found for found in report["changes"] if found["metric"] == "instructions")
    assert change["verdict"] == "regressed"
    named = [found["name"] for found in change["operators"][:2]]
    assert any("first" in name for name in named), named
    growth = change["candidate"] - change["baseline"]
    inside = sum(found["candidate"] - found["baseline"] for found in change["operators"])
    assert inside == pytest.approx(growth, rel=0.05)


def test_another_constant_is_exactly_no_change(made: Path, tmp_path: Path) -> None:
    report, code = check(made, "scaled", tmp_path)
    assert code == 0
    changes = {found["metric"]: found for found in report["changes"]}
    for metric in ("instructions", "l2_misses", "l3_misses"):
        assert changes[metric]["baseline"] == changes[metric]["candidate"]
        assert changes[metric]["change_percent"] == 0
        assert changes[metric]["why"] == "It is the same, to the last one."


def test_a_baseline_keeps_what_is_counted_and_a_copy_is_the_same_file(
    made: Path, tmp_path: Path
) -> None:
    saved = made / "baseline"
    assert cli.run(["baseline", "save", str(made / "old"), "--into", str(saved)]) == 0
    (record,) = read_counts(saved)
    report, code = check(made, "scaled", tmp_path, baseline="baseline")
    (change,) = (found for found in report["changes"] if found["metric"] == "instructions")
    assert (code, change["baseline"]) == (0, record.counts and record.counts.insn)
    report, code = check(made, "old", tmp_path, baseline="baseline")
    assert (report["verdict"], code) == ("same", 0)
