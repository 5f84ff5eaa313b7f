"""Checks decide the exit code by who needs what, and are printed for people and programs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from asymm_deploy.doctor.checklist import (
    Check,
    Need,
    Status,
    checklist_exit_code,
    printed_checklist,
)
from asymm_deploy.errors import ExitCode

CHECKS = [
    Check("python", "host", "ok", "3.11.7"),
    Check("adb", "phone", "missing", "none", "get one, or two"),
]


@pytest.mark.parametrize(
    ("need", "status", "host", "phone"),
    [
        ("host", "ok", 0, 0),
        ("host", "missing", 3, 3),
        ("host", "wrong", 3, 3),
        ("host", "unknown", 0, 0),
        ("phone", "missing", 0, 3),
        ("phone", "wrong", 0, 3),
        ("phone", "unknown", 0, 0),
        ("phone", "not needed", 0, 0),
        ("option", "missing", 0, 0),
    ],
)
def test_only_what_is_needed_fails(need: Need, status: Status, host: int, phone: int) -> None:
    checks = [CHECKS[0], Check("it", need, status, "")]
    assert checklist_exit_code(checks, phone=False) == ExitCode(host)
    assert checklist_exit_code(checks, phone=True) == ExitCode(phone)


def test_a_table_has_the_steps_below_it() -> None:
    text = printed_checklist(CHECKS, "table")
    table, steps = text.split("\n\n")
    assert steps == "- adb: get one, or two"
    first_words = [line.split()[0] for line in table.splitlines()]
    assert (first_words[0], *first_words[2:]) == ("check", "python", "adb")
    assert "get one" not in table
    assert printed_checklist(CHECKS[:1], "table").count("\n") == 2


def test_csv_and_json_have_all_of_it() -> None:
    row = {
        "check": "adb",
        "needed_for": "phone",
        "status": "missing",
        "found": "none",
        "to_do": "get one, or two",
    }
    assert json.loads(printed_checklist(CHECKS, "json"))[1] == row
    assert list(csv.DictReader(io.StringIO(printed_checklist(CHECKS, "csv"))))[1] == row
