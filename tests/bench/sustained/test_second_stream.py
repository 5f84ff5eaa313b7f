"""A stream that lasts is read piece by piece, and nothing passes that can't have been measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench import wire
from asymm_deploy.bench.sustained.second_stream import SecondReader

HELLO = {
    "type": "hello",
    "protocol": 1,
    "runner": "native",
    "runner_version": "0",
    "engine": "mnn",
    "engine_version": "3",
    "abi": "a",
    "pid": 1,
}
MODEL = {
    "type": "model",
    "sha256": "a" * 64,
    "input_shape": [1],
    "init_ns": 5,
    "memory_mb": 1.5,
    "precision": "fp32",
    "threads": 1,
    "api": "session",
}
CPU = {"type": "cpu", "asked": [7], "before": 7, "after": 7}
CALIBRATION = {"type": "calibration", "before_mac_per_s": 1e9, "after_mac_per_s": 1e9}
OUTPUT = {"type": "output", "sha256": "b" * 64}


@pytest.fixture
def stream(a_second: Callable[..., Any]) -> Callable[..., bytes]:
    """Lines of three seconds, and what comes before and behind them."""

    def make(*seconds: dict[str, Any], whole: dict[str, Any] | None = None) -> bytes:
        made = [
            {**msgspec.to_builtins(a_second(at, 10.0)), **(seconds[at] if seconds else {})}
            for at in range(len(seconds) or 3)
        ]
        told = {
            "type": "sustained",
            "runs": 50 * len(made),
            "wall_ns": len(made) * 10**9,
            "cpu_ns": 10**9,
            "waited_ns": 0,
            "steal_ns": None,
            "late": 0,
            "skipped": 0,
            **(whole or {}),
        }
        done = {"type": "done", "count": told["runs"]}
        lines = [HELLO, MODEL, *made, CPU, CALIBRATION, told, OUTPUT, done]
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    return make


def test_seconds_come_as_they_come_however_the_pieces_fall(stream: Callable[..., bytes]) -> None:
    text = stream()
    for size in (1, 7, 500, len(text)):
        reader = SecondReader(3)
        found = [x for at in range(0, len(text), size) for x in reader.feed(text[at : at + size])]
        assert [x.at_ns for x in found] == [0, 10**9, 2 * 10**9]
        assert reader.finish().sustained.runs == 150


def test_a_stream_that_stops_is_no_result_though_its_seconds_are_there(
    stream: Callable[..., bytes],
) -> None:
    lines = stream().splitlines(keepends=True)
    reader = SecondReader(3)
    assert len(reader.feed(b"".join(lines[:4]))) == 2
    with pytest.raises(wire.WireError, match="stopped before 'cpu'"):
        reader.finish()
    reader.feed(lines[4][:20])
    with pytest.raises(wire.WireError, match="in the middle of a line"):
        reader.finish()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ([{}, {"at_ns": 5}], "begins before the one before it ends"),
        ([{}, {"at_ns": 10**12}], "begins after the time that it was asked for"),
        ([{"median_ns": 11_000_000}], "does not agree"),
        ([{"mean_ns": 9_000_000, "min_ns": 9_500_000}], "does not agree"),
        ([{"ns": [10_000_000]}], "does not agree"),
        ([{"runs": 150}], "add up to more than it took"),
        ([{"cpu_ns": 2 * 10**9}], "more processor time than it took"),
        ([{"skipped": 3}], "skipped more frames"),
        ([{"late_by_waking": 1}], "more frames are late by waking"),
        ([{"runs": 0}], "no valid 'second'"),
        ([{"min_ns": -1}], "no valid 'second'"),
        ([{"type": "samples"}], "no valid 'second'"),
        ([{"khz": 0}], "no valid 'second'"),
    ],
)
def test_a_second_that_nothing_can_have_measured_is_refused(
    stream: Callable[..., bytes], changed: list[dict[str, Any]], reason: str
) -> None:
    with pytest.raises(wire.WireError, match=reason):
        SecondReader(3).feed(stream(*changed))


@pytest.mark.parametrize(
    ("whole", "reason"),
    [
        ({"runs": 149}, "150 runs"),
        ({"late": 1}, "1 late frame, 0 by waking"),
        ({"late_by_waking": 2}, "2 by waking"),
        ({"wall_ns": 10**9}, "add up to more than its loop"),
    ],
)
def test_the_whole_has_to_be_what_its_seconds_are(
    stream: Callable[..., bytes], whole: dict[str, Any], reason: str
) -> None:
    reader = SecondReader(3)
    reader.feed(stream(whole=whole))
    with pytest.raises(wire.WireError, match=reason):
        reader.finish()


def test_other_lines_are_refused_in_their_place(stream: Callable[..., bytes]) -> None:
    lines = stream().splitlines(keepends=True)
    for kept, reason in (
        ([0, 1, 5], "'cpu' where 'second' was expected"),
        ([1], "'model' where 'hello' was expected"),
        ([0, 1, 2, 6], "'calibration' where 'second' was expected"),
        ([0, 1, 2, 5, 2], "'second' where 'calibration' was expected"),
        ([*range(10), 9], "went on after 'done'"),
    ):
        with pytest.raises(wire.WireError, match=reason):
            SecondReader(3).feed(b"".join(lines[at] for at in kept))
    with pytest.raises(wire.RunnerError, match="it broke"):
        SecondReader(3).feed(lines[0] + b'{"type":"error","reason":"it broke"}\n')
    with pytest.raises(wire.WireError, match="speaks protocol 2"):
        SecondReader(3).feed(lines[0].replace(b'"protocol": 1', b'"protocol": 2'))
    with pytest.raises(wire.WireError, match="a line without end"):
        SecondReader(3).feed(b"x" * 2_000_000)
