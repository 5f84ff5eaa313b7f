"""Which images there are, and the class of each: from folders, in an order that stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.image_folder import labelled_images, sampled


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("cat/b.jpg", "cat/a.PNG", "cat/inner/c.webp", "dog/x\ny.jpg", "dog/notes.txt"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "images" / "emu").mkdir()
    (tmp_path / "images" / ".cache").mkdir()
    (tmp_path / "images" / "readme.jpg").write_bytes(b"x")
    return tmp_path / "images"


def test_folders_are_classes_in_the_order_of_their_names(root: Path) -> None:
    found = labelled_images(root)
    assert found.classes == ("cat", "dog", "emu")
    assert [(image.path, image.label) for image in found.images] == [
        ("cat/a.PNG", 0),
        ("cat/b.jpg", 0),
        ("cat/inner/c.webp", 0),
        ("dog/x\ny.jpg", 1),
    ]
    assert (found.empty, found.other_files) == (("emu",), 1)


def test_a_list_of_classes_gives_the_numbers(root: Path, tmp_path: Path) -> None:
    (root / "classes.txt").write_text("dog\nwolf\ncat\nemu\n\n")
    assert {image.label for image in labelled_images(root).images} == {0, 2}
    own = tmp_path / "own.txt"
    own.write_text("emu\ncat\ndog")
    assert labelled_images(root, own).classes == ("emu", "cat", "dog")


def test_a_list_of_classes_may_come_from_windows_and_a_folder_end_with_a_space(
    root: Path, tmp_path: Path
) -> None:
    (root / "cat").rename(root / "big cat ")
    own = tmp_path / "own.txt"
    own.write_bytes(b"\xef\xbb\xbfdog\r\nbig cat \r\nemu  \n\n")
    assert labelled_images(root, own).classes == ("dog", "big cat ", "emu")


def test_a_list_that_leads_nowhere_or_never_ends_is_told(root: Path) -> None:
    listed = root / "classes.txt"
    listed.symlink_to("nothing")
    with pytest.raises(UsageError, match="can't read"):
        labelled_images(root)
    listed.unlink()
    with listed.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(UsageError, match="more than 16 MiB"):
        labelled_images(root)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("cat\nemu", "doesn't list: dog"),
        ("cat\ndog\ncat", "line 3: cat again"),
        ("cat\n\ndog", "line 2: no class"),
        ("", "doesn't list: cat, dog, emu"),
    ],
)
def test_a_list_that_can_t_be_is_refused(root: Path, lines: str, told: str) -> None:
    (root / "classes.txt").write_text(lines)
    with pytest.raises(UsageError, match=told):
        labelled_images(root)


def test_links_are_followed_once_and_never_upwards(root: Path, tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (far / "z.jpg").write_bytes(b"x")
    (far / "back").symlink_to(far)
    (root / "dog" / "far").symlink_to(far)
    (root / "dog" / "up").symlink_to(root)
    (root / "dog" / "gone.jpg").symlink_to(tmp_path / "nothing")
    dogs = [image.path for image in labelled_images(root).images if image.label == 1]
    assert dogs == ["dog/far/z.jpg", "dog/gone.jpg", "dog/x\ny.jpg"]


def test_folders_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        labelled_images(tmp_path / "none")
    with pytest.raises(UsageError, match="has no folders in it"):
        labelled_images(tmp_path)
    (tmp_path / "cat").mkdir()
    with pytest.raises(UsageError, match="has no images in its folders"):
        labelled_images(tmp_path)
    with pytest.raises(UsageError, match="null"):
        labelled_images(Path("a\0b"))


def test_a_sample_depends_on_its_seed_alone(root: Path) -> None:
    images = labelled_images(root).images
    assert sampled(images, 2, 1) == sampled(images, 2, 1)
    assert len({tuple(i.path for i in sampled(images, 2, seed)) for seed in range(20)}) > 1
    assert sampled(images, 9, 0) == sampled(images, None, 0) == list(images)
