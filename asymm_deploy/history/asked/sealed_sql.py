"""DuckDB in memory, over tables that it is given: nothing else can be read, and nothing written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from asymm_deploy.errors import UsageError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SEALED: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "temp_directory": "",
    "memory_limit": "4GB",  # what is larger would be Python's, several times over, on its way out
}
_AT_ONCE = 10_000
"""Rows. Two of such parts are all that is held of an answer."""
_LOOK_EVERY_S = 0.1
_READING = ("SELECT", "EXPLAIN")
"""What SHOW, DESCRIBE, SUMMARIZE, FROM, VALUES and WITH are as well."""
_HINT = 'see the tables with `asymm-deploy history query "show tables"`, and docs/history.md'
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class SqlAnswer:
    """What SQL is answered with."""

    columns: tuple[str, ...]
    """Each name once: of several the later ones have a number behind them."""
    parts: Iterator[Sequence[tuple[Any, ...]]]
    """The rows, as they are found; it raises UsageError where a later one can't be computed."""


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


@contextmanager
def answered_sql(tables: Mapping[str, pa.Table], sql: str) -> Iterator[SqlAnswer]:
    """Yield the answer to one question of a user's; Ctrl-C ends even one that takes for ever.

    Raises UsageError if the SQL is none, or is not a single question.
    """
    with sealed_connection(tables) as connection, ThreadPoolExecutor(1) as pool:

        def run(work: Callable[[], _Result]) -> _Result:
            return _interruptible(pool.submit(work), connection)

        with _told():
            _require_question(connection, sql)
            asked = run(lambda: connection.execute(sql))
            names = [column[0] for column in asked.description or ()]

        def parts() -> Iterator[Sequence[tuple[Any, ...]]]:
            while True:
                with _told():
                    part = run(lambda: asked.fetchmany(_AT_ONCE))
                if not part:
                    return
                yield part

        yield SqlAnswer(tuple(_each_once(names)), parts())


def _interruptible(work: Future[_Result], connection: duckdb.DuckDBPyConnection) -> _Result:
    """Wait for ``work``; if Ctrl-C is heard meanwhile, DuckDB stops first."""
    try:
        while True:
            try:
                return work.result(timeout=_LOOK_EVERY_S)
            except TimeoutError:
                if work.done():
                    raise
    except KeyboardInterrupt:
        connection.interrupt()
        work.exception()
        raise


def _require_question(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    if not sql.isascii() and any("\ud800" <= character <= "\udfff" for character in sql):
        raise UsageError("the SQL is no text in UTF-8", "give it anew")
    statements = connection.extract_statements(sql)
    if not statements:
        raise UsageError("the SQL is empty", "ask something: select * from entries")
    kinds = {statement.type.name for statement in statements}
    if "MULTI" in kinds:
        raise UsageError(
            "a PIVOT that has to find its columns first is more than one question",
            "name them: pivot launches on model in ('a', 'b') using median(median_ns)",
        )
    if not kinds <= set(_READING):
        kind = min(kinds - set(_READING))
        raise UsageError(
            f"{kind} is no question, and a history is only asked",
            "give a SELECT, or the like; `asymm-deploy history export` writes files",
        )
    if len(statements) > 1:
        raise UsageError(f"{len(statements)} questions are asked at once", "ask one at a time")


@contextmanager
def _told() -> Iterator[None]:
    """Turn what DuckDB says of a user's SQL into words."""
    import duckdb

    try:
        yield
    except (duckdb.Error, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        first = lines[0] if lines else type(error).__name__
        near = next((line for line in lines[1:] if line.startswith("Did you mean")), "")
        raise UsageError(
            excerpt(f"SQL: {first}", 600), f"{excerpt(near)} {_HINT}".strip()
        ) from error


def _each_once(names: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        unique, number = name, 1
        while unique in seen:
            number += 1
            unique = f"{name}_{number}"
        seen.add(unique)
        yield unique
