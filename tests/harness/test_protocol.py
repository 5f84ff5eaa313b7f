"""PROTOCOL.md, the reader and both runners mean the same protocol."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import onnx
import onnx.parser
import pytest

import asymm_deploy
from asymm_deploy.bench import wire
from asymm_deploy.bench.answered.answers import ToldAnswers, parse_answered_stream
from asymm_deploy.bench.backends.backends_message import BackendsUsed
from asymm_deploy.bench.backends.elsewhere_stream import parse_stream_elsewhere
from asymm_deploy.bench.cold.cold_stream import ToldStages, parse_cold_stream
from asymm_deploy.bench.observed import observed_stream
from asymm_deploy.bench.observed.operators_line import TimedOperators
from asymm_deploy.bench.paired import pair_stream
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.bench.sustained.second_stream import (
    Second,
    SecondReader,
    Sustained,
    sustained_request,
)

SOURCE = Path(__file__).parents[2] / "android_harness"
TEXT = (SOURCE / "PROTOCOL.md").read_text(encoding="utf-8")
EXAMPLES = [
    line
    for block in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
MESSAGES: tuple[type[msgspec.Struct], ...] = (
    wire.Hello,
    wire.Model,
    wire.Cpu,
    wire.Calibrated,
    wire.Samples,
    wire.RunnerOutput,
    wire.Done,
    wire.Pairs,
    TimedOperators,
    BackendsUsed,
    ToldAnswers,
    ToldStages,
    Second,
    Sustained,
    wire.Failure,
)
*ALONE, PAIRS, OPERATORS, BACKENDS, ANSWERS, STAGES, SECOND, SUSTAINED, ERROR = EXAMPLES
HELLO, MODEL, CPU, CALIBRATION, SAMPLES, OUTPUT, DONE = ALONE
COLD = [HELLO, MODEL, STAGES, CPU, CALIBRATION, SAMPLES, OUTPUT, DONE]
WATCHED = [HELLO, MODEL, CPU, CALIBRATION, SAMPLES, OPERATORS, OUTPUT, DONE]
PAIRED = [HELLO, MODEL, MODEL, CPU, CALIBRATION, PAIRS, OUTPUT, OUTPUT, DONE]


def fields_of(message: type[msgspec.Struct]) -> list[str]:
    return ["type", *(field.encode_name for field in msgspec.structs.fields(message))]


LASTING = [HELLO, MODEL, SECOND, CPU, CALIBRATION, SUSTAINED, OUTPUT, DONE]


def sent(lines: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_the_examples_but_the_error_are_a_whole_stream() -> None:
    report = wire.parse_stream(sent(ALONE))
    assert report.hello.runner == "native"
    assert report.samples.ns == (9_550_000, 9_560_000)
    with pytest.raises(wire.RunnerError, match="can't pin to core 7"):
        wire.parse_stream(sent([HELLO, ERROR]))


def test_those_of_two_models_are_a_whole_stream_too() -> None:
    report = pair_stream.parse_pair_stream(sent(PAIRED))
    assert report.first.samples.ns == (9_550_000, 9_560_000)
    assert report.second.samples.ns == (9_570_000, 9_580_000)
    assert report.pairs.second.start_ns == (9_550_200, 28_690_100)
    for turns in (report.pairs.first, report.pairs.second):
        assert turns.cpu_ns is not None
        assert all(cpu < ns for cpu, ns in zip(turns.cpu_ns, turns.ns, strict=True))
    with pytest.raises(pair_stream.NoPairsError):
        pair_stream.parse_pair_stream(sent(ALONE))


def test_those_of_a_launch_by_operator_are_one_too() -> None:
    # Its loop is longer than that of plain runs: it holds others besides.
    samples = SAMPLES.replace('"wall_ns":19111000', '"wall_ns":40000000')
    report = observed_stream.parse_observed_stream(
        sent([samples if line is SAMPLES else line for line in WATCHED])
    )
    assert report.operators.names == ("/stem/conv/Conv_output_0", "/pool/GlobalAveragePool")
    assert report.operators.shapes[0] == ((1, 16, 112, 112),)


def test_those_of_a_launch_on_another_back_end_are_one_too() -> None:
    lines = [HELLO, MODEL, CPU, CALIBRATION, SAMPLES, BACKENDS, OUTPUT, DONE]
    used = parse_stream_elsewhere(sent(lines)).backends
    assert used is not None
    assert used.operators == {"cpu": 1, "vulkan": 63}
    with pytest.raises(wire.WireError, match="in a session on cpu: one of them can't be"):
        parse_stream_elsewhere(
            sent([line.replace('"session":"vulkan"', '"session":"cpu"') for line in lines])
        )
    with pytest.raises(wire.WireError, match="'output' where 'backends' was expected"):
        parse_stream_elsewhere(sent(ALONE))


def test_those_of_a_launch_that_answers_are_one_too() -> None:
    done = DONE.replace('"count":2', '"count":64')
    report = parse_answered_stream(sent([HELLO, MODEL, ANSWERS, done]))
    assert (report.names, report.sizes, report.count) == (("output",), (1000,), 64)


def test_those_of_a_cold_launch_are_one_too() -> None:
    stages = parse_cold_stream(sent(COLD)).stages
    assert (stages.read_ns, stages.first_ns, stages.engine_ns) == (2_100_000, 14_200_000, None)
    assert (stages.pages, stages.resident) == (1521, 0)
    assert stages.memory is not None
    assert stages.memory.created.peak_mb == 22
    shown = json.loads(STAGES)["memory"]
    for told, reading in ((shown, stages.memory), (shown["read"], stages.memory.read)):
        assert list(told) == [field.encode_name for field in msgspec.structs.fields(reading)]


def test_those_of_a_launch_that_lasts_are_one_too() -> None:
    told = '"late":31,"skipped":4,"late_by_waking":12'
    whole = SUSTAINED.replace("54000", "3").replace(told, '"late":2,"skipped":1')
    done = DONE.replace('"count":2', '"count":3')
    swapped = {SUSTAINED: whole, DONE: done}
    reader = SecondReader(1800)
    (second,) = reader.feed(sent([swapped.get(line, line) for line in LASTING]))
    assert second.ns == (9_549_000, 9_551_000, 9_568_000)
    assert reader.finish().sustained.runs == 3


def test_the_example_of_a_pair_has_the_fields_that_the_reader_knows_in_its_order() -> None:
    shown = json.loads(PAIRS)
    for which in ("first", "second"):
        assert list(shown[which]) == [
            field.encode_name for field in msgspec.structs.fields(wire.Turns)
        ]


SELDOM = ("kept", "loading")
"""Fields that a message has only where there is something to tell."""


@pytest.mark.parametrize(("line", "message"), list(zip(EXAMPLES, MESSAGES, strict=True)))
def test_an_example_has_the_fields_that_the_reader_knows_in_its_order(
    line: str, message: type[msgspec.Struct]
) -> None:
    shown: dict[str, Any] = json.loads(line)
    assert shown["type"] == message.__struct_config__.tag
    assert list(shown) == [name for name in fields_of(message) if name not in SELDOM]


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_what_the_python_runner_writes_from_the_same_values(line: str) -> None:
    assert json.dumps(json.loads(line), separators=(",", ":")) == line


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], ALONE),
        (["--second-model", "MODEL"], PAIRED),
        (["--cold", "--stage-memory"], COLD),
        (["--for-seconds", "0.01", "--every-ms", "5"], LASTING),
    ],
    ids=["one model", "two", "cold", "for a time"],
)
def test_the_python_runner_sends_the_same_keys_in_the_same_order(
    tmp_path: Path, more: list[str], expected: list[str]
) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[1,4] x) => (float[1,4] y) { y = Relu(x) }"
    )
    onnx.save(model, tmp_path / "model.onnx")
    asked = wire.request(
        model=str(tmp_path / "model.onnx"),
        engine="onnxruntime",
        runs=2,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=(),
        output_values=True,
    )
    asked += [word.replace("MODEL", str(tmp_path / "model.onnx")) for word in more]
    done = subprocess.run(
        [sys.executable, "-I", "-m", "asymm_deploy.bench.runner", *asked],
        capture_output=True,
        timeout=120,
        check=True,
    )
    found = [keys(json.loads(line)) for line in done.stdout.splitlines()]
    assert found == [keys(json.loads(line)) for line in expected]


def keys(message: dict[str, Any]) -> list[Any]:
    """The keys in their order, each with those within it; outputs have names of their own."""
    return [
        (key, list(value) if isinstance(value, dict) and key != "values" else None)
        for key, value in message.items()
    ]


def test_every_argument_of_a_request_is_described() -> None:
    asked = wire.request(
        model="m",
        engine="mnn",
        runs=1,
        warmup=0,
        threads=1,
        precision="fp32",
        cpus=(),
        inputs=("float32:1:x",),
        output_values=True,
        inputs_file="inputs.bin",
        module_outputs=("y",),
    )
    asked = [*sustained_request(asked, 1800, 33), "--answers", "--cold", "--stage-memory"]
    for name in (word for word in asked if word.startswith("--")):
        assert f"`{name}" in TEXT


def test_all_that_has_a_version_has_the_same() -> None:
    cmake = (SOURCE / "CMakeLists.txt").read_text(encoding="utf-8")
    assert f"project(asymm-runner VERSION {asymm_deploy.__version__} " in cmake
    messages = (SOURCE / "src" / "messages.hpp").read_text(encoding="utf-8")
    assert f"constexpr int kProtocol = {PROTOCOL};" in messages
    assert TEXT.startswith(f"# The runner's protocol, version {PROTOCOL}\n")
