"""``evaluate`` for faces, actions, keypoints and boxes: networks whose answers are known by hand,
on images made for them, in three engines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymm_deploy.cli import run

NETS = """
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 1)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.zero_()
            for row in range(width):
                self.conv.weight[row, row if width == 3 else 0] = 1


class MeanColour(Net):
    '''Three numbers: the embedding of a face that is one colour, or the logits of three classes.'''

    def forward(self, x):
        return torch.flatten(adaptive_avg_pool2d(self.conv(x), 1), 1)


class Greys(Net):
    '''Heat map k is high where the image is as grey as level k: 20 + 12 k of 255.'''

    def __init__(self):
        super().__init__(17)
        self.register_buffer("levels", ((20 + 12 * torch.arange(17.0)) / 255).reshape(1, 17, 1, 1))

    def forward(self, x):
        return torch.relu(1 - 60 * (avg_pool2d(self.conv(x), 4) - self.levels).abs())


class Quarters(Net):
    '''Four boxes, a quarter of the image each, and how red, green and blue each is.'''

    def __init__(self):
        super().__init__(3)
        boxes = [[x, y, x + 31.0, y + 31] for y in (0.0, 32) for x in (0.0, 32)]
        self.register_buffer("boxes", torch.tensor([boxes]))

    def forward(self, x):
        scores = adaptive_avg_pool2d(self.conv(x), 2).flatten(2).transpose(1, 2)
        # Nothing of it depends on the image, but a constant is no output of a graph.
        return self.boxes + 0 * scores[:, :, :1], torch.relu(2 * scores - 1)


def colour():
    return MeanColour(3)


def greys():
    return Greys()


def quarters():
    return Quarters()
"""
RECIPE = '{"mean": [0, 0, 0], "std": [255, 255, 255], "crop_ratio": 1.0}'
COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}
VOC_SIZE = "<size><width>128</width><height>64</height></size>"


def save(path: Path, pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def plain(
    colour: tuple[int, int, int], size: int = 16
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((size, size, 3), colour, np.uint8)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "known_nets.py").write_text(NETS)
    (folder / "recipe.json").write_text(RECIPE)
    return folder


@pytest.fixture(autouse=True)
def here(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)


def evaluate(net: str, side: int, *more: str) -> int:
    return run(
        [
            *("evaluate", f"known_nets:{net}", "--input-shape", f"1,3,{side},{side}"),
            *("--preprocess", "recipe.json", "--jobs", "1", "--format", "csv", *more),
        ]
    )


def percents(out: Path) -> dict[str, dict[str, str]]:
    """Return figures by engine and metric, once all is as it should be in three engines."""
    with (out / "tasks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["engine"], {})[row["metric"]] = row["percent"]
        assert (row["weights"], row["data"]) == ("given", "")
        assert row["agreement_percent"] == ("" if row["engine"] == "torch" else "100.000")
    assert set(found) == {"torch", "onnxruntime", "mnn"}
    assert found["torch"] == found["onnxruntime"] == found["mnn"]
    return found


@pytest.fixture(scope="module")
def faces(desk: Path) -> None:
    for person, colour in COLOURS.items():
        for number in (1, 2):
            pixels = plain(colour) - (plain(colour) > 0) * np.uint8(20 * number)
            save(desk / f"faces/{person}/{person}_{number:04}.png", pixels)
    save(desk / "faces/red/red_0002.png", plain(COLOURS["blue"]))  # somebody else's
    (desk / "faces/green/green_0002.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    same, other = "{0}\t1\t2\n", "{0}\t1\t{1}\t1\n"
    folds = [("blue", "green"), ("red", "blue"), ("blue", "red"), ("green", "red")]
    (desk / "pairs.txt").write_text(
        "4\t1\n" + "".join((same + other).format(one, two) for one, two in folds)
    )


def test_pairs_of_faces_are_judged_by_lfws_protocol(
    desk: Path, faces: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("colour", 16, "--images", "faces", "--pairs", "pairs.txt", "--out", "f") == 0
    told = capfd.readouterr().err
    assert "8 pairs in 4 sets, 6 photographs" in told
    assert "green/green_0002.png: " in told
    assert "mnn can't judge 1 pair:" in told
    # Seven pairs can be judged; red's is of two colours, and any threshold gets that one wrong.
    assert percents(desk / "f")["mnn"] == {"pairs_right": f"{100 * 6 / 7:.3f}"}

    from pyarrow import parquet

    files = (desk / "f").glob("predictions/*.parquet")
    rows = [
        row
        for path in files
        for row in parquet.read_table(path).to_pylist()
        if row["engine"] == "mnn" and row["unreadable"] is None
    ]
    (wrong,) = [row for row in rows if not row["correct"]]
    assert (wrong["one"], wrong["other"]) == ("red/red_0001.png", "red/red_0002.png")
    assert wrong["similarity"] < wrong["threshold"]


def test_clips_are_judged_by_the_mean_of_their_frames(
    desk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, colour in COLOURS.items():
        for number in range(5):
            # Two frames of five are of another colour, and in one clip of green's three are.
            for clip, others in (("a", 2), ("b", 3 if name == "green" else 0)):
                shown = COLOURS["red"] if number < others else colour
                save(desk / f"clips/{name}/{clip}/{number}.png", plain(shown))
    (desk / "classes.txt").write_text("red\ngreen\nblue\n")
    (desk / "clips/blue/b/2.png").write_bytes(b"")
    options = ("--images", "clips", "--classes", "classes.txt", "--task", "action")
    assert evaluate("colour", 16, *options, "--out", "a") == 0
    told = capfd.readouterr().err
    assert "6 clips of 3 classes, up to 25 frames of each" in told
    assert "blue/b: 2.png: the file is empty" in told
    assert percents(desk / "a")["mnn"] == {"top1": "80.000"}
    assert evaluate("colour", 16, *options, "--out", "a") == 0
    assert "6 of 6 clips were done before" in capfd.readouterr().err


@pytest.fixture(scope="module")
def people(desk: Path) -> None:
    images, people = [], []
    for image in (1, 2, 3):
        pixels = np.full((200, 200, 3), 255, np.uint8)
        points = []
        for k in range(17):
            # A person's box of 101 pixels from 40 on is cut out as 125 from 27.5: a pixel for each
            # of the input's, but for half of one.
            x, y = 44 + 20 * (k % 5), 44 + 20 * (k // 5)
            pixels[y - 5 : y + 7, x - 5 : x + 7] = 20 + 12 * k
            shown = 2 if k != 16 else 0
            points += [x, y, shown]
        save(desk / f"people/{image}.png", pixels)
        images.append({"id": image, "file_name": f"{image}.png", "width": 200, "height": 200})
        shifted = [p + 60 * (image == 3 and n % 3 == 0) for n, p in enumerate(points)]
        people.append(
            {
                "id": image,
                "image_id": image,
                "category_id": 1,
                "area": 100_000,
                "iscrowd": 0,
                "bbox": [40, 40, 103.4, 103.4],
                "num_keypoints": 16,
                "keypoints": shifted,
            }
        )
    images[1]["width"] = 300  # the file is another than the annotations'
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}
    (desk / "people.json").write_text(json.dumps(content))


def test_keypoints_are_judged_by_coco(
    desk: Path, people: None, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--images", "people", "--annotations", "people.json")
    assert evaluate("greys", 128, *options, "--out", "k") == 0
    told = capfd.readouterr().err
    assert "3 people by annotations in 3 images" in told
    assert "2.png: it is 200 x 200 pixels large, and by its annotations 300 x 200" in told
    found = percents(desk / "k")["mnn"]
    # One of two is right, at any tolerance, and of two as sure the first: 51 of 101 points.
    assert [found[name] for name in ("ap", "ap50", "ap75")] == [f"{100 * 51 / 101:.3f}"] * 3


@pytest.fixture(scope="module")
def boxes(desk: Path) -> None:
    voc = desk / "voc"
    quarters = {"red": (0, 0), "green": (1, 0), "blue": (0, 1)}
    for number in range(4):
        pixels = np.zeros((64, 128, 3), np.uint8)
        objects = ""
        for name, (right, down) in quarters.items():
            x, y = 64 * right, 32 * down
            # In the last image a dark red is where green is said to be.
            shown = (160, 0, 0) if (number, name) == (3, "green") else COLOURS[name]
            pixels[y : y + 32, x : x + 64] = shown
            objects += (
                f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{x + 1}</xmin>"
                f"<ymin>{y + 1}</ymin><xmax>{x + 63}</xmax><ymax>{y + 32}</ymax></bndbox></object>"
            )
        save(voc / f"JPEGImages/{number}.png", pixels)
        (voc / "Annotations").mkdir(exist_ok=True)
        (voc / f"Annotations/{number}.xml").write_text(
            f"<annotation>{VOC_SIZE}{objects}</annotation>"
        )
    (voc / "JPEGImages/2.png").unlink()
    (voc / "ImageSets/Main").mkdir(parents=True)
    (voc / "ImageSets/Main/val.txt").write_text("0\n1\n2\n3\n")
    (desk / "colours.txt").write_text("red\ngreen\nblue\n")


def test_boxes_are_judged_by_voc(
    desk: Path, boxes: None, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("--images", "voc", "--split", "val", "--classes", "colours.txt")
    assert evaluate("quarters", 64, *options, "--out", "b") == 0
    told = capfd.readouterr().err
    assert "4 images with 12 objects; difficult" in told
    assert "JPEGImages/2.jpg: No such file or directory" in told
    found = percents(desk / "b")["mnn"]
    # Three images: red has one too many, its least sure; green misses one of three.
    green = 7 / 11
    assert found["ap07 blue"] == "100.000"
    assert found["ap07 red"] == "100.000"
    assert found["ap07 green"] == f"{100 * green:.3f}"
    assert found["map07"] == f"{100 * (2 + green) / 3:.3f}"
    assert found["map"] == f"{100 * (2 + 2 / 3) / 3:.3f}"


@pytest.mark.usefixtures("faces", "people", "boxes")
@pytest.mark.parametrize(
    ("net", "side", "options", "told"),
    [
        ("quarters", 64, ("--pairs", "pairs.txt"), "has no embedding as its one output"),
        ("colour", 16, ("--annotations", "people.json"), "has no 17 heat maps as its one output"),
        ("colour", 16, ("--split", "val"), "has no boxes and scores as its two outputs"),
        ("quarters", 64, ("--split", "val"), "tells 3 classes apart, and there are 4"),
    ],
)
def test_a_network_of_another_task_is_told(
    net: str,
    side: int,
    options: tuple[str, ...],
    told: str,
    desk: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folders = {"--pairs": "faces", "--annotations": "people", "--split": "voc"}
    if options[0] == "--split":
        (desk / "four.txt").write_text("red\ngreen\nblue\nblack\n")
        options = (*options, "--classes", "four.txt")
    assert evaluate(net, side, "--images", folders[options[0]], *options, "--out", "x") == 2
    assert told in capfd.readouterr().err


def test_without_its_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "pycocotools" else 1
    )
    assert evaluate("greys", 128, "--images", "people", "--annotations", "people.json") == 2
    assert "evaluate needs pycocotools, which is not installed" in capfd.readouterr().err
