"""A baseline is believed only if nothing in it was changed, lost or added by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.check.baseline.baseline_file import load_baseline
from asymm_deploy.check.baseline.save_baseline import save_baseline
from asymm_deploy.errors import UsageError

Export = Callable[..., Path]


@pytest.mark.parametrize("name", ["small/model.mnn", "small/manifest.json", "runs.jsonl"])
def test_a_file_that_was_changed_or_is_gone_is_noticed(saved: Path, name: str) -> None:
    path = saved / name
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b" ")
    with pytest.raises(UsageError, match="its SHA-256 differs"):
        load_baseline(saved)
    path.unlink()
    with pytest.raises(UsageError, match="is an incomplete baseline"):
        load_baseline(saved)


def test_a_model_that_was_put_there_by_hand_is_refused(saved: Path, export: Export) -> None:
    shutil.copytree(export("another", into="newer") / "another", saved / "another")
    with pytest.raises(UsageError, match="another was not saved with the baseline") as caught:
        load_baseline(saved)
    assert "--model another" in caught.value.hint
    with pytest.raises(UsageError, match="was not saved"):
        save_baseline(saved.parent / "newer", saved, force=True)


def test_launches_that_were_put_there_by_hand_are_refused(
    export: Export, results: Callable[..., Path], tmp_path: Path
) -> None:
    save_baseline(export("small"), tmp_path / "baseline")
    shutil.copy(results(("small", b"weights")) / "runs.jsonl", tmp_path / "baseline")
    with pytest.raises(UsageError, match=r"runs.jsonl was not saved"):
        load_baseline(tmp_path / "baseline")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"schema_version": 2}', "schema_version 2; this program knows 1"),
        (b"{", "is damaged"),
        (b"\xff", "is damaged"),
        (b'{"schema_version": 1}', "is damaged"),
    ],
)
def test_a_baseline_of_a_newer_program_or_none_is_refused(
    saved: Path, content: bytes, says: str
) -> None:
    (saved / "baseline.json").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        load_baseline(saved)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_files_outside_of_the_folder_are_no_part_of_it(saved: Path, name: str) -> None:
    found = load_baseline(saved)
    evil = msgspec.structs.replace(found, files={**found.files, name: "0" * 64})
    (saved / "baseline.json").write_bytes(msgspec.json.encode(evil))
    with pytest.raises(UsageError, match="names files wrongly"):
        load_baseline(saved)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a baseline"):
        load_baseline(tmp_path)
