"""VOC's folders: what is read of them, and damage of each kind in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks.voc_folder import TrueBox, read_voc

OBJECT = (
    "<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>1</xmin><ymin>2</ymin>"
    "<xmax>{right}</xmax><ymax>4.5</ymax></bndbox>"
    "<part><name>head</name><bndbox/></part></object>"
)
SIZE = "<size><width>30</width><height>20</height></size>"
BOMB = (
    '<!DOCTYPE b [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<annotation>&b;</annotation>"
)


def written(folder: Path, xml: str, names: str = "one\n") -> Path:
    for each in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / each).mkdir(parents=True)
    (folder / "ImageSets/Main/test.txt").write_text(names)
    (folder / "Annotations/one.xml").write_text(xml)
    return folder


def annotation(*, name: str = "dog", hard: str = "0", right: str = "3") -> str:
    return f"<annotation>{SIZE}{OBJECT.format(name=name, hard=hard, right=right)}</annotation>"


def test_an_annotation_has_the_size_the_objects_and_whether_they_are_difficult(
    tmp_path: Path,
) -> None:
    xml = annotation().replace(
        "</annotation>", OBJECT.format(name="cat", hard="1", right="9") + "</annotation>"
    )
    (image,) = read_voc(written(tmp_path, xml, "one  1\n\n"), "test").images
    assert (image.file.path, image.width, image.height) == ("JPEGImages/one.jpg", 30, 20)
    assert image.objects == (
        TrueBox(11, (1, 2, 3, 4.5), False),
        TrueBox(7, (1, 2, 9, 4.5), True),
    )


@pytest.mark.parametrize(
    ("xml", "told"),
    [
        ("", "one.xml is empty"),
        ("<annotation><object>", "one.xml is no XML"),
        ("\x00\x01", "one.xml is no XML"),
        (BOMB, "has a document type or entities"),
        (BOMB.replace("<!DOCTYPE", '<?xml version="1.0" encoding="x-none"?><!DOCTYPE'), "one.xml"),
        ("<html/>", "is no VOC annotation: it is html"),
        ("<annotation/>", "doesn't say how large its image is"),
        (annotation().replace("30", "1e99"), "doesn't say how large its image is"),
        (annotation(name="unicorn"), "class 'unicorn', which is none of the 20 classes"),
        (annotation(right="0"), "object dog without a sound bndbox"),
        (annotation(right="nan"), "without a sound bndbox"),
        (annotation(hard="maybe"), "without a sound bndbox or difficult"),
        (annotation(hard="1"), "has no object in the images of test that would count"),
    ],
)
def test_a_damaged_annotation_is_told(tmp_path: Path, xml: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_voc(written(tmp_path, xml), "test")
    assert told in raised.value.what


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (" \n", "test.txt is empty"),
        ("one\none\n", "line 2: one again"),
        ("../one\n", "line 1: '../one' is no image"),
        ("two\n", "two.xml: No such file"),
    ],
)
def test_a_damaged_list_is_told(tmp_path: Path, names: str, told: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_voc(written(tmp_path, annotation(), names), "test")
    assert told in raised.value.what


def test_a_list_that_is_not_there_is_told_with_the_option(tmp_path: Path) -> None:
    folder = written(tmp_path / "voc", annotation())
    with pytest.raises(UsageError, match=r"val.txt: No such file") as raised:
        read_voc(folder, "val")
    assert "--split" in raised.value.hint
    with pytest.raises(UsageError, match="is no list's name"):
        read_voc(folder, "../test")
