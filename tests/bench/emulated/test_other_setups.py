"""Setups of other versions stay while they may be of use, and go when nobody uses them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from asymm_deploy.bench.emulated import emulator_home

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.emulated.conftest import Bench

DAY_S = 86400


def other(bench: Bench, name: str, days: float, *, is_whole: bool = True) -> Path:
    """Leave a setup of another version that was used last so many days ago."""
    folder = bench.home / name
    (folder / "runner").mkdir(parents=True)
    (folder / "runner" / "asymm-runner").write_bytes(b"x" * 3_000_000)
    if is_whole:
        (folder / "emulator.json").write_text("{}")
    for path in (folder, folder / "emulator.json"):
        if path.exists():
            os.utime(path, (time.time() - days * DAY_S,) * 2)
    return folder


def test_what_others_may_use_stays_and_is_listed(bench: Bench) -> None:
    kept = other(bench, "mnn-3.6.0-abc", days=29)
    ours = bench.set_up()
    assert "1 of other versions take 3 MB" in bench.said
    assert "--prune" in bench.said
    assert bench.left() == {ours.name, kept.name}
    assert bench.run("where") == 0
    assert "of another version: mnn-3.6.0-abc (3 MB, used last on 20" in bench.said


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_nobody_has_used_for_a_month_goes(bench: Bench, *, is_whole: bool) -> None:
    other(bench, "mnn-3.6.0-abc", days=31, is_whole=is_whole)
    ours = bench.set_up()
    assert "removed mnn-3.6.0-abc (3 MB, used last on" in bench.said
    assert bench.left() == {ours.name}


def test_all_others_go_when_that_is_asked_for_and_ours_is_kept(bench: Bench) -> None:
    ours = bench.set_up()
    os.utime(ours / "emulator.json", (0, 0))
    other(bench, "mnn-3.6.0-abc", days=0)
    (bench.home / "qemu").mkdir()
    assert bench.run("setup", "--prune") == 0
    assert bench.left() == {ours.name, "qemu"}
    assert "it is set up, and whole" in bench.said
    assert bench.run("where") == 0
    assert "another version" not in bench.said


def test_counting_is_a_use(bench: Bench) -> None:
    record = bench.set_up() / "emulator.json"
    os.utime(record, (0, 0))
    emulator_home.find_emulator()
    assert record.stat().st_mtime > time.time() - DAY_S


def test_a_link_to_another_folder_is_not_followed(bench: Bench) -> None:
    elsewhere = bench.folder / "elsewhere"
    elsewhere.mkdir()
    bench.home.mkdir(parents=True)
    (bench.home / "mnn-3.6.0-abc").symlink_to(elsewhere)
    bench.set_up()
    assert bench.run("setup", "--prune") == 0
    assert elsewhere.is_dir()
    assert (bench.home / "mnn-3.6.0-abc").is_symlink()
