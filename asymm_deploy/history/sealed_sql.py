"""DuckDB in memory, over tables that it is given: nothing else can be read, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
}


@contextmanager
def sealed_connection(tables: Mapping[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection in which SQL sees ``tables`` by name, and neither files nor a network.

    Extensions can't be installed or loaded, nor can any of this be set otherwise.
    """
    import duckdb

    with duckdb.connect(":memory:", config=_SEALED) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection
