"""The files of a store: immutable Parquet, named by the SHA-256 of their bytes.

A file appears whole or not at all, and is never written again: whoever reads needs no lock, and two
copies of a store are merged by copying files. What is no such file is refused, and left as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from asymm_deploy import __version__
from asymm_deploy.errors import UsageError
from asymm_deploy.files import is_in_the_way, read_regular, unwritable, written_aside
from asymm_deploy.history.history_schema import (
    HISTORY_SCHEMA_VERSION,
    HISTORY_TABLES,
    KIND,
    ColumnType,
    HistoryRow,
    TableName,
    all_columns,
)
from asymm_deploy.safe import excerpt
from asymm_deploy.versioned import DamagedError, decode_json

if TYPE_CHECKING:
    import pyarrow as pa

STORE_SUFFIX = ".parquet"
LOCK_NAME = ".history.lock"
_NEW = ".new"
"""A file that is whole, and has not got its name yet."""
_METADATA = b"asymm-deploy"
_ROWS_A_GROUP = 2**17
NAMED_BY_HASH = re.compile(r"([0-9a-f]{64})\.parquet")
_RESTORE = "restore it from a copy, or move it away: nothing was changed"


class _Described(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says of itself in Parquet's own metadata."""

    schema_version: int
    program: str
    kinds: tuple[str, ...]
    """The table that each row group is of."""
    commits: tuple[str, ...]
    """Those that its rows are of, each once."""


@dataclass(frozen=True, slots=True)
class StoreFile:
    """One file, its bytes compared with its name, its tables not yet read."""

    path: Path
    content: bytes
    commits: tuple[str, ...]
    _kinds: tuple[str, ...]
    _parquet: Any

    @property
    def row_count(self) -> int:
        """How many rows its tables have together."""
        return int(self._parquet.metadata.num_rows)

    @property
    def is_of_a_newer_program(self) -> bool:
        """Whether it has tables or columns that this program doesn't know, and would not write."""
        columns = set(self._parquet.schema_arrow.names) - set(all_columns())
        return bool(columns or set(self._kinds) - set(HISTORY_TABLES))

    def table(self, name: TableName, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of one table with its columns, or some of them.

        Raises UsageError, naming the file, if they can't be decoded.
        """
        import pyarrow as pa

        schema = arrow_schema(name)
        if columns is not None:
            schema = pa.schema([schema.field(column) for column in columns])
        groups = [number for number, kind in enumerate(self._kinds) if kind == name]
        if not groups:
            return schema.empty_table()
        there = set(self._parquet.schema_arrow.names)
        try:
            found = self._parquet.read_row_groups(
                groups, columns=[name for name in schema.names if name in there]
            )
            for field in schema:
                if field.name not in there:
                    found = found.append_column(field, pa.nulls(len(found), field.type))
            return found.select(schema.names).replace_schema_metadata()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.path, error) from error


def arrow_schema(name: TableName) -> pa.Schema:
    """Return a table's columns with their Arrow types."""
    import pyarrow as pa

    return pa.schema([(column, _arrow(kind)) for column, kind in HISTORY_TABLES[name].items()])


def store_paths(folder: Path) -> list[Path]:
    """Return a store's files by name; hidden files and folders are nobody's business.

    Raises UsageError if there is no such folder, it can't be read, or something else lies in it.
    """
    try:
        found = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise UsageError(
            f"there is no history in {folder}",
            "add results with `asymm-deploy history add RESULTS`, or give its folder with --store",
        ) from None
    except NotADirectoryError:
        raise UsageError(
            f"{folder} is a file, and a history is a folder",
            "give a folder with --store; `asymm-deploy history add FILE` takes in a store's file",
        ) from None
    except OSError as error:
        raise UsageError(
            f"can't read {folder}: {error.strerror or error}",
            "check its permissions, or give another folder with --store",
        ) from error
    for path in found:
        if not NAMED_BY_HASH.fullmatch(path.name):
            raise UsageError(
                f"{path} is no file of a history, and lies in one",
                "move it away, or give another folder with --store; nothing was changed",
            )
    return found


def opened_store_file(path: Path) -> StoreFile:
    """Read a store's file, and compare its bytes with its name.

    Raises UsageError, naming it, if it is damaged, of a newer program, or none of ours.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise UsageError(
            f"can't read {path}: {error.strerror or error}", "check what it is, or move it away"
        ) from error
    named = NAMED_BY_HASH.fullmatch(path.name)
    if named is None:
        raise UsageError(
            f"{path} is not named by its SHA-256, as the files of a history are",
            "give a file as `asymm-deploy history export --format store` wrote it",
        )
    if hashlib.sha256(content).hexdigest() != named[1]:
        raise UsageError(
            f"{path} is damaged: its bytes are not those that it is named by", _RESTORE
        )
    return _described(path, content)


def _described(path: Path, content: bytes) -> StoreFile:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(pa.BufferReader(content))
        told = (file.schema_arrow.metadata or {}).get(_METADATA)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    if told is None:
        raise UsageError(
            f"{path} is a Parquet file that asymm-deploy did not write",
            "move it away; nothing was changed",
        )
    try:
        described = decode_json(
            told, _Described, HISTORY_SCHEMA_VERSION, where=str(path), hint="give another --store"
        )
    except DamagedError as error:
        raise _damaged(path, error) from error
    if len(described.kinds) != file.num_row_groups or file.schema_arrow.names[:1] != [KIND]:
        raise _damaged(path, "its row groups are not those that it tells of")
    known = all_columns()
    for field in file.schema_arrow:
        if field.name in known and field.type != _arrow(known[field.name]):
            raise _damaged(path, f"its column {field.name} has the type {field.type}")
    return StoreFile(path, content, described.commits, described.kinds, file)


def _damaged(path: Path, why: object) -> UsageError:
    words = str(why).splitlines()[0][:300] if str(why) else "unreadable"
    return UsageError(f"{path} is damaged: {words}", _RESTORE)


def file_content(tables: Mapping[TableName, pa.Table]) -> bytes:
    """Return the bytes of a file that holds ``tables``; columns that are empty in all are left out.

    The same rows give the same bytes, as long as Arrow's version is the same.
    """
    import pyarrow as pa
    from pyarrow import parquet

    parts = [
        (name, table.slice(start, _ROWS_A_GROUP))
        for name, table in tables.items()
        for start in range(0, len(table), _ROWS_A_GROUP)
    ]
    filled = {n for _, t in parts for n in t.column_names if t.column(n).null_count < len(t)}
    every = {n: kind for n, kind in all_columns().items() if n == KIND or n in filled}
    described = _Described(
        schema_version=HISTORY_SCHEMA_VERSION,
        program=f"asymm-deploy {__version__}",
        kinds=tuple(name for name, _ in parts),
        commits=tuple(sorted({c for _, t in parts for c in t["commit"].unique().to_pylist()})),
    )
    schema = pa.schema(
        [(column, _arrow(kind)) for column, kind in every.items()],
        metadata={_METADATA: msgspec.json.encode(described)},
    )
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=[column for column, kind in every.items() if kind == "text"],
        write_page_checksum=True,
        write_statistics=False,
    ) as writer:
        for name, part in parts:
            columns = [
                pa.array([name] * len(part), pa.string())
                if column == KIND
                else part.column(column)
                if column in part.column_names
                else pa.nulls(len(part), _arrow(kind))
                for column, kind in every.items()
            ]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=_ROWS_A_GROUP)
    return cast("bytes", sink.getvalue().to_pybytes())


def arrow_table(name: TableName, rows: Iterable[HistoryRow]) -> pa.Table:
    """Return rows as a table; what they lack is empty.

    Raises UsageError for a number that no column can hold: somebody has edited a file.
    """
    import pyarrow as pa

    try:
        return pa.Table.from_pylist(list(rows), schema=arrow_schema(name))
    except (pa.ArrowInvalid, OverflowError) as error:
        raise UsageError(
            f"among the {name} is a number that is too large: {excerpt(str(error))}",
            "restore the files of the results as they were; nothing was added",
        ) from error


def put_file(folder: Path, content: bytes) -> Path:
    """Write a file under its name, whole or not at all; one that is there already stays.

    One command at a time does so in a folder, and removes what one that was killed has left there.
    Raises UsageError, or HarnessError if the disk is full.
    """
    path = folder / (hashlib.sha256(content).hexdigest() + STORE_SUFFIX)
    if path.exists():
        return path
    try:
        with written_aside(folder / _NEW) as aside:
            aside.write_bytes(content)
        (folder / _NEW).replace(path)
    except OSError as error:
        if is_in_the_way(error):
            raise UsageError(
                f"can't write {path}: {folder / _NEW}, which it is written as at first, is no file",
                "move that away; nothing was changed",
            ) from error
        raise unwritable(
            str(path), error, "free some space, or give a folder that you may write to with --store"
        ) from error
    return path


def _arrow(kind: ColumnType) -> Any:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us"),
    }[kind]
