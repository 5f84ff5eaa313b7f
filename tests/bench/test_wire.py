"""Only a whole, sane stream of the right version is a report; anything else says why not."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.bench import wire

MESSAGES: list[dict[str, Any]] = [
    {
        "type": "hello",
        "protocol": 1,
        "runner": "native",
        "runner_version": "0.1.0",
        "engine": "mnn",
        "engine_version": "3.6.1",
        "abi": "arm64-v8a",
        "pid": 4321,
    },
    {
        "type": "model",
        "sha256": "5" * 64,
        "input_shape": [1, 3, 224, 224],
        "init_ns": 31_000_000,
        "memory_mb": 61.25,
        "precision": "fp32",
        "threads": 1,
    },
    {"type": "cpu", "asked": [7], "before": 7, "after": 7},
    {"type": "calibration", "before_mac_per_s": 2.1e10, "after_mac_per_s": 2.0e10},
    {
        "type": "samples",
        "ns": [9_550_000, 9_560_000],
        "wall_ns": 19_111_000,
        "cpu_ns": 19_110_000,
        "waited_ns": 0,
        "steal_ns": None,
    },
    {"type": "output", "sha256": "c" * 64, "values": {"output": "AACAPw=="}},
    {"type": "done", "count": 2},
]


def stream(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def changed(position: int, **fields: object) -> bytes:
    messages = list(MESSAGES)
    messages[position] = MESSAGES[position] | fields
    return stream(*messages)


def test_a_whole_stream_is_a_report() -> None:
    report = wire.parse_stream(stream(*MESSAGES))
    assert report.hello.runner == "native"
    assert report.model.input_shape == (1, 3, 224, 224)
    assert report.cpu == wire.Cpu(asked=(7,), before=7, after=7)
    assert report.samples.ns == (9_550_000, 9_560_000)
    assert report.samples.steal_ns is None
    assert report.output.values == {"output": b"\x00\x00\x80\x3f"}


def test_lines_may_end_as_adb_ends_them() -> None:
    crlf = stream(*MESSAGES).replace(b"\n", b"\r\n")
    assert wire.parse_stream(crlf) == wire.parse_stream(stream(*MESSAGES))


def test_a_newer_runner_may_say_more() -> None:
    assert wire.parse_stream(changed(2, temperature=41.5)) == wire.parse_stream(stream(*MESSAGES))


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "stopped before 'hello'"),
        (stream(*MESSAGES[:-1]), "stopped before 'done'"),
        (stream(*MESSAGES[:3]), "stopped before 'calibration'"),
        (stream(*MESSAGES)[:-10], "stopped in the middle of a line"),
        (stream(*MESSAGES)[:-1], "stopped in the middle of a line"),
        (stream(*MESSAGES) + b"x\n", "went on after 'done': x"),
        (stream(*MESSAGES, MESSAGES[-1]), "went on after 'done'"),
        (stream(MESSAGES[1], *MESSAGES), "printed 'model' where 'hello' was expected"),
        (stream(MESSAGES[0], MESSAGES[0]), "printed 'hello' where 'model' was expected"),
        (stream(*MESSAGES[:4], *MESSAGES[5:]), "printed 'output' where 'samples' was expected"),
        (b"The device supports: fp16:0\n" + stream(*MESSAGES), "no valid 'hello'"),
        (b"\n" + stream(*MESSAGES), "no valid 'hello'"),
        (b"\xff\xfe\n", "no valid 'hello'"),
        (b"[" * 100_000 + b"\n", "no valid 'hello'"),
        (
            changed(0, protocol=2),
            "speaks protocol 2, this program speaks 1: build it again with `asymm-deploy runner "
            "build`",
        ),
        (changed(0, pid="4321"), "no valid 'hello'"),
        (changed(1, sha256="5" * 63), "no valid 'model'"),
        (changed(1, init_ns=-1), "no valid 'model'"),
        (changed(1, init_ns=0), "no valid 'model'"),
        (changed(1, memory_mb=0), "no valid 'model'"),
        (changed(1, api="other"), "no valid 'model'"),
        (changed(2, before=1.5), "no valid 'cpu'"),
        (changed(3, after_mac_per_s=0), "no valid 'calibration'"),
        (changed(4, ns=[]), "no valid 'samples'"),
        (changed(4, ns=[0, 1]), "no valid 'samples'"),
        (changed(4, ns=[10**30, 1]), "no valid 'samples'"),
        (changed(4, ns=["1", 1]), "no valid 'samples'"),
        (changed(4, wall_ns=19_109_999), "add up to more than its timed loop"),
        (changed(5, values={"output": "?"}), "no valid 'output'"),
        (changed(6, count=3), "counted 3 samples but sent 2"),
        (
            stream(MESSAGES[0], {"type": "error", "reason": "can't\npin\x1b[2J"}),
            "the runner: can't pin�[2J",
        ),
    ],
)
def test_anything_else_says_why_in_a_line(sent: bytes, why: str) -> None:
    with pytest.raises(wire.WireError, match=re.escape(why)) as caught:
        wire.parse_stream(sent)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_an_endless_stream_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", 100)
    with pytest.raises(wire.WireError, match="more than 100 bytes"):
        wire.parse_stream(stream(*MESSAGES))


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_never_a_report(noise: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_stream(noise)


@settings(deadline=None)
@given(st.integers(0, len(stream(*MESSAGES)) - 1))
def test_no_part_of_a_stream_is_a_report(length: int) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_stream(stream(*MESSAGES)[:length])


@settings(deadline=None)
@given(st.integers(0, len(stream(*MESSAGES)) - 1), st.binary(min_size=1, max_size=3))
def test_noise_within_a_stream_never_ends_in_another_exception(at: int, noise: bytes) -> None:
    whole = stream(*MESSAGES)
    with suppress(wire.WireError):
        wire.parse_stream(whole[:at] + noise + whole[at:])


@settings(deadline=None)
@given(st.permutations(MESSAGES).filter(lambda order: order != MESSAGES))
def test_no_other_order_is_a_report(order: list[dict[str, Any]]) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_stream(stream(*order))


def test_an_input_is_named_last_since_a_name_may_hold_anything() -> None:
    assert wire.input_argument("a:b,c", (1, 3), "float32") == "float32:1,3:a:b,c"


def test_a_runner_is_asked_with_these_arguments() -> None:
    asked = wire.request(
        model="m.mnn",
        engine="mnn",
        runs=100,
        warmup=20,
        threads=2,
        precision="fp16",
        cpus=(4, 5),
        inputs=("float32:1,3:a", "int64:1:b"),
        output_values=True,
    )
    assert " ".join(asked) == (
        "--model m.mnn --engine mnn --runs 100 --warmup 20 --threads 2 --precision fp16 "
        "--cpu 4,5 --input-seed 0 --input float32:1,3:a --input int64:1:b --output-values"
    )


def test_a_runner_that_is_not_to_pin_itself_is_told_so() -> None:
    asked = wire.request(
        model="m.mnn",
        engine="mnn",
        runs=1,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=(),
        output_values=False,
    )
    assert " ".join(asked) == (
        "--model m.mnn --engine mnn --runs 1 --warmup 0 --threads 1 --precision fp32 "
        "--cpu none --input-seed 0"
    )


def test_a_recorded_input_and_the_module_api_are_asked_for_by_name() -> None:
    asked = wire.request(
        model="m.mnn",
        engine="mnn",
        runs=1,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=("float32::t",),
        output_values=False,
        inputs_file="in puts.bin",
        module_outputs=("y:0", "-z"),
    )
    assert asked[14:] == [
        *("--input-seed", "0", "--input", "float32::t", "--inputs-file", "in puts.bin"),
        *("--api", "module", "--output", "y:0", "--output=-z"),
    ]


@pytest.mark.parametrize("api", ["session", "module"])
def test_the_api_that_ran_is_read(api: str) -> None:
    assert wire.parse_stream(changed(1, api=api)).model.api == api


def test_a_runner_that_knows_one_api_says_nothing_of_it() -> None:
    assert wire.parse_stream(stream(*MESSAGES)).model.api is None


def test_samples_may_fill_the_whole_loop() -> None:
    whole = changed(4, wall_ns=9_550_000 + 9_560_000)
    assert wire.parse_stream(whole).samples.wall_ns == 19_110_000


def test_a_stream_may_be_as_long_as_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = stream(*MESSAGES)
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", len(sent))
    assert wire.parse_stream(sent).hello.pid == 4321
    monkeypatch.setattr(wire, "MAX_STREAM_BYTES", len(sent) - 1)
    with pytest.raises(wire.WireError, match="more than"):
        wire.parse_stream(sent)
