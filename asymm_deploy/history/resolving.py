"""The rows of a store's files as one table: each row once, and of each commit the last in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from asymm_deploy.history.history_schema import HISTORY_TABLES, TableName

if TYPE_CHECKING:
    import pyarrow as pa

_SAME_ROW: Mapping[TableName, tuple[str, ...]] = {
    "launches": (
        *("commit", "model", "input_shape", "classes", "device", "engine", "precision"),
        *("threads", "partner"),
    ),
    "costs": ("commit", "model", "input_shape", "classes", "precision", "cost_key"),
    "accuracies": (
        *("commit", "model", "device", "engine", "precision", "task", "data", "metric"),
    ),
    "sizes": ("commit", "model", "input_shape", "classes"),
}
"""What the rows share of which the last is in use."""
_SAME_CIRCUMSTANCES = ("plan_id", "attempt", "artifact_sha256", "cpus")
_ORDER: Mapping[TableName, str] = {
    "launches": "started_at, line, added_at",
    "costs": "added_at, line",
    "accuracies": "added_at",
    "sizes": "mnn_bytes is not null, added_at",
}
_COUNTS: Mapping[TableName, str] = {
    "launches": "valid and error is null and partner is null and runs > 0",
    "costs": "valid and insn is not null",
    "accuracies": "percent is not null",
    "sizes": "true",
}
"""Whether a row that is in use counts."""


def resolved_table(
    name: TableName,
    parts: Sequence[pa.Table],
    columns: Sequence[str] | None,
    *,
    shared: Collection[str],
    several: Collection[str],
) -> pa.Table:
    """Return the rows of all ``parts`` with ``columns``, or with all of the table's.

    ``shared`` are commits whose rows may be in two parts, ``several`` those to which results were
    added more than once; if there are any, the parts have all columns.
    """
    import pyarrow as pa

    from asymm_deploy.history.store_files import arrow_schema

    wanted = list(HISTORY_TABLES[name]) if columns is None else list(columns)
    if not parts:
        return arrow_schema(name).empty_table().select(wanted)
    found = united(name, parts) if shared or name == "accepted" else pa.concat_tables(parts)
    if several and name in _SAME_ROW:
        found = _last_in_use(name, found, several)
    return found.select(wanted)


def united(name: TableName, parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all ``parts``, one or more with all columns, each once.

    Of rows that are the same that of the earliest commit stays, and of those what was added first.
    """
    import pyarrow as pa

    key = "entry_id" if name == "entries" else "row_id"
    within = f"line, {key}" if "line" in HISTORY_TABLES[name] else key
    sql = f"""
        select * from found qualify row_number()
            over (partition by {key} order by commit_time, "commit", added_at) = 1
        order by commit_time, "commit", added_at, {within}
    """  # noqa: S608  of our own words alone
    return _asked(sql, found=pa.concat_tables(parts))


def _last_in_use(name: TableName, table: pa.Table, commits: Collection[str]) -> pa.Table:
    """Mark anew, for ``commits``, which rows are in use, and which of those count."""
    import pyarrow as pa

    row = ", ".join(_quoted(_SAME_ROW[name]))
    order = _ORDER[name]
    latest_first = ", ".join(f"{part} desc" for part in order.split(", "))
    last = f"row_number() over (partition by {row} order by {latest_first}) = 1"
    if name == "launches":  # several of one row, made under the same circumstances
        same = ", ".join(_quoted(_SAME_CIRCUMSTANCES))
        last = f"""
            first_value(row({same})) over (partition by {row} order by {latest_first})
            is not distinct from row({same}) and
            row_number() over (partition by {row}, {same}, launch order by {latest_first}) = 1
        """
    sql = f"""
        with mine as (
            select * replace ({last} as in_use) from found
            where "commit" in (select c from several)
        )
        select * from found where "commit" not in (select c from several)
        union all
        select * replace (in_use and {_COUNTS[name]} as counts) from mine
    """  # noqa: S608  of our own words alone
    return _asked(sql, found=table, several=pa.table({"c": sorted(commits)}))


def _quoted(names: Sequence[str]) -> list[str]:
    return [f'"{name}"' for name in names]


def _asked(sql: str, **tables: pa.Table) -> pa.Table:
    import duckdb

    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        answer = connection.sql(sql).to_arrow_table()
    return answer.cast(tables["found"].schema)
