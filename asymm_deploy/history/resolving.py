"""The rows of a store's files as one table: each row once, and of each commit the last in use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from asymm_deploy.history.history_schema import HISTORY_TABLES, TableName

if TYPE_CHECKING:
    import pyarrow as pa

_TIMED = (
    *("commit", "model", "input_shape", "classes", "device", "engine", "precision", "threads"),
)
_SAME_ROW: Mapping[TableName, tuple[str, ...]] = {
    "launches": (
        *_TIMED,
        "partner",
    ),
    "cold": _TIMED,
    "sustained": (*_TIMED, "for_s", "every_ms"),
    "costs": ("commit", "model", "input_shape", "classes", "precision", "cost_key"),
    "accuracies": (
        *("commit", "model", "input_shape", "device", "engine", "precision", "task", "data"),
        "metric",
    ),
    "sizes": ("commit", "model", "input_shape", "classes"),
}
"""What the rows share of which the last is in use."""
_SAME_CIRCUMSTANCES = ("plan_id", "attempt", "artifact_sha256", "cpus")
_ORDER: Mapping[TableName, str] = {
    "launches": "started_at, line, added_at",
    "cold": "started_at, line, added_at",
    "sustained": "error is null, started_at, added_at",
    "costs": "added_at, line",
    "accuracies": "added_at",
    "sizes": "mnn_bytes is not null, added_at, in_use",
}
_COUNTS: Mapping[TableName, str] = {
    "launches": "valid and error is null and partner is null and runs > 0",
    "cold": "valid and error is null and first_ns is not null",
    "sustained": "valid and error is null and sustained_ns is not null",
    "costs": "valid and insn is not null",
    "accuracies": "percent is not null",
    "sizes": "true",
}
"""Whether a row that is in use counts."""
_NEEDED: Mapping[TableName, tuple[str, ...]] = {
    "launches": (
        *(*_SAME_CIRCUMSTANCES, "launch", "started_at", "line"),
        *("valid", "error", "partner", "runs"),
    ),
    "cold": (
        *(*_SAME_CIRCUMSTANCES, "launch", "pass", "started_at", "line"),
        *("valid", "error", "first_ns"),
    ),
    "sustained": ("started_at", "valid", "error", "sustained_ns"),
    "costs": ("line", "valid", "insn"),
    "accuracies": ("percent",),
    "sizes": ("mnn_bytes", "in_use"),
}
"""Columns that both of those are told by."""


def resolved_table(
    name: TableName,
    read: Callable[[list[str]], Sequence[pa.Table]],
    columns: Sequence[str] | None,
    *,
    shared: Collection[str],
    several: Collection[str],
) -> pa.Table:
    """Return the rows of all parts with ``columns``, or with all of the table's.

    ``read`` gives the parts, one or more, with the columns that it is asked for. ``shared`` are
    commits whose rows may be in two parts, ``several`` those to which results were added more than
    once.
    """
    import pyarrow as pa

    wanted = list(HISTORY_TABLES[name] if columns is None else columns)
    once = bool(shared) or name == "accepted"
    again = bool(several) and name in _SAME_ROW
    needed = set(wanted)
    if once:
        needed |= {_key(name), "commit", "commit_time", "added_at"}
    if again:
        needed |= {*_SAME_ROW[name], *_NEEDED[name], "entry_id", "added_at", "in_use", "counts"}
    found = pa.concat_tables(read([c for c in HISTORY_TABLES[name] if c in needed]))
    if once:
        found = _each_once(name, found, None if name == "accepted" else shared)
    if again:
        found = _last_in_use(name, found, several)
    return found.select(wanted)


def _key(name: TableName) -> str:
    return "entry_id" if name == "entries" else "row_id"


def _each_once(name: TableName, table: pa.Table, commits: Collection[str] | None) -> pa.Table:
    """Leave out rows that are there before: of an earlier commit, or added earlier.

    Only those of ``commits`` are looked at, where they are given.
    """
    import pyarrow as pa

    sql = f"""
        select place from found where $all or "commit" in (select c from commits)
        qualify row_number()
            over (partition by {_key(name)} order by commit_time, "commit", added_at, place) > 1
    """  # noqa: S608  of our own words alone
    doubles = _asked(
        sql.replace("$all", str(commits is None).lower()),
        found=_with_places(table.select([_key(name), "commit", "commit_time", "added_at"])),
        commits=pa.table({"c": pa.array(sorted(commits or ()), pa.string())}),
    )
    keep = np.ones(len(table), dtype=bool)
    keep[doubles.column(0).to_numpy()] = False
    return table if keep.all() else table.filter(pa.array(keep))


def united(name: TableName, parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all ``parts``, one or more with all columns, each once.

    Of rows that are the same that of the earliest commit stays, and of those what was added first.
    """
    import pyarrow as pa

    key = _key(name)
    within = f"line, {key}" if "line" in HISTORY_TABLES[name] else key
    sql = f"""
        select * from found qualify row_number()
            over (partition by {key} order by commit_time, "commit", added_at) = 1
        order by commit_time, "commit", added_at, {within}
    """  # noqa: S608  of our own words alone
    found = pa.concat_tables(parts)
    return _asked(sql, found=found).cast(found.schema)


def _last_in_use(name: TableName, table: pa.Table, commits: Collection[str]) -> pa.Table:
    """Mark anew which rows are in use, and which of those count, where two additions meet."""
    import pyarrow as pa

    row = ", ".join(_quoted(_SAME_ROW[name]))
    same_row = " and ".join(  # = is never so of NULL
        f"of_them.{each} is not distinct from met.{each}" for each in _quoted(_SAME_ROW[name])
    )
    latest_first = ", ".join(f"{part} desc" for part in (*_ORDER[name].split(", "), "place"))
    last = f"row_number() over (partition by {row} order by {latest_first}) = 1"
    if name in {"launches", "cold"}:  # several of one row, made under the same circumstances
        number = "launch" if name == "launches" else 'launch, "pass"'
        same = ", ".join(_quoted(_SAME_CIRCUMSTANCES))
        last = f"""
            first_value(row({same})) over (partition by {row} order by {latest_first})
            is not distinct from row({same}) and
            row_number() over (partition by {row}, {same}, {number} order by {latest_first}) = 1
        """
    sql = f"""
        with of_them as (from found where "commit" in (select c from commits)),
        met as (
            select {row} from of_them group by {row} having count(distinct entry_id) > 1
        ),
        marked as (
            select *, {last} as is_last from of_them semi join met on ({same_row})
        )
        select place, is_last, is_last and coalesce({_COUNTS[name]}, false) from marked
    """  # noqa: S608  of our own words alone
    needed = sorted({*_SAME_ROW[name], *_NEEDED[name], "entry_id", "added_at"})
    marked = _asked(
        sql,
        found=_with_places(table.select(needed)),
        commits=pa.table({"c": pa.array(sorted(commits), pa.string())}),
    )
    if not len(marked):
        return table
    places = marked.column(0).to_numpy()
    for column, values in (("in_use", marked.column(1)), ("counts", marked.column(2))):
        changed = table.column(column).combine_chunks().to_numpy(zero_copy_only=False).copy()
        changed[places] = values.to_numpy()
        field = table.schema.get_field_index(column)
        table = table.set_column(field, column, pa.array(changed, pa.bool_()))
    return table


def _with_places(table: pa.Table) -> pa.Table:
    """Return the table with the number of each row."""
    import pyarrow as pa

    return table.append_column("place", pa.array(np.arange(len(table))))


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _asked(sql: str, **tables: pa.Table) -> Any:
    import duckdb

    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(sql).to_arrow_table()
