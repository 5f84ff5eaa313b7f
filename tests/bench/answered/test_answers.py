"""What a runner answers is taken whole or not at all, in the emulator as on a phone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.bench.answered.answers import answers_in, parse_answered_stream
from asymm_deploy.bench.answered.emulated_answers import EmulatedAnswering
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.wire import WireError
from asymm_deploy.export.inputs import bench_inputs, recorded_bytes
from tests.made_networks import TWO_ENDED_INPUTS

HELLO = (
    '{"type":"hello","protocol":1,"runner":"native","runner_version":"0","engine":"mnn",'
    '"engine_version":"3.6.1","abi":"aarch64","pid":1}'
)
MODEL = (
    f'{{"type":"model","sha256":"{"0" * 64}","input_shape":[1],"init_ns":1,"memory_mb":1.0,'
    '"precision":"fp16","threads":1,"api":"session"}'
)


def stream(answers: str, done: int = 3) -> bytes:
    lines = [HELLO, MODEL, answers, f'{{"type":"done","count":{done}}}']
    return "".join(f"{line}\n" for line in lines if line).encode()


def answers(**changed: object) -> str:
    told = {"names": '["a","b"]', "sizes": "[2,1]", "count": 3, "cpu_ns": 5} | changed
    return '{"type":"answers",' + ",".join(f'"{k}":{v}' for k, v in told.items()) + "}"


def test_each_output_has_a_row_for_each_sample() -> None:
    report = parse_answered_stream(stream(answers()))
    raw = np.arange(9, dtype="<f4").tobytes()
    found = answers_in(raw, report, 3)
    assert found["a"].tolist() == [[0, 1], [3, 4], [6, 7]]
    assert found["b"].tolist() == [[2], [5], [8]]
    for other, count in ((raw[:-1], 3), (raw + b"0000", 3), (raw, 2), (b"", 3)):
        with pytest.raises(WireError, match="the runner answered 3 of"):
            answers_in(other, report, count)


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (stream(""), "told of no answers"),
        (stream(answers(), done=2), "counted 2 samples and answered 3"),
        (stream(answers(sizes="[2]")), "outputs without their sizes"),
        (stream(answers(sizes="[2,-1]")), "no valid 'answers'"),
        (stream(answers(names="[]", sizes="[]")), "no valid 'answers'"),
        (stream(answers(count=0)), "no valid 'answers'"),
        (stream('{"type":"answers"'), "no valid 'answers'"),
    ],
)
def test_what_is_no_whole_stream_says_why(sent: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        parse_answered_stream(sent)


def test_the_emulator_answers_each_sample_as_the_reference_does(
    emulator: Emulator, artifact: Artifact, tmp_path: Path
) -> None:
    assert artifact.reference is not None
    inputs = bench_inputs(TWO_ENDED_INPUTS, 0)
    once = recorded_bytes([inputs[spec.name] for spec in TWO_ENDED_INPUTS])
    samples = tmp_path / "samples.bin"
    samples.write_bytes(once + bytes(len(once)) + once)
    asked = EmulatedAnswering(emulator, artifact, "fp32")
    found = asked.answers(samples, 3).outputs["total"]
    wanted = np.asarray(artifact.reference["total"], np.float32).ravel()
    assert np.abs(found[[0, 2]] - wanted).max() < 1e-4
    assert not np.array_equal(found[0], found[1])

    samples.write_bytes(once[:-1])
    with pytest.raises(WireError, match="not a multiple of the"):
        asked.answers(samples, 1)
    samples.write_bytes(once)
    with pytest.raises(WireError, match="another model file"):
        EmulatedAnswering(emulator, replace(artifact, sha256="0" * 64), "fp32").answers(samples, 1)
