"""What a counting runner prints is read whole, or refused."""

from __future__ import annotations

import pytest

from asymm_deploy.bench.emulated.counted_stream import parse_counted_stream
from asymm_deploy.bench.wire import RunnerError, WireError

HELLO = (
    '{"type":"hello","protocol":1,"runner":"native","runner_version":"0.1.0","engine":"mnn",'
    '"engine_version":"3.6.1","abi":"aarch64","pid":4321}'
)
MODEL = (
    f'{{"type":"model","sha256":"{"5b" * 32}","input_shape":[1,3,8,8],"init_ns":31000000,'
    '"memory_mb":61.25,"precision":"fp32","threads":1,"api":"session"}'
)
OPERATORS = '{"type":"operators","names":["/a/Conv","/a/Relu"],"types":["Convolution","ReLU"]}'
OUTPUT = f'{{"type":"output","sha256":"{"5b" * 32}","values":{{"y":"AACAPwAAAMA="}}}}'
DONE = '{"type":"done","count":1}'
ERROR = '{"type":"error","reason":"there is no more"}'
WHOLE = (HELLO, MODEL, OPERATORS, OUTPUT, DONE)


def sent(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def test_a_whole_stream_is_read() -> None:
    report = parse_counted_stream(sent(*WHOLE))
    assert report.hello.engine_version == "3.6.1"
    assert report.model.precision == "fp32"
    assert report.output.values is not None
    assert report.operators == (("/a/Conv", "Convolution"), ("/a/Relu", "ReLU"))


@pytest.mark.parametrize("at", range(5))
def test_an_error_may_take_the_place_of_any_message(at: int) -> None:
    with pytest.raises(RunnerError, match="there is no more"):
        parse_counted_stream(sent(*WHOLE[:at], ERROR))


@pytest.mark.parametrize("at", range(5))
def test_a_stream_that_lacks_a_message_is_refused(at: int) -> None:
    with pytest.raises(WireError):
        parse_counted_stream(sent(*WHOLE[:at], *WHOLE[at + 1 :]))
    with pytest.raises(WireError):
        parse_counted_stream(sent(*WHOLE[: at + 1], WHOLE[at], *WHOLE[at + 1 :]))


def test_a_stream_that_was_cut_anywhere_is_refused() -> None:
    whole = sent(*WHOLE)
    for at in range(len(whole)):
        with pytest.raises(WireError):
            parse_counted_stream(whole[:at])


@pytest.mark.parametrize(
    ("operators", "why"),
    [
        ('{"type":"operators","names":["a"],"types":[]}', "without their types"),
        ('{"type":"operators","names":["a"]}', "no valid 'operators'"),
        ('{"type":"operators","names":[1],"types":["a"]}', "no valid 'operators'"),
        ('{"type":"operators","x":' + "[" * 5000 + "]" * 5000 + "}", "no valid 'operators'"),
        ('{"type":"operators","names":["\udce9"],"types":["a"]}', "no valid 'operators'"),
    ],
)
def test_operators_that_are_none_are_refused(operators: str, why: str) -> None:
    raw = sent(HELLO, MODEL, "HERE", OUTPUT, DONE)
    raw = raw.replace(b"HERE", operators.encode("utf-8", "surrogateescape"))
    with pytest.raises(WireError, match=why):
        parse_counted_stream(raw)
