"""Clips as folders of frames: which frames are looked at, in which order, and what is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.image_folder import LabelledImage
from asymm_deploy.evaluate.tasks.actions import ActionReading, Clip, action_clips, chosen
from asymm_deploy.images.preprocessing import IMAGENET, ImageInput

READING = ActionReading(
    output="o", classes=2, taken=ImageInput("i", 8, 8, 3, False, "float32"), recipe=IMAGENET
)


def frames(count: int) -> list[LabelledImage]:
    return [LabelledImage(f"run/a/{number}.jpg", 0, 1, 1) for number in range(count)]


@pytest.mark.parametrize(
    ("of", "count", "places"),
    [(10, 1, [5]), (10, 2, [2, 7]), (9, 3, [1, 4, 7]), (3, 25, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4])],
)
def test_the_middle_of_each_part_is_looked_at(of: int, count: int, places: list[int]) -> None:
    there = frames(of)
    assert chosen(there, count) == [there[place] for place in places]


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("f10.jpg", "f9.jpg", "f100.jpg", "f9" * 40 + ".jpg", "x.jpg"):
        (tmp_path / "run/clip").mkdir(parents=True, exist_ok=True)
        (tmp_path / "run/clip" / name).touch()
    (tmp_path / "sit").mkdir()
    found = action_clips(tmp_path, None, 25, None, 0)
    (clip,) = found.samples
    names = [Path(each.path).name for each in clip.frames]
    assert names[-3:] == ["f10.jpg", "f100.jpg", "x.jpg"]
    assert "without a clip: sit" in found.told()
    assert "with fewer frames, all of which are taken: 1 clip" in found.told()


def test_frames_without_a_clip_are_told(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/1.jpg").touch()
    with pytest.raises(UsageError, match="run has images that are in no clip's folder"):
        action_clips(tmp_path, None, 25, None, 0)


def test_logits_are_averaged_before_anything_else_and_one_nan_spoils_a_clip() -> None:
    clip = Clip("run/a", 1, tuple(frames(3)))
    said = [np.array([[5.0, 0.0]]), np.array([[0.0, 3.0]]), np.array([[0.0, 3.0]])]
    found = READING.answer(clip, [{"o": each} for each in said])
    assert (found.image, found.top5, found.score) == ("run/a", (1, 0), 2.0)
    said[1] = np.array([[np.nan, 3.0]])
    assert READING.answer(clip, [{"o": each} for each in said]).top5 == ()
