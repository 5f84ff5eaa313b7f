"""Images are found in any folder below, each folder once, in the order of their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.images.image_files import image_files, listing_sha256


def test_all_images_below_are_found_once_though_links_lead_round(tmp_path: Path) -> None:
    inner = tmp_path / "b"
    inner.mkdir()
    for name in ("c.JPG", "a.png", ".hidden.png", "text.txt", "b/line\nbreak.webp"):
        (tmp_path / name).write_bytes(b"x")
    (inner / "round").symlink_to(tmp_path)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    found = image_files(tmp_path)
    assert [each.name for each in found] == ["a.png", "b/line\nbreak.webp", "c.JPG", "gone.png"]
    before = listing_sha256(found)
    (tmp_path / "a.png").write_bytes(b"longer")
    assert listing_sha256(image_files(tmp_path)) != before


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    for folder, told in ((tmp_path, "has no images"), (tmp_path / "none", "No such file")):
        with pytest.raises(UsageError, match=told):
            image_files(folder)
