"""SQL of users sees the tables, and nothing else of this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.history.asked.answer_text import answer_text
from asymm_deploy.history.asked.sealed_sql import answered_sql
from asymm_deploy.text import Format

TABLES = {"launches": pa.table({"commit": ["a", "b"], "median_ns": [1.0, float("nan")]})}


def asked(sql: str, output_format: Format = "csv", remarks: list[str] | None = None) -> str:
    with answered_sql(TABLES, sql) as answer:
        return "".join(answer_text(answer, output_format, [] if remarks is None else remarks))


def test_questions_are_answered() -> None:
    assert asked("select commit, median_ns from launches") == "commit,median_ns\na,1.0\nb,nan\n"
    assert "launches" in asked("show tables")
    assert "median_ns" in asked("describe launches", "table")
    assert asked("from launches where false", "json") == "[]\n"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from '{file}'",
        "select * from read_csv('{file}')",
        "select * from read_text('{file}')",
        "select * from read_blob('{file}')",
        "select * from glob('{folder}/*')",
        "select * from query('select * from read_text(''{file}'')')",
        "select * from 'http://127.0.0.1:9/x.parquet'",
        "select * from read_parquet('s3://bucket/x')",
        "from duckdb_secrets()",
        "from sqlite_scan('{file}', 'x')",
        "copy launches to '{folder}/out.csv'",
        "export database '{folder}/all'",
        "attach '{folder}/a.db'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "pragma enable_profiling",
        "call force_checkpoint()",
        "create table t as select 1",
        "delete from launches",
        "drop view launches",
        "explain analyze copy launches to '{folder}/out.csv'",
        "select 1; drop view launches",
    ],
)
def test_what_reaches_beyond_the_tables_is_refused_and_leaves_nothing(
    sql: str, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError):
        asked(sql.format(file=secret, folder=tmp_path))
    assert list(tmp_path.iterdir()) == [secret]


def test_a_pivot_is_one_question_once_its_columns_are_named() -> None:
    with pytest.raises(UsageError, match="more than one question") as told:
        asked("pivot launches on commit using count(*)")
    assert "name them" in (told.value.hint or "")
    assert asked("pivot launches on commit in ('a', 'b') using count(*)").startswith("median_ns,a")


NO_SQL = (
    *("", " ; ", "-- nothing", "select", "selec 1", "select 1; select 2", "from nowhere"),
    *("select no_such from launches", "select 1/'x'", "select error('\x1b[31m')"),
    *("select '\udcff'", "\0", "("),
)


@pytest.mark.parametrize("sql", NO_SQL)
def test_sql_that_is_none_is_told_in_words(sql: str) -> None:
    with pytest.raises(UsageError) as told:
        asked(sql)
    assert "\n" not in told.value.what
    assert "\x1b" not in told.value.what


def test_an_error_that_comes_late_is_told_as_well() -> None:
    with pytest.raises(UsageError, match="late"):
        asked("select if(range = 99999, error('late'), 1) from range(100000)")


def test_what_would_drive_a_terminal_or_a_spreadsheet_is_shown_as_it_is() -> None:
    sql = "select chr(27) || '[31m' as \"a\x1b[0m\", '=1+1' as b, chr(10) as c"
    for output_format in ("table", "csv", "json"):
        assert "\x1b" not in asked(sql, output_format)
    assert ",'=1+1," in asked(sql)


def test_json_holds_every_kind_of_value() -> None:
    import json

    sql = (
        "select 'nan'::double a, '-inf'::float a, [1, null] c, {'x': [1.5]} d, map {1: 'y'} e, "
        "'\\x01'::blob f, 1.25::decimal(5, 2) g, date '2026-01-02' h, true i, null j, "
        "2::hugeint * 10::hugeint ^ 0 k, interval 90 second l, timestamp '2026-01-02 03:04:05' m, "
        "uuid '00000000-0000-0000-0000-000000000000' n"
    )
    (found,) = json.loads(asked(sql, "json"))
    expected: dict[str, Any] = {
        "a": None,
        "a_2": None,
        "c": [1, None],
        "d": {"x": [1.5]},
        "e": {"1": "y"},
        "f": "01",
        "g": 1.25,
        "h": "2026-01-02",
        "i": True,
        "j": None,
        "k": 2,
        "l": "0:01:30",
        "m": "2026-01-02T03:04:05",
        "n": "00000000-0000-0000-0000-000000000000",
    }
    assert found == expected
    assert "true" in asked(sql)
    assert "true" in asked(sql, "table")


def test_a_table_stops_and_says_so_where_csv_goes_on() -> None:
    remarks: list[str] = []
    assert asked("from range(5000)", "table", remarks).count("\n") == 1002
    assert remarks == ["these are the first 1,000 rows; --format csv or json prints all"]
    assert asked("from range(25000)").count("\n") == 25001


def test_large_answers_come_as_they_are_found() -> None:
    with answered_sql(TABLES, "from range(1000000000000)") as answer:
        pieces = answer_text(answer, "csv", [])
        assert next(pieces) == "range\n"
        assert next(pieces).startswith("0\n1\n")


def test_ctrl_c_ends_a_question_that_takes_for_ever() -> None:
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        asked(
            "select count(*) from range(10000000) a, range(1000000) b where a.range * b.range = 7"
        )
    assert time.monotonic() - began < 30
