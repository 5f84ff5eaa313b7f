"""The file of chunks: what is not of these images is told, and --fresh begins anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.evaluate.chunk_store import opened_chunks
from asymm_deploy.evaluate.evaluation import missing_work
from asymm_deploy.evaluate.image_folder import LabelledImage
from asymm_deploy.evaluate.prediction import Chunk, ImagePrediction, Unreadable

IMAGES = [LabelledImage(f"cat/{number}.png", 0, 1, 1) for number in range(3)]


def chunk(*names: str, first: int = 0, bad: tuple[Unreadable, ...] = ()) -> Chunk[ImagePrediction]:
    said = tuple(ImagePrediction(name, 0, (0, 1), 1.0) for name in names)
    count = len(names) + len(bad)
    return Chunk(first=first, count=count, predictions=said, seconds=1.0, unreadable=bad)


@pytest.mark.parametrize(
    "other",
    [
        chunk("cat/0.png", "cat/9.png"),
        chunk("cat/0.png", first=9),
        chunk("cat/2.png", first=-1),
        chunk("cat/0.png", bad=(Unreadable("dog/9.png", "cut"),)),
    ],
)
def test_a_chunk_of_other_images_is_told(tmp_path: Path, other: Chunk[ImagePrediction]) -> None:
    with opened_chunks(tmp_path / "a.jsonl", Chunk[ImagePrediction], print) as chunks:
        chunks.add(chunk("cat/0.png", "cat/2.png", bad=(Unreadable("cat/1.png", "cut"),)))
        chunks.require_of(IMAGES)
        chunks.add(other)
        with pytest.raises(UsageError, match="of other images"):
            chunks.require_of(IMAGES)


def test_beginning_anew_takes_nothing_from_who_is_at_work(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with opened_chunks(path, Chunk[ImagePrediction], print) as chunks:
        chunks.add(chunk("cat/0.png"))
        with (
            pytest.raises(HarnessError, match="another"),
            opened_chunks(path, Chunk[ImagePrediction], print, fresh=True),
        ):
            pass
    with opened_chunks(path, Chunk[ImagePrediction], print) as chunks:
        assert len(chunks.all) == 1
    with opened_chunks(path, Chunk[ImagePrediction], print, fresh=True) as chunks:
        assert not chunks.all


def test_what_the_system_refused_is_tried_again_on_the_lanes_that_lack_it() -> None:
    refused = Unreadable("cat/1.png", "Permission denied", may_pass=True)
    cut = Unreadable("cat/1.png", "cut")

    def lanes(*there: Unreadable) -> list[tuple[int, ...]]:
        found = missing_work(IMAGES[:1], [[chunk(bad=(each,))] for each in there], 32)
        return [work.lanes for work in found]

    assert lanes(refused, cut) == [(0,)]
    assert lanes(cut, cut) == []
