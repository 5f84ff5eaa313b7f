"""LFW's list of pairs: what it means, and each kind of damage in words."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.evaluate.tasks import face_pairs
from asymm_deploy.evaluate.tasks.face_pairs import FacePair, read_pairs

GOOD = "2\t1\nAnn\t1\t2\nAnn\t1\tBob B\t3\nBob B\t3\t4\nBob B\t4\tAnn\t2\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "lfw" / "Ann"
    folder.mkdir(parents=True)
    (folder / "Ann_0001.png").write_bytes(b"1")
    return tmp_path / "lfw"


def test_a_list_names_each_photograph_once_with_the_ending_that_it_has(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pairs.txt").write_text(GOOD)
    found = read_pairs(tmp_path / "pairs.txt", root)
    assert [each.path for each in found.photographs] == [
        "Ann/Ann_0001.png",
        "Ann/Ann_0002.jpg",
        "Bob B/Bob B_0003.jpg",
        "Bob B/Bob B_0004.jpg",
    ]
    assert found.pairs == (
        FacePair(0, 0, 1, True),
        FacePair(0, 0, 2, False),
        FacePair(1, 2, 3, True),
        FacePair(1, 3, 1, False),
    )
    assert (found.folds, found.is_lfw) == (2, False)
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    monkeypatch.setattr(face_pairs, "LFW_SHA256", digest)
    assert read_pairs(tmp_path / "pairs.txt", root).is_lfw


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is empty"),
        ("10 300\nAnn 1 2\n", "says 10 x 2 x 300 pairs, and has 1"),
        ("ten 300\n", "line 1: 'ten 300' is not how many sets"),
        ("0 5\n", "line 1"),
        ("1\nAnn 1 2\nAnn 1 Bob 1\n", "is of one set"),
        ("2 1\nAnn 1\nAnn 1 B 1\nAnn 1 2\nAnn 1 B 1\n", "line 2: 'Ann 1' is no pair of one person"),
        ("2 1\nAnn 1 2\nAnn 1 2\nAnn 1 2\nAnn 1 B 1\n", "line 3: 'Ann 1 2' is no pair of two"),
        ("2 1\nAnn 1 x\nAnn 1 B 1\nAnn 1 2\nAnn 1 B 1\n", "'x' is no photograph's number"),
        ("2 1\n../x 1 2\nAnn 1 B 1\nAnn 1 2\nAnn 1 B 1\n", "'../x' is no person's folder"),
        ("2 1\n.. 1 2\nAnn 1 B 1\nAnn 1 2\nAnn 1 B 1\n", "'..' is no person's folder"),
        ("2 1\nC 1 2\nC 1 B 1\nC 1 2\nC 1 B 1\n", "has none of the 3 photographs"),
        ("2 1\n\xff", "is not UTF-8"),
    ],
)
def test_a_damaged_list_is_told(root: Path, tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UsageError) as raised:
        read_pairs(path, root)
    assert told in raised.value.what


def test_a_list_or_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere is not there"):
        read_pairs(tmp_path, tmp_path / "nowhere")
    with pytest.raises(UsageError, match="can't read"):
        read_pairs(tmp_path, tmp_path)
