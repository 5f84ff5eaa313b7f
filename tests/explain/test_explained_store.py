"""explained.jsonl loses nothing that is finished, and refuses what it doesn't understand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.explain.explained_store import (
    latest_explained,
    opened_explained,
    read_explained,
)
from asymm_deploy.explain.explanation import EXPLAINED_NAME, Explanation


def never(text: str) -> None:
    raise AssertionError(text)


def test_what_was_added_is_there_again(explained: Explanation, tmp_path: Path) -> None:
    other = msgspec.structs.replace(explained, model="other")
    with opened_explained(tmp_path / "new", never) as folder:
        folder.add(explained)
        folder.add(other)
    with opened_explained(tmp_path / "new", never) as folder:
        assert folder.records == (explained, other)


def test_a_line_that_a_kill_cut_short_is_put_aside(explained: Explanation, tmp_path: Path) -> None:
    with opened_explained(tmp_path, never) as folder:
        folder.add(explained)
    path = tmp_path / EXPLAINED_NAME
    line = path.read_bytes()
    path.write_bytes(line + line[:100])
    told: list[str] = []
    with opened_explained(tmp_path, told.append) as folder:
        assert folder.records == (explained,)
    assert "100 bytes" in told[0]
    assert path.read_bytes() == line
    assert (tmp_path / f"{EXPLAINED_NAME}.torn").read_bytes() == line[:100] + b"\n"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{}\n", "line 1"),
        (b"nonsense\n", "line 1"),
        (b'{"schema_version":99}\n', "99"),
        (b'{"schema_version":1,"model":3}\n', "line 1"),
    ],
)
def test_damage_is_refused_and_nothing_is_changed(line: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / EXPLAINED_NAME
    path.write_bytes(line)
    with (
        pytest.raises(UsageError, match=r"explained\.jsonl.*" + why),
        opened_explained(tmp_path, never),
    ):
        pass
    assert path.read_bytes() == line


def test_two_explains_at_once_are_refused(tmp_path: Path) -> None:
    with (
        opened_explained(tmp_path, never),
        pytest.raises(HarnessError, match="another command is explaining into"),
        opened_explained(tmp_path, never),
    ):
        pass


@pytest.mark.parametrize("name", [".explain.lock", EXPLAINED_NAME])
def test_a_folder_in_the_place_of_a_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DeployError, match=name), opened_explained(tmp_path, never):
        pass


def test_the_latest_of_a_model_counts(explained: Explanation, tmp_path: Path) -> None:
    later = msgspec.structs.replace(explained, runs=7)
    half = msgspec.structs.replace(explained, precision="fp16")
    first = msgspec.structs.replace(explained, model="a")
    assert latest_explained([explained, half, later, first]) == [first, half, later]
    assert read_explained(tmp_path / "none").records == []


@pytest.mark.parametrize(
    ("was", "damaged"),
    [
        ('"time_ms":', '"time_ms":1e308,"_":'),
        ('"time_ms":', '"time_ms":-5,"_":'),
        ('"madds":', '"madds":-1,"_":'),
        ('"median_ms":', '"median_ms":-1,"_":'),
        ('"over_deviation":', '"over_deviation":-1,"_":'),
    ],
)
def test_a_figure_that_nobody_can_have_measured_is_damage(
    explained: Explanation, tmp_path: Path, was: str, damaged: str
) -> None:
    line = msgspec.json.encode(explained).decode()
    assert was in line
    (tmp_path / EXPLAINED_NAME).write_text(line.replace(was, damaged, 1) + "\n")
    with pytest.raises(UsageError, match="is damaged in line 1"):
        read_explained(tmp_path / EXPLAINED_NAME)
