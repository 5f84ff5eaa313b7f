"""Exports are whole files that other programs read; as a store, the history in one file."""

from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.history.adding import merge_store
from asymm_deploy.history.asked.exporting import ExportForm, export_store
from asymm_deploy.history.history_store import HistoryStore, opened_store
from tests.history.conftest import Add, Launches


@pytest.fixture
def store(add: Add, launches: Launches, tmp_path: Path) -> HistoryStore:
    """A store with two commits."""
    add(launches(1, flags=("unpinned",)), 1)
    add(launches(2), 2)
    return opened_store(tmp_path / "store")


def test_tables_open_elsewhere(store: HistoryStore, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for form in ("parquet", "csv", "json"):
        written = export_store(store, out, form)
        assert [path.stem for path in written] == ["entries", "launches", "sizes"]
    frame = pd.read_parquet(out / "launches.parquet")
    assert len(frame) == 6
    assert frame["commit_time"].dtype.kind == "M"
    with duckdb.connect() as connection:
        question = f"select count(*) from '{out}/launches.parquet' where counts"
        found = connection.execute(question).fetchall()
    assert found == [(6,)]
    with (out / "launches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["flags"] for row in rows) == ["", "", "", *["unpinned"] * 3]
    assert len(json.loads((out / "launches.json").read_text())) == 6
    assert export_store(store, out, "csv"), "files of the same names are replaced"


def test_as_a_store_it_is_one_file_that_is_taken_in_elsewhere(
    store: HistoryStore, tmp_path: Path
) -> None:
    (path,) = export_store(store, tmp_path / "all", "store")
    again = opened_store(tmp_path / "all")
    for name in ("entries", "launches", "sizes"):
        assert again.table(name).num_rows == store.table(name).num_rows
    assert merge_store(tmp_path / "elsewhere", path, print) == (1, 0)
    assert merge_store(tmp_path / "store", path, print) == (0, 1)


@pytest.mark.parametrize("form", ["parquet", "csv", "store"])
def test_on_a_full_disk_no_file_appears(
    store: HistoryStore, tmp_path: Path, form: ExportForm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match=r": No space left on device\Z"):
        export_store(store, tmp_path / "new" / "out", form)
    assert not (tmp_path / "new").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(HarnessError):
        export_store(store, tmp_path / "out", form)
    assert list((tmp_path / "out").iterdir()) == []


def test_of_an_empty_store_no_folder_is_left(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    assert export_store(opened_store(tmp_path / "store"), tmp_path / "out", "csv") == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("where", ["store", "store/in it", "a file"])
def test_it_is_never_written_into_a_store_or_over_a_file(
    store: HistoryStore, tmp_path: Path, where: str
) -> None:
    (tmp_path / "a file").write_text("x")
    with pytest.raises(UsageError):
        export_store(store, tmp_path / where, "csv")
    assert len(opened_store(tmp_path / "store").files) == 2
    assert (tmp_path / "a file").read_text() == "x"


def test_a_store_and_other_files_don_t_share_a_folder(store: HistoryStore, tmp_path: Path) -> None:
    export_store(store, tmp_path / "all", "store")
    with pytest.raises(UsageError, match="stands alone"):
        export_store(store, tmp_path / "all", "csv")
    export_store(store, tmp_path / "out", "csv")
    with pytest.raises(UsageError, match="stands alone"):
        export_store(store, tmp_path / "out", "store")
