"""Stages that nothing can have measured are no result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

READING = {"rss_mb": 10.0, "pss_mb": None, "peak_mb": 11.0}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"read_ns": 0}, "no valid 'stages'"),
        ({"read_ns": -1}, "no valid 'stages'"),
        ({"first_ns": "soon"}, "no valid 'stages'"),
        ({"create_ns": 10**15}, "no valid 'stages'"),
        ({"read_ns": 10**8}, "made up: the stages add up to more"),
        ({"first_cpu_ns": 10**8}, "said to have used 100 ms of processor time"),
        ({"resident": 101}, "made up: more of the model's pages"),
        ({"memory": {"engine": READING}}, "no valid 'stages'"),
        (
            {"memory": dict.fromkeys(("engine", "read", "created", "first", "second"), READING)},
            "read the memory where it was to time",
        ),
        ({"type": "steps"}, "told of no stages"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_refused_with_why(
    cold: Any, cold_device: Callable[..., Any], changes: dict[str, Any], why: str
) -> None:
    (row,) = cold.start(cold_device(lambda _: changes), launches=1)
    assert row.flags == ("failed",)
    if changes == {"type": "steps"}:  # any other message there is one too many
        assert "where 'cpu' was expected" in row.reason or "no valid 'cpu'" in row.reason
    else:
        assert why in row.reason


def test_a_runner_that_reads_no_memory_where_it_was_to_is_refused(
    cold: Any, cold_device: Callable[..., Any]
) -> None:
    (row,) = cold.start(cold_device(lambda at: {"memory": None} if at else {}), launches=1)
    assert "the runner read no memory" in row.reason
