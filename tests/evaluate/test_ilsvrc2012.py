"""Folders that are some of ImageNet's classes get the numbers that networks of 1000 give them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from asymm_deploy.evaluate.ilsvrc2012 import ilsvrc2012_synsets, in_models_order
from asymm_deploy.evaluate.image_folder import ImageFolder, labelled_images

TENCH, GREAT_GREY_OWL, TOILET_TISSUE = "n01440764", "n01622779", "n15075141"


def made(folder: Path, *names: str, listed: bool = False) -> ImageFolder:
    for name in names:
        (folder / name).mkdir()
        (folder / name / "a.png").touch()
    if listed:
        (folder / "classes.txt").write_text("\n".join(names))
    return labelled_images(folder)


def numbered(folder: ImageFolder, *shapes: tuple[int, ...]) -> tuple[list[int], str | None]:
    found, images, note = in_models_order(folder, folder.images, shapes)
    assert [found.classes[each.label] for each in images] == [
        each.path.split("/")[0] for each in images
    ]
    return [each.label for each in images], note


def test_the_list_is_in_order_and_whole() -> None:
    synsets = ilsvrc2012_synsets()
    assert (len(set(synsets)), list(synsets)) == (1000, sorted(synsets))
    assert (synsets[0], synsets[24], synsets[999]) == (TENCH, GREAT_GREY_OWL, TOILET_TISSUE)


def test_it_is_that_of_timm() -> None:
    timm = find_spec("timm")
    if timm is None or timm.origin is None:
        pytest.skip("timm is not installed")
    path = Path(timm.origin).parent / "data/_info/imagenet_synsets.txt"
    assert list(ilsvrc2012_synsets()) == path.read_text().split()


def test_a_part_of_imagenet_is_numbered_as_all_of_it(tmp_path: Path) -> None:
    labels, note = numbered(made(tmp_path, TOILET_TISSUE, TENCH, GREAT_GREY_OWL), (1, 1000))
    assert labels == [0, 24, 999]
    assert note is not None
    assert "numbered as ImageNet's 1000 classes (ILSVRC 2012)" in note


@pytest.mark.parametrize(
    ("names", "shapes", "listed", "said"),
    [
        ((TENCH, TOILET_TISSUE), [(1, 2)], False, "in their own order"),
        ((TENCH, TOILET_TISSUE), [(1, 2), (1, 1000)], False, "in their own order"),
        ((TENCH, TOILET_TISSUE), [(1, 1000)], True, None),
        ((TENCH, TOILET_TISSUE), [(1, 1001)], False, None),
        ((TENCH, "n99999999"), [(1, 1000)], False, "n99999999 is not among them"),
        ((TENCH, "cat"), [(1, 1000)], False, "cat is not among them"),
        (("dog", "cat"), [(1, 1000)], False, None),
    ],
)
def test_else_the_numbers_stay_and_what_may_be_expected_is_told(
    tmp_path: Path,
    names: tuple[str, ...],
    shapes: list[tuple[int, ...]],
    listed: bool,
    said: str | None,
) -> None:
    labels, note = numbered(made(tmp_path, *names, listed=listed), *shapes)
    assert labels == [0, 1]
    assert note is None if said is None else note is not None and said in note
