"""``evaluate`` from a folder of images to accuracy.csv, on three engines, and again after a cut."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymm_deploy.cli import run
from asymm_deploy.images.preprocessing import RECORDED_NAME, preprocessing_of

NET = """
import os
import signal

import torch
from torch import nn


class Brightest(nn.Module):
    '''The channel with the largest mean: red, green or blue.'''

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
            self.conv.bias.zero_()

    def forward(self, x):
        if os.path.exists("armed") and float(x.max()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.flatten(nn.functional.adaptive_avg_pool2d(self.conv(x), 1), 1)


def make():
    return Brightest()
"""
COLOURS = ("blue", "green", "red")
RECIPE = '{"mean": [0, 0, 0], "std": [255, 255, 255]}'


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network, a recipe, and images of three colours: one of them in the wrong
    folder, one damaged."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "brightest_net.py").write_text(NET)
    (folder / "recipe.json").write_text(RECIPE)
    (folder / "model_order.txt").write_text("red\ngreen\nblue\n")
    noise = np.random.default_rng(0)
    for place, name in enumerate(COLOURS):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(20):
            pixels = noise.integers(0, 120, (20, 30, 3), dtype=np.uint8)
            pixels[..., 2 - place] += 100
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    (folder / "images/red/0.png").replace(folder / "images/blue/from red.png")
    (folder / "images/green/cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def evaluate(*more: str, model: str = "brightest_net:make") -> int:
    return run(
        [
            *("evaluate", model, "--input-shape", "1,3,16,16"),
            *(() if "--images" in more else ("--images", "images")),
            *("--classes", "model_order.txt"),
            *("--preprocess", "recipe.json", "--jobs", "1", *more),
        ]
    )


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "accuracy.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def here(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)


def test_three_engines_agree_to_the_image_and_count_what_is_right(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--format", "csv") == 0
    printed = capfd.readouterr()
    found = rows(desk / "results")
    assert [row["engine"] for row in found] == ["torch", "onnxruntime", "mnn"]
    for row in found:
        assert (row["images"], row["unreadable"]) == ("60", "1")
        assert row["top1_percent"] == f"{100 * 59 / 60:.3f}"
        assert float(row["top1_low_percent"]) < 98 < float(row["top1_high_percent"])
        assert (row["top5_percent"], row["weights"]) == ("", "given")
    for row in found[1:]:
        assert (row["agreement_percent"], row["compared_with"]) == ("100.000", "torch")
        assert (row["became_wrong"], row["became_right"], row["mcnemar_p"]) == ("0", "0", "1")
    assert list(csv.DictReader(printed.out.splitlines())) == found
    assert "green/cut.png: " in printed.err

    from pyarrow import parquet

    for row in found:
        name = f"brightest_net.make-{row['key']}.parquet"
        table = parquet.read_table(desk / "results/predictions" / name).to_pylist()
        assert len(table) == 60 + 1
        assert {each["engine"] for each in table} == {row["engine"]}
    wrong = {row["image"] for row in table if row["correct"] is False}
    assert wrong == {"blue/from red.png"}
    assert {row["top1_name"] for row in table if row["image"] in wrong} == {"red"}

    assert evaluate() == 0  # everything is there
    assert "61 of 61 images were done before" in capfd.readouterr().err
    assert rows(desk / "results") == found


def test_a_changed_image_or_recipe_is_evaluated_anew(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--engine", "mnn", "--out", "again", "--limit", "8") == 0
    before = rows(desk / "again")
    assert before[0]["images"] in ("7", "8")
    assert evaluate("--engine", "mnn", "--out", "again", "--limit", "8", "--seed", "1") == 0
    assert "done before" not in capfd.readouterr().err
    (after,) = rows(desk / "again")  # one row for a model and engine: the newest
    assert after["key"] != before[0]["key"]


def test_how_images_became_inputs_is_kept_with_the_artifact_and_can_be_given_again(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("--engine", "mnn", "--out", "kept", "--limit", "8")
    assert evaluate(*asked) == 0
    kept = desk / "artifacts/brightest_net.make" / RECORDED_NAME
    assert preprocessing_of(str(kept)) == preprocessing_of("recipe.json")
    capfd.readouterr()
    assert evaluate(*asked, "--preprocess", str(kept)) == 0
    assert "8 of 8 images were done before" in capfd.readouterr().err
    kept.unlink()
    kept.mkdir()
    assert evaluate(*asked) == 0
    assert f"{RECORDED_NAME} is not written: " in capfd.readouterr().err
    kept.rmdir()


def test_an_engine_takes_up_what_all_three_have_done_and_adds_to_it(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("--engine", "mnn", "--engine", "torch", "--out", "parts") == 0
    before = {row["engine"]: row for row in rows(desk / "parts")}
    capfd.readouterr()
    assert evaluate("--engine", "mnn", "--out", "parts") == 0
    assert "61 of 61 images were done before" in capfd.readouterr().err
    assert evaluate("--out", "parts") == 0
    assert "done before on torch; mnn" in capfd.readouterr().err
    after = {row["engine"]: row for row in rows(desk / "parts")}
    assert after["torch"] == before["torch"]
    assert after["mnn"]["key"] == before["mnn"]["key"]
    assert after["onnxruntime"]["images"] == "60"


def test_variants_have_rows_beside_the_export_and_are_compared_with_it(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ("--engine", "mnn", "--artifacts", "of variants", "--out", "variants")

    def found() -> list[tuple[str, ...]]:
        columns = ("model", "variant", "precision", "images", "compared_with")
        return [tuple(row[each] for each in columns) for row in rows(desk / "variants")]

    w8 = ("brightest_net.make", "w8", "fp32", "60", "mnn")
    assert evaluate(*where, model="brightest_net:make@w8") == 0
    assert found() == [w8]
    shutil.rmtree(desk / "variants")
    assert evaluate(*where) == 0  # every variant that was made
    assert found() == [("brightest_net.make", "fp32", "fp32", "60", ""), w8]
    capfd.readouterr()
    assert evaluate(*where, "--variant", "fp32", model="brightest_net:make@w8") == 2
    assert "names a variant, and --variant names others" in capfd.readouterr().err


def test_two_at_a_time_write_into_one_folder_and_lose_no_row(desk: Path) -> None:
    command = [
        *(sys.executable, "-m", "asymm_deploy", "evaluate", "brightest_net:make"),
        *("--input-shape", "1,3,16,16", "--images", "images", "--classes", "model_order.txt"),
        *("--preprocess", "recipe.json", "--engine", "onnxruntime", "--out", "shared"),
    ]
    other = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    assert evaluate("--engine", "mnn", "--out", "shared") == 0
    _out, err = other.communicate()
    assert other.returncode == 0, err
    found = {row["engine"]: row["images"] for row in rows(desk / "shared")}
    assert found == {"onnxruntime": "60", "mnn": "60"}


def test_fp16_has_a_row_and_no_figure_where_it_is_computed_in_fp32(
    desk: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert evaluate("--engine", "mnn", "--precision", "fp16", "--out", "half") == 0
    said = capfd.readouterr()
    (row,) = rows(desk / "half")
    assert (row["precision"], row["device"], row["top1_percent"]) == ("fp16", "host", "")
    assert (row["images"], row["ms_per_image"], row["key"]) == ("", "", "")
    assert "not measured here" in said.out
    assert "with --device a76" in said.err


def test_fp16_is_measured_on_the_emulated_processor_beside_pytorch_here(
    emulator: object, desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del emulator
    how = ("--device", "a76", "--precision", "fp16", "--out", "emulated", "--limit", "9")
    assert evaluate(*how) == 0
    (row,) = rows(desk / "emulated")
    assert (row["device"], row["precision"], row["engine"]) == ("a76", "fp16", "mnn")
    assert (row["compared_with"], row["ms_per_image"]) == ("torch", "")
    assert int(row["images"]) + int(row["unreadable"]) == 9
    assert float(row["agreement_percent"]) > 80
    capfd.readouterr()
    assert evaluate(*how) == 0
    assert "9 of 9 images were done before" in capfd.readouterr().err


def test_ctrl_c_loses_no_finished_chunk(desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for number in range(300):
        target = desk / "many" / COLOURS[number % 3]
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number}.png").symlink_to(desk / "images/red/5.png")
    command = [
        *("evaluate", "brightest_net:make", "--input-shape", "1,3,16,16", "--images", "many"),
        *("--classes", "model_order.txt", "--engine", "onnxruntime", "--out", "cut", "--jobs", "1"),
    ]
    started = [sys.executable, "-m", "asymm_deploy", *command]
    process = subprocess.Popen(started, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    kept: list[Path] = []
    while process.poll() is None and not (kept and kept[0].stat().st_size):
        kept = list((desk / "cut").glob("predictions/*.jsonl"))
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate()
    assert process.returncode in (130, 0), err  # 0: it was done by then
    if process.returncode == 130:
        assert b"everything that was finished is kept" in err
        capfd.readouterr()
        assert run(command) == 0
        assert "of 300 images were done before" in capfd.readouterr().err
    assert rows(desk / "cut")[0]["images"] == "300"


def test_an_image_that_kills_its_process_is_named_and_the_others_count(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 2):
        target = desk / "deadly" / COLOURS[number]
        target.mkdir(parents=True, exist_ok=True)
        (target / f"{number}.png").symlink_to(desk / "images" / COLOURS[number] / "5.png")
    Image.new("RGB", (20, 20), (255, 0, 0)).save(desk / "deadly/red/bright.png")
    how = ("--images", "deadly", "--engine", "torch", "--engine", "mnn", "--out", "died")
    (desk / "armed").touch()
    try:
        assert evaluate(*how) == 0
    finally:
        (desk / "armed").unlink()
    said = capfd.readouterr().err
    assert "1 image can't be decoded or run, and is in no figure" in said
    assert "red/bright.png: the process that ran it died" in said
    found = rows(desk / "died")
    assert [(row["images"], row["unreadable"]) for row in found] == [("2", "1")] * 2
    assert evaluate(*how) == 0  # what may pass is tried again
    assert {row["images"] for row in rows(desk / "died")} == {"3"}


def test_where_processes_die_whatever_the_image_it_ends(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        (desk / "all deadly" / "red").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20), (255, 0, 0)).save(desk / f"all deadly/red/{number}.png")
    (desk / "armed").touch()
    try:
        assert evaluate("--images", "all deadly", "--engine", "torch", "--out", "all died") == 3
    finally:
        (desk / "armed").unlink()
    said = capfd.readouterr().err
    assert "the processes that run the images die, the last one with red/2.png" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--images", "nowhere"), "can't list the images in nowhere"),
        (("--classes", "nothing.txt"), "can't read nothing.txt"),
        (("--device", "a76", "--engine", "torch"), "on a76 MNN alone is evaluated, not torch"),
        (("--engine", "tflite"), "--engine tflite is none that can evaluate"),
        (("--preprocess", "model_order.txt"), "is no recipe"),
        (("--variant", "w8,fp16"), "fp16 is no variant"),
        (("net.mnn",), "net.mnn is an .mnn file, and there is nothing to compare it with"),
        (("--limit", "0"), "--limit 0 is out of range"),
        (("--seed", "-1"), "--seed -1 is out of range"),
    ],
)
def test_bad_input_is_told(
    arguments: tuple[str, ...], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(*arguments) == 2
    assert told in capfd.readouterr().err


def test_what_can_t_be_added_to_is_told_before_any_work(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (desk / "spoilt").mkdir()
    (desk / "spoilt" / "accuracy.csv").write_text("model,engine\nnet\n")
    assert evaluate("--out", "spoilt") == 2
    assert "spoilt/accuracy.csv is damaged, or of another version" in capfd.readouterr().err
    assert not (desk / "spoilt" / "predictions").exists()


def test_another_number_of_classes_is_told_with_both(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (desk / "four.txt").write_text("red\ngreen\nblue\nblack\n")
    assert evaluate("--classes", "four.txt", "--out", "other") == 2
    assert "tells 3 classes apart, and the images have 4" in capfd.readouterr().err


def test_without_its_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else 1)
    assert evaluate() == 2
    told = capfd.readouterr().err
    assert "evaluate needs pyarrow, which is not installed" in told
    assert "pip install 'asymm-deploy[evaluate]'" in told


def test_names_that_are_no_utf_8_are_kept_with_their_bytes_told(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for colour, name in zip(COLOURS, (b"\xff.png", b"=1\n.png", b"\xfe.png"), strict=True):
        (desk / "odd" / colour).mkdir(parents=True)
        content = (desk / "images" / colour / "5.png").read_bytes()
        (desk / "odd" / colour / os.fsdecode(name)).write_bytes(content)
    (desk / "odd/red" / os.fsdecode(b"\xff.jpg")).touch()
    assert evaluate("--images", "odd", "--engine", "mnn", "--out", "odd results") == 0
    assert "the file is empty" in capfd.readouterr().err

    from pyarrow import parquet

    (path,) = (desk / "odd results").glob("predictions/*.parquet")
    names = set(parquet.read_table(path)["image"].to_pylist())
    assert names == {"blue/\\xff.png", "green/=1\n.png", "red/\\xfe.png", "red/\\xff.jpg"}
