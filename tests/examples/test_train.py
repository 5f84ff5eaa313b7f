"""The training example goes on after a kill as if there had been none; export takes its weights."""

from __future__ import annotations

import csv
import gc
import importlib.util
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from asymm_deploy.export.weights import load_into
from asymm_deploy.models.build import build
from asymm_deploy.models.names import parse
from asymm_deploy.models.spec import with_classes

for needed in ("asymm_deploy.timm", "accelerate"):
    pytest.importorskip(
        needed, reason="the extra is not installed: pip install '.[train]'", exc_type=ImportError
    )
# timm opens images and leaves closing them to Python.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SCRIPT = Path(__file__).parents[2] / "examples/train/train.py"
MODEL = "asymmnet_small_035"


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("train_example", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """What timm left open is closed here, and not in another test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark and light images, 8 of each to train with and 3 to validate."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 3)):
        for name, least in (("dark", 0), ("light", 128)):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(least, least + 128, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root


def arguments(data: Path, out: Path, *more: str) -> list[str]:
    short = ["--size", "32", "--epochs", "2", "--warmup", "1", "--batch", "6", "--workers", "0"]
    return [MODEL, "--data", str(data), "--out", str(out), *short, *more]


def test_a_run_that_was_stopped_ends_in_the_weights_of_one_that_was_not(
    script: Any,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script.main(arguments(data, tmp_path / "whole"))
    assert "asymm-deploy export asymmnet_small_035 --classes 2" in capsys.readouterr().out
    validate, calls = script.top1, []

    def stopped(*given: Any) -> float:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return float(validate(*given))

    monkeypatch.setattr(script, "top1", stopped)
    with pytest.raises(KeyboardInterrupt):
        script.main(arguments(data, tmp_path / "stopped"))
    assert [path.name for path in (tmp_path / "stopped").glob("epoch-*")] == ["epoch-0001"]
    (tmp_path / "stopped/checkpoint.part").mkdir()  # of a kill while it was written
    script.main(arguments(data, tmp_path / "stopped"))
    assert "going on after epoch 1" in capsys.readouterr().out

    ends = [tmp_path / run / f"{MODEL}.safetensors" for run in ("whole", "stopped")]
    whole, again = map(load_file, ends)
    assert all(tensor.equal(again[name]) for name, tensor in whole.items())
    text = (tmp_path / "stopped/log.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    load_into(build(with_classes(parse(MODEL), 2)), ends[0])

    with pytest.raises(SystemExit):
        script.main(arguments(data, tmp_path / "whole", "--smoothing", "0"))
    assert "holds a run with smoothing 0.1, not smoothing 0.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("nonsense", "unknown model 'nonsense'"),
        ("asymmnet_small_035_face", "no classes"),
        ("mobilenetv2_100", "timm's own network"),
    ],
)
def test_only_our_classifiers_are_trained(
    script: Any, model: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        script.main([model, "--data", "nowhere", "--out", "nowhere"])
    assert said in capsys.readouterr().err


def test_classes_are_in_the_order_of_evaluate_those_without_images_too(
    script: Any, tmp_path: Path
) -> None:
    for part in ("train", "val"):
        for name in ("2", "10", "B", "a", ".hidden"):
            (tmp_path / part / name).mkdir(parents=True)
    assert script.class_names(tmp_path) == ["10", "2", "B", "a"]


@pytest.mark.parametrize("part", ["train", "val"])
def test_folders_without_images_are_told(
    script: Any, data: Path, tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(data, tmp_path / "data")
    for image in (tmp_path / "data" / part).rglob("*.*"):
        image.unlink()
    with pytest.raises(SystemExit) as ended:
        script.main(arguments(tmp_path / "data", tmp_path))
    assert ended.value.code == 2
    assert f"{part} has no images in its folders" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--batch", "17"], "16 images, fewer than a step takes"),
        (["--data", "nowhere"], "nowhere has no train/ and val/"),
        (["--epochs", "1"], "--warmup 1 leaves none of 1 epochs"),
        (["--batch", "0"], "0 must be at least 1"),
    ],
)
def test_what_can_not_be_trained_with_is_told(
    script: Any,
    data: Path,
    tmp_path: Path,
    more: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(arguments(data, tmp_path, *more))
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
