"""A store's files are what their names say, or they are refused and left alone."""

from __future__ import annotations

import datetime
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from asymm_deploy.errors import UsageError
from asymm_deploy.history import store_files
from asymm_deploy.history.history_schema import HISTORY_TABLES, ColumnType
from asymm_deploy.history.history_store import opened_store
from tests.history.conftest import Add, Launches

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "texts": st.lists(TEXT, max_size=3),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(),
    "bool": st.booleans(),
    "time": st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2200, 1, 1)),
}
ROWS = st.fixed_dictionaries(
    {
        name: st.lists(
            st.fixed_dictionaries(
                {"commit": TEXT},
                optional={c: st.none() | VALUES[k] for c, k in columns.items() if c != "commit"},
            ),
            max_size=3,
        )
        for name, columns in HISTORY_TABLES.items()
    }
)


@settings(max_examples=15)
@given(ROWS)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[Any, list[dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    tables = {name: store_files.arrow_table(name, part) for name, part in rows.items()}
    path = store_files.put_file(folder, store_files.file_content(tables))
    file = store_files.opened_store_file(path)
    for name, table in tables.items():
        assert repr(file.table(name).to_pylist()) == repr(table.to_pylist())  # NaN is NaN
        assert file.table(name).schema == store_files.arrow_schema(name)
    path.unlink()


@pytest.fixture
def one_file(add: Add, launches: Launches, tmp_path: Path) -> Path:
    """The only file of a store."""
    add(launches())
    (path,) = (tmp_path / "store").glob("*.parquet")
    return path


def named(path: Path, content: bytes) -> Path:
    """Put ``content`` under its own name in the place of ``path``."""
    path.unlink()
    target = path.with_name(hashlib.sha256(content).hexdigest() + ".parquet")
    target.write_bytes(content)
    return target


def flipped(path: Path) -> Path:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return path


def truncated(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-100])
    return path


def emptied(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def junk(path: Path) -> Path:
    return named(path, b"PAR1 and nothing that Parquet knows PAR1")


def half_with_its_own_name(path: Path) -> Path:
    content = path.read_bytes()
    return named(path, content[:100] + bytes(len(content) // 2) + content[len(content) // 2 :])


def others_parquet(path: Path) -> Path:
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"kind": ["launches"]}), sink)
    return named(path, sink.getvalue().to_pybytes())


def with_metadata(text: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        table = parquet.read_table(path)
        sink = pa.BufferOutputStream()
        parquet.write_table(table.replace_schema_metadata({b"asymm-deploy": text}), sink)
        return named(path, sink.getvalue().to_pybytes())

    return make


def with_another_type(path: Path) -> Path:
    table = parquet.read_table(path)
    place = table.schema.get_field_index("runs")
    texts = table.column("runs").cast(pa.string())
    sink = pa.BufferOutputStream()
    meta = b'{"schema_version":1,"program":"x","kinds":["launches"],"commits":[]}'
    changed = table.set_column(place, "runs", texts)
    parquet.write_table(changed.replace_schema_metadata({b"asymm-deploy": meta}), sink)
    return named(path, sink.getvalue().to_pybytes())


def stray(path: Path) -> Path:
    target = path.with_name("notes.txt")
    target.write_text("mine")
    return target


def folder_in_it(path: Path) -> Path:
    target = path.with_name("0" * 64 + ".parquet")
    target.mkdir()
    return target


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (flipped, "its bytes are not those"),
        (truncated, "its bytes are not those"),
        (emptied, "its bytes are not those"),
        (junk, "is damaged"),
        (half_with_its_own_name, "is damaged"),
        (others_parquet, "did not write"),
        (with_metadata(b"{"), "is damaged"),
        (with_metadata(b'{"schema_version":99}'), "has schema_version 99; this program knows 1"),
        (with_metadata(b'{"schema_version":1,"program":"","kinds":[],"commits":[]}'), "row groups"),
        (with_another_type, "its column runs has the type string"),
        (stray, "is no file of a history"),
        (folder_in_it, "is a folder"),
    ],
)
def test_what_is_no_file_of_a_store_is_refused_by_name_and_left_as_it_is(
    one_file: Path,
    damage: Callable[[Path], Path],
    words: str,
    add: Add,
    launches: Launches,
    tmp_path: Path,
) -> None:
    bad = damage(one_file)
    folder = tmp_path / "store"

    def seen() -> dict[str, bytes | None]:
        return {p.name: p.read_bytes() if p.is_file() else None for p in folder.iterdir()}

    before = seen()

    def read() -> object:
        return [opened_store(folder).table(name) for name in HISTORY_TABLES]

    for use in (read, lambda: add(launches(2), 2)):
        with pytest.raises(UsageError, match=words) as told:
            use()
        assert str(bad) in told.value.what
    assert seen() == before


def test_every_flip_of_a_bit_is_found(one_file: Path) -> None:
    content = one_file.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 50)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        one_file.write_bytes(changed)
        with pytest.raises(UsageError, match="is damaged"):
            store_files.opened_store_file(one_file)


def test_hidden_files_are_nobodys_business(one_file: Path, tmp_path: Path) -> None:
    for name in (".gitattributes", ".DS_Store", ".new"):
        one_file.with_name(name).write_text("*")
    assert len(opened_store(tmp_path / "store").files) == 1


def test_a_store_of_a_later_version_with_more_columns_and_tables_is_read(one_file: Path) -> None:
    table = parquet.read_table(one_file).append_column("new_column", pa.array([1] * 5))
    kinds = pa.array(["entries", "launches", "launches", "launches", "weather"])
    table = table.set_column(0, "kind", kinds)
    meta = (
        b'{"schema_version":1,"program":"x","kinds":["entries","launches","weather"],"commits":[]}'
    )
    schema = table.schema.with_metadata({b"asymm-deploy": meta})
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(sink, schema) as writer:
        for first, count in ((0, 1), (1, 3), (4, 1)):
            writer.write_table(table.slice(first, count).cast(schema))
    path = named(one_file, sink.getvalue().to_pybytes())
    found = store_files.opened_store_file(path).table("launches").to_pylist()
    assert len(found) == 3
    assert not math.isnan(found[0]["median_ns"])


@pytest.mark.parametrize("kind", ["nowhere", "a file", "a dangling link", "a circle"])
def test_a_store_that_is_none_is_told(
    tmp_path: Path, kind: str, add: Add, launches: Launches
) -> None:
    path = tmp_path / "store"
    if kind == "a file":
        path.write_text("x")
    elif kind == "a dangling link":
        path.symlink_to("elsewhere")
    elif kind == "a circle":
        path.symlink_to("store")
    with pytest.raises(UsageError, match=str(path)):
        opened_store(path)
    if kind != "nowhere":
        with pytest.raises(UsageError, match=r"a file is in its place, or a link to nothing"):
            add(launches())


def test_a_linked_store_is_one(one_file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(one_file.parent)
    assert len(opened_store(tmp_path / "link").files) == 1
