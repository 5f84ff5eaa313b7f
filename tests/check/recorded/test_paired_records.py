"""Paired launches in the folders of a bench have no part in a recorded comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError
from tests.bench.paired_lines import add_paired_launches

Compared = Callable[..., RecordedComparison]


def test_the_comparison_is_that_of_folders_without(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    old, new = folder("old"), folder("new", slower=0.1)
    without = compared(old, new)
    for path in (old, new):
        assert add_paired_launches(path / store.NAME) == 10
    assert compared(old, new) == without
    assert without.discarded == ()


def test_half_a_paired_launch_that_is_passed_off_as_one_is_a_copy(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    old, new = folder("old"), folder("new")
    add_paired_launches(old / store.NAME)
    records = store.load(old)
    forged = msgspec.structs.replace(
        records[1], paired=None, model="net", launch=9, launches_planned=10, schema_version=1
    )
    lines = [*records[:-3], forged, *records[-2:]]
    (old / store.NAME).write_bytes(b"".join(msgspec.json.encode(x) + b"\n" for x in lines))
    with pytest.raises(UsageError):
        compared(old, new)
