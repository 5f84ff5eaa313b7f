"""A manifest vouches for its files, or it is damaged, or a newer program's, and says which."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import (
    EXPORT_FILES,
    DamagedManifestError,
    Manifest,
    Sha256,
    damaged_files,
    load_manifest,
    save_manifest,
)

SaveExport = Callable[..., Manifest]


def edit(folder: Path, **fields: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.fixture
def folder(save_export: SaveExport, tmp_path: Path) -> Path:
    save_export()
    return tmp_path / "net"


def test_what_was_saved_is_loaded(save_export: SaveExport, tmp_path: Path) -> None:
    made = save_export(seed=None, weights="file", weights_path="w.pt", weights_sha256="a" * 64)
    assert load_manifest(tmp_path / "net") == made


def test_it_is_json_that_people_can_read(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    assert text.startswith('{\n  "schema_version": 2,\n  "model": "net",')
    assert text.endswith("}\n")


def test_there_is_none() -> None:
    with pytest.raises(FileNotFoundError):
        load_manifest(Path("/nonexistent"))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"schema_version": "1"}', '{"schema_version": 1}', "{}", "[" * 9999],
)
def test_what_is_no_manifest_is_damaged(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DamagedManifestError):
        load_manifest(folder)


def test_bytes_that_are_no_text_are_damaged(folder: Path) -> None:
    (folder / "manifest.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DamagedManifestError):
        load_manifest(folder)


@pytest.mark.parametrize(
    "fields",
    [
        {"fingerprint": "0" * 63},
        {"fingerprint": "G" * 64},
        {"fingerprint": "A" * 64},
        {"weights_sha256": ""},
        {"sources": {"/a": "short"}},
        {"madds": -1},
        {"params": 1.5},
        {"inputs": [{"shape": [1]}]},
        {"stages": {}},
        {"seed": "0"},
    ],
)
def test_a_field_of_another_kind_is_damage(folder: Path, fields: dict[str, object]) -> None:
    edit(folder, **fields)
    with pytest.raises(DamagedManifestError):
        load_manifest(folder)


@pytest.mark.parametrize(
    "names",
    [
        ("model.onnx", "model.mnn"),
        ("model.onnx", "model.mnn", "reference.npz"),
        ("model.onnx", "model.mnn", "reference.npz", "inputs.bin", "more"),
        ("model.onnx", "../model.mnn", "reference.npz", "inputs.bin"),
        ("model.onnx", "/etc/passwd", "reference.npz", "inputs.bin"),
    ],
)
def test_it_lists_the_four_files_and_nothing_outside(folder: Path, names: tuple[str, ...]) -> None:
    edit(folder, files=dict.fromkeys(names, "0" * 64))
    with pytest.raises(DamagedManifestError, match="it lists"):
        load_manifest(folder)


def test_the_manifest_of_another_model_is_damage(folder: Path, tmp_path: Path) -> None:
    moved = folder.rename(tmp_path / "other")
    with pytest.raises(DamagedManifestError, match="it describes 'net', not other"):
        load_manifest(moved)


def test_a_folder_is_known_by_its_real_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert load_manifest(tmp_path / "link").model == "net"
    monkeypatch.chdir(folder)
    assert load_manifest(Path()).model == "net"


@pytest.mark.parametrize("fields", [{}, {"files": 3, "stages": None, "new_field": [1]}])
def test_a_newer_programs_manifest_is_not_damage_however_it_looks(
    folder: Path, fields: dict[str, Any]
) -> None:
    (folder / "manifest.json").write_text(json.dumps({"schema_version": 3} | fields))
    with pytest.raises(
        UsageError, match=r"manifest\.json has schema_version 3.* knows 2"
    ) as caught:
        load_manifest(folder)
    assert "move the folder away" in caught.value.hint


def test_fields_that_a_newer_program_added_are_passed_over(folder: Path) -> None:
    edit(folder, added_later=[1, 2])
    assert load_manifest(folder).model == "net"


def test_whole_files_are_not_damaged(folder: Path) -> None:
    assert damaged_files(load_manifest(folder), folder) == []


@pytest.mark.parametrize("name", EXPORT_FILES)
def test_each_file_that_is_cut_gone_or_no_file_is_named(folder: Path, name: str) -> None:
    found = load_manifest(folder)
    (folder / name).write_text("content")
    assert damaged_files(found, folder) == [name]
    (folder / name).unlink()
    assert damaged_files(found, folder) == [name]
    (folder / name).mkdir()
    assert damaged_files(found, folder) == [name]


def test_the_one_of_before_stays_where_writing_fails(
    folder: Path, save_export: SaveExport, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / "manifest.json").read_bytes()

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        save_manifest(load_manifest(folder), folder)
    assert (folder / "manifest.json").read_bytes() == before


def test_a_manifest_of_version_1_had_no_recorded_input(folder: Path) -> None:
    names = ("model.onnx", "model.mnn", "reference.npz")
    edit(folder, schema_version=1, files=dict.fromkeys(names, "0" * 64))
    assert load_manifest(folder).api == "session"


def test_a_hash_with_a_line_end_is_none() -> None:
    assert msgspec.convert("0" * 64, Sha256) == "0" * 64
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert("0" * 64 + "\n", Sha256)
