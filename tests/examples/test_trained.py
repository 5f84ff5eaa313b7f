"""A network that was trained on digits is exported and evaluated, and three engines read alike."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest

from asymm_deploy import cli

for needed in ("sklearn", "PIL", "pyarrow"):
    pytest.importorskip(needed, reason="the extra is not installed: pip install '.[train]'")
ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "tests/data/trained/asymmnet_small_035.safetensors"
MODEL = "asymmnet_small_035"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example writes."""
    folder = tmp_path_factory.mktemp("digits")
    spec = importlib.util.spec_from_file_location("digits", ROOT / "examples/train/digits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["digits.py", str(folder)])
        module.main()
    return folder


def test_it_is_evaluated_as_it_was_exported_without_saying_so_again(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["--classes", "10", "--input-shape", "1,3,64,64", "--weights", str(WEIGHTS)]
    assert cli.run(["export", MODEL, *given]) == 0
    before = (tmp_path / "artifacts" / MODEL / "manifest.json").read_bytes()
    assert cli.run(["export", MODEL, "--quantize", "w8"]) == 0
    variant = json.loads((tmp_path / f"artifacts/{MODEL}@w8/manifest.json").read_bytes())
    assert (variant["given_classes"], variant["input_shape"]) == (10, [1, 3, 64, 64])
    images = ["--images", str(digits / "val"), "--limit", "150"]
    assert cli.run(["evaluate", MODEL, *images]) == 0
    assert (tmp_path / "artifacts" / MODEL / "manifest.json").read_bytes() == before
    text = (tmp_path / "results/accuracy.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    told = [(row["variant"], row["engine"]) for row in rows]
    assert told == [*(("fp32", each) for each in ("torch", "onnxruntime", "mnn")), ("w8", "mnn")]
    assert all(float(row["top1_percent"]) > 98 for row in rows)
    assert {row["agreement_percent"] for row in rows[1:3]} == {"100.000"}
    assert {(row["weights"], row["classes"]) for row in rows} == {("trained", "10")}
