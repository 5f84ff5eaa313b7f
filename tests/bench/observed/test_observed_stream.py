"""What a runner prints of a launch by operator is read whole, or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from asymm_deploy.bench.observed.observed_stream import parse_observed_stream
from asymm_deploy.bench.wire import RunnerError, WireError

SHA256 = "5b" * 32
OPERATORS: dict[str, Any] = {
    "type": "operators",
    "names": ["/a/Conv", "/a/Relu"],
    "types": ["Convolution", "ReLU"],
    "shapes": [[[1, 8, 4, 4]], [[1, 8, 4, 4]]],
    "flops_m": [0.5, 0.25],
    "least_ns": [5000, 100],
    "median_ns": [5100, 110],
    "gap_ns": [700, 90, 300],
    "watched_ns": [6300, 6200],
}
WHOLE: list[dict[str, Any]] = [
    {
        "type": "hello",
        "protocol": 1,
        "runner": "native",
        "runner_version": "0.1.0",
        "engine": "mnn",
        "engine_version": "3.6.1",
        "abi": "aarch64",
        "pid": 4321,
    },
    {
        "type": "model",
        "sha256": SHA256,
        "input_shape": [1],
        "init_ns": 31000000,
        "memory_mb": 61.25,
        "precision": "fp32",
        "threads": 1,
        "api": "session",
    },
    {"type": "cpu", "asked": [], "before": 7, "after": 7},
    {"type": "calibration", "before_mac_per_s": 2e10, "after_mac_per_s": 2e10},
    {
        "type": "samples",
        "ns": [6000, 6100],
        "wall_ns": 40000,
        "cpu_ns": 40000,
        "waited_ns": 0,
        "steal_ns": None,
    },
    OPERATORS,
    {"type": "output", "sha256": SHA256},
    {"type": "done", "count": 2},
]
ERROR = {"type": "error", "reason": "there is no more"}


def sent(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in messages)


def test_a_whole_stream_is_read() -> None:
    report = parse_observed_stream(sent(*WHOLE))
    assert report.launch.samples.ns == (6000, 6100)
    assert report.operators.names == ("/a/Conv", "/a/Relu")
    assert report.operators.shapes == (((1, 8, 4, 4),), ((1, 8, 4, 4),))
    assert report.operators.gap_ns == (700, 90, 300)


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_an_error_may_take_the_place_of_any_message(at: int) -> None:
    with pytest.raises(RunnerError, match="there is no more"):
        parse_observed_stream(sent(*WHOLE[:at], ERROR))


@pytest.mark.parametrize("at", range(len(WHOLE)))
def test_a_stream_that_lacks_a_message_or_has_one_twice_is_refused(at: int) -> None:
    with pytest.raises(WireError):
        parse_observed_stream(sent(*WHOLE[:at], *WHOLE[at + 1 :]))
    with pytest.raises(WireError):
        parse_observed_stream(sent(*WHOLE[: at + 1], WHOLE[at], *WHOLE[at + 1 :]))


def test_a_stream_that_was_cut_anywhere_is_refused() -> None:
    whole = sent(*WHOLE)
    for at in range(len(whole)):
        with pytest.raises(WireError):
            parse_observed_stream(whole[:at])


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"types": ["Convolution"]}, "sent 1 types where 2 belong"),
        ({"shapes": []}, "sent 0 shapes where 2 belong"),
        ({"flops_m": [1]}, "sent 1 flops where 2 belong"),
        ({"least_ns": [1, 2, 3]}, "sent 3 least times where 2 belong"),
        ({"median_ns": [9]}, "sent 1 medians where 2 belong"),
        ({"gap_ns": [1, 2]}, "sent 2 gaps where 3 belong"),
        ({"watched_ns": [9000]}, "sent 1 watched runs where 2 belong"),
        ({"names": []}, "named no operators"),
        ({"least_ns": [5000, -1]}, "no valid 'operators'"),
        ({"least_ns": [5000, 1.5]}, "no valid 'operators'"),
        ({"flops_m": ["1", 2]}, "no valid 'operators'"),
        ({"watched_ns": [0, 6200]}, "no valid 'operators'"),
        ({"shapes": [[1], [2]]}, "no valid 'operators'"),
        ({"median_ns": [4999, 110]}, "least time is above its median"),
        ({"gap_ns": [720, 90, 300]}, "add up to more than the run that they are of"),
        ({"watched_ns": [6300, 30000]}, "add up to more than its timed loop took"),
    ],
)
def test_operators_that_nothing_can_have_measured_are_refused(
    changed: dict[str, Any], why: str
) -> None:
    messages = [{**each, **changed} if each is OPERATORS else each for each in WHOLE]
    with pytest.raises(WireError, match=why):
        parse_observed_stream(sent(*messages))
