"""``variants`` from a model and images to one table, again without measuring; what it refuses."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymm_deploy.bench.paired import pair_row
from asymm_deploy.cli import run

NET = """
import torch
from torch import nn


class Brightest(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
            self.conv.bias.zero_()

    def forward(self, x):
        return torch.flatten(nn.functional.adaptive_avg_pool2d(self.conv(x), 1), 1)


def make():
    return Brightest()


def flat():
    return nn.Flatten()
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network and images of three colours."""
    folder = tmp_path_factory.mktemp("variants desk")
    (folder / "coloured.py").write_text(NET)
    (folder / "recipe.json").write_text('{"mean": [0, 0, 0], "std": [255, 255, 255]}')
    noise = np.random.default_rng(0)
    for place, name in enumerate(("a red", "b green", "c blue")):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            pixels = noise.integers(0, 120, (20, 30, 3), dtype=np.uint8)
            pixels[..., place] += 100
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    return folder


def variants(*more: str) -> int:
    shape = ("--input-shape", "1,3,16,16")
    return run(["variants", "coloured:make", *shape, "--no-cost", "--jobs", "1", *more])


EVALUATED = ("--images", "images", "--preprocess", "recipe.json")


def rows(out: str = "results") -> list[dict[str, str]]:
    with (Path(out) / "variants.csv").open() as file:
        return list(csv.DictReader(file))


def test_all_that_is_known_of_variants_stands_in_one_table(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    monkeypatch.setattr(pair_row, "PAIRED_LAUNCHES", 1)
    timed = ("--runs", "2", "--launches", "1", "--variant", "fp16,w8")
    assert variants(*EVALUATED, *timed, *_allowed()) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("variant ")
    assert "\nw8: " in out
    assert "as many" not in out
    found = {row["variant"]: row for row in rows()}
    assert list(found) == ["fp32", "fp16", "w8"]
    assert found["fp32"]["top1_percent"] == found["w8"]["top1_percent"] == "100.000"
    assert float(found["w8"]["file_mb"]) > 0
    assert found["fp16"]["flags"] == "not measured here"
    assert found["fp16"]["latency_median_ms"] == ""
    assert float(found["w8"]["ratio"]) > 0
    assert "of its time" in found["fp32"]["why"]
    assert "wrote results/variants.csv" in err

    lines = Path("results/runs.jsonl").read_text()
    assert variants(*EVALUATED, *timed, *_allowed()) == 0
    assert Path("results/runs.jsonl").read_text() == lines, "nothing is measured again"
    assert "12 of 12 images were done before" in capsys.readouterr().err


def _allowed() -> list[str]:
    from asymm_deploy.bench.flags import FLAGS
    from asymm_deploy.errors import ExitCode

    noise = [name for name, flag in FLAGS.items() if flag.exit_code == ExitCode.UNSTABLE]
    return [part for name in noise for part in ("--allow", name)]


def test_without_images_outputs_are_compared_and_int8_says_what_it_lacks(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    assert variants("--no-time", "--variant", "half", "--out", "other", "--format", "csv") == 0
    assert capsys.readouterr().out == Path("other/variants.csv").read_text()
    half = rows("other")[1]
    assert (half["variant"], half["top1_percent"]) == ("half", "")
    assert half["agreement_of"] == "the export's inputs"
    assert "dB from fp32's over the export's inputs" in half["why"]
    assert variants("--no-time", "--variant", "int8", "--out", "other") == 2
    assert "int8: not made: int8 learns its ranges from images" in capsys.readouterr().out
    assert [row["variant"] for row in rows("other")] == ["half", "fp32", "int8"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("coloured:make@w8",), "names a variant"),
        (("coloured:make", "--variant", "w9"), "'w9' is no variant"),
        (("coloured.mnn",), "coloured.mnn is taken as it is, and has no variants"),
        (("coloured:make", "--limit", "4"), "--limit is for images, and there are none"),
        (("coloured:make", "--images", "gone"), "gone"),
        (("asymmnet_small_035_face", "--images", "images"), "is for another task"),
        (("coloured:make", "--device", "a76", "--cpu", "1"), "--cpu"),
    ],
)
def test_what_can_not_be_compared_is_refused_before_anything_is_made(
    desk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(desk)
    code = run(["variants", *given, "--artifacts", "none", "--out", "nothing"])
    out, err = capsys.readouterr()
    assert (out, code) == ("", 2 if "a76" not in given else code)
    assert code in (2, 3), "3: without an emulator"
    assert words in err or code == 3
    assert not Path("none").exists()


def test_a_model_that_is_no_classifier_has_its_other_figures(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    given = ("coloured:flat", "--input-shape", "1,3,4,4", *EVALUATED, "--variant", "fp32")
    code = run(["variants", *given, "--no-time", "--no-cost", "--jobs", "1", "--out", "flat"])
    out, err = capsys.readouterr()
    assert code == 2
    assert "error: " in err
    assert "fp32: what the others are compared with" in out
