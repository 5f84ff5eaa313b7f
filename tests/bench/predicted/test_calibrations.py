"""Calibrations are kept by name, whole or not at all, and a damaged one predicts nothing."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.predicted import calibrations
from asymm_deploy.bench.predicted.cost_calibration import CostCalibration
from asymm_deploy.errors import UsageError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path


def mine(name: str = "pixel-4") -> CostCalibration:
    return msgspec.structs.replace(calibrations.named(), name=name, device="Pixel 4")


def test_the_one_that_ships_is_there_without_a_data_folder() -> None:
    shipped = calibrations.named()
    assert (shipped.name, shipped.device) == ("snapdragon-855-paper", "Snapdragon 855")
    assert (shipped.engine, shipped.precision, shipped.models) == ("mnn", "fp32", 30)


def test_what_is_kept_is_found_by_its_name() -> None:
    calibrations.keep(mine())
    calibrations.keep(mine("a.b_C"))
    assert calibrations.named("pixel-4") == mine()
    assert calibrations.kept_names() == ["snapdragon-855-paper", "a.b_C", "pixel-4"]


def test_a_second_one_of_a_name_takes_the_place_of_the_first() -> None:
    calibrations.keep(mine())
    calibrations.keep(msgspec.structs.replace(mine(), device="Pixel 4a"))
    assert calibrations.named("pixel-4").device == "Pixel 4a"


def test_a_name_that_there_is_not_is_an_error_that_lists_those_that_are() -> None:
    calibrations.keep(mine())
    with pytest.raises(UsageError, match="no calibration 'pixel-5'") as error:
        calibrations.named("pixel-5")
    assert "snapdragon-855-paper, pixel-4" in error.value.hint


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "x" * 65, "a b", "a\n", "é", "-x", ".hidden", "\0"]
)
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't be called"):
        calibrations.named(name)
    with pytest.raises(UsageError, match="can't be called"):
        calibrations.keep(mine(name))


@pytest.mark.parametrize("name", ["snapdragon-855-paper", "Snapdragon-855-Paper"])
def test_the_one_that_ships_stays_as_it_is(name: str) -> None:
    with pytest.raises(UsageError, match="stays as it is"):
        calibrations.keep(mine(name))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "other"),
        ("ns_per", {}),
        ("ns_per", {"fma": 0.0}),
        ("ns_per", {"fma": -1.0}),
        ("ns_per", {"walk": 1.0}),
        ("low", 0.0),
        ("high", 0.5),
        ("engine", "tflite"),
        ("more", 1),
        ("models", "many"),
    ],
)
def test_what_cant_have_been_fitted_is_damage(field: str, value: object) -> None:
    path = calibrations.keep(mine())
    content = msgspec.json.decode(path.read_bytes()) | {field: value}
    path.write_bytes(msgspec.json.encode(content))
    with pytest.raises(UsageError, match=r"pixel-4\.json is damaged"):
        calibrations.named("pixel-4")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 10_000])
def test_a_file_of_something_else_is_damage(content: bytes) -> None:
    calibrations.keep(mine()).write_bytes(content)
    with pytest.raises(UsageError, match=r"pixel-4\.json is damaged"):
        calibrations.named("pixel-4")


def test_one_of_a_newer_program_is_told_from_damage() -> None:
    path = calibrations.keep(mine())
    path.write_bytes(path.read_bytes().replace(b'"schema_version": 1', b'"schema_version": 2'))
    with pytest.raises(UsageError, match="schema_version 2"):
        calibrations.named("pixel-4")


def test_a_pipe_in_its_place_is_not_waited_for(home: Path) -> None:
    calibrations.keep(mine()).unlink()
    os.mkfifo(calibrations.folder() / "pixel-4.json")
    with pytest.raises(UsageError, match="a pipe"):
        calibrations.named("pixel-4")


def test_a_folder_that_cant_be_made_is_an_error_and_leaves_nothing(home: Path) -> None:
    (home / "asymm-deploy").write_text("a file")
    with pytest.raises(UsageError, match="can't write"):
        calibrations.keep(mine())
    assert calibrations.kept_names() == ["snapdragon-855-paper"]
