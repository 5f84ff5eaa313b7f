"""The runner's protocol: JSON lines on stdout, one message each -> a Report, or what is wrong.

The messages come once each and in this order: hello, model, cpu, calibration, samples, output,
done. ``error`` may stand in place of any of them and ends the stream. Fields that a reader doesn't
know are skipped, so that a newer runner may say more. Every runner, in whatever language, is
started with the same arguments (see ``request``) and writes the same lines.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.safe import excerpt

MAX_RUNS = 1_000_000
MAX_STREAM_BYTES = 256 * 2**20
"""Longest stream that is looked at: a large output's values, several times over."""

_HOUR_NS = 3600 * 10**9
_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Duration = Annotated[int, msgspec.Meta(ge=0, le=24 * _HOUR_NS)]
_Sample = Annotated[int, msgspec.Meta(ge=1, le=_HOUR_NS)]
_Core = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Axis = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Rate = Annotated[float, msgspec.Meta(gt=0, le=1e15)]


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """Who speaks. Sent before anything that can fail, but for the arguments."""

    protocol: int
    runner: _Text
    """``python`` or ``native``."""
    runner_version: _Text
    engine: _Text
    engine_version: _Text
    abi: _Text
    """The machine, as ``uname -m`` or Android names it: x86_64, aarch64, arm64-v8a."""
    pid: Annotated[int, msgspec.Meta(gt=0)]


class Model(msgspec.Struct, frozen=True, tag_field="type", tag="model"):
    """What was loaded. Sent after the warm-up, when all memory has been used once."""

    sha256: _Sha256
    """Of the model file that was read."""
    input_shape: Annotated[tuple[_Axis, ...], msgspec.Meta(max_length=16)]
    """Of the first input."""
    init_ns: _Duration
    """Load the file and create the session."""
    memory_mb: Annotated[float, msgspec.Meta(ge=0, le=1e7)] | None
    """Most resident memory of the process so far, in 2**20 bytes."""
    precision: _Text
    """Really in force, as the engine says: fp32, fp16 or its own word for another."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    """Really in force."""


class Cpu(msgspec.Struct, frozen=True, tag_field="type", tag="cpu"):
    """Where the main thread ran. None where the system doesn't tell."""

    asked: Annotated[tuple[_Core, ...], msgspec.Meta(max_length=1024)]
    """The cores it pinned itself to; none if it was told not to."""
    before: _Core | None
    """Just before the timed loop."""
    after: _Core | None
    """Just behind it."""


class Calibrated(msgspec.Struct, frozen=True, tag_field="type", tag="calibration"):
    """Multiply-accumulates a second in fp32, best of several short bursts on one core."""

    before_mac_per_s: _Rate
    after_mac_per_s: _Rate


class Samples(msgspec.Struct, frozen=True, tag_field="type", tag="samples"):
    """The timed loop. A run is: copy the input in, compute, copy the output out."""

    ns: Annotated[tuple[_Sample, ...], msgspec.Meta(min_length=1, max_length=MAX_RUNS)]
    """Each run, monotonic clock, in order."""
    wall_ns: _Duration
    """All of the loop."""
    cpu_ns: _Duration
    """Processor time of the main thread over the loop."""
    waited_ns: _Duration | None
    """Time that its threads were ready but not running."""
    steal_ns: _Duration | None
    """Time that the hypervisor took from the pinned cores."""


class RunnerOutput(msgspec.Struct, frozen=True, tag_field="type", tag="output"):
    """What the last run computed: little-endian float32, whatever the tensor's own type."""

    sha256: _Sha256
    """Of all outputs, one behind the other, in byte order of their names."""
    values: dict[str, bytes] | None = None
    """Base64 by the output's name; only where ``--output-values`` was given."""


class Done(msgspec.Struct, frozen=True, tag_field="type", tag="done"):
    """The end. A stream without it is no result."""

    count: int
    """How many samples were sent."""


class Failure(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """The runner gave up."""

    reason: str


Message: TypeAlias = Hello | Model | Cpu | Calibrated | Samples | RunnerOutput | Done | Failure
_ORDER = (Hello, Model, Cpu, Calibrated, Samples, RunnerOutput, Done)


class RunnerReport(msgspec.Struct, frozen=True):
    """A whole stream: one launch as the runner tells it."""

    hello: Hello
    model: Model
    cpu: Cpu
    calibration: Calibrated
    samples: Samples
    output: RunnerOutput


class WireError(Exception):
    """The stream is no result; the message is one line that says why."""


class RunnerError(WireError):
    """The runner itself said why there is no result."""


def parse_stream(stream: bytes) -> RunnerReport:
    """Return what a runner reported; raise WireError for anything but a whole, sane stream."""
    if len(stream) > MAX_STREAM_BYTES:
        raise WireError(f"the runner printed more than {MAX_STREAM_BYTES} bytes")
    lines = stream.split(b"\n")
    unfinished = lines.pop()
    messages: list[Message] = []
    for line in lines:
        messages.append(_next(line, len(messages)))
    if unfinished:
        raise WireError(f"the runner stopped within a line: {excerpt(unfinished)}")
    if len(messages) < len(_ORDER):
        raise WireError(f"the runner stopped before {_name(_ORDER[len(messages)])!r}")
    hello, model, cpu, calibration, samples, output, done = messages
    assert isinstance(hello, Hello)
    assert isinstance(model, Model)
    assert isinstance(cpu, Cpu)
    assert isinstance(calibration, Calibrated)
    assert isinstance(samples, Samples)
    assert isinstance(output, RunnerOutput)
    assert isinstance(done, Done)
    if done.count != len(samples.ns):
        raise WireError(f"the runner counted {done.count} samples but sent {len(samples.ns)}")
    if sum(samples.ns) > samples.wall_ns:
        raise WireError("the runner's samples add up to more than its timed loop took")
    return RunnerReport(hello, model, cpu, calibration, samples, output)


def request(
    *,
    model: str,
    engine: str,
    runs: int,
    warmup: int,
    threads: int,
    precision: str,
    cpus: tuple[int, ...],
    inputs: tuple[str, ...],
    output_values: bool,
) -> list[str]:
    """Return the arguments that every runner takes; ``inputs`` as ``input_argument`` writes them.

    Without ``inputs`` the runner uses those of the model, in the order that its engine gives.
    """
    arguments = ["--model", model, "--engine", engine, "--runs", str(runs)]
    arguments += ["--warmup", str(warmup), "--threads", str(threads), "--precision", precision]
    arguments += ["--cpu", ",".join(map(str, cpus)) or "none", "--input-seed", "0"]
    for given in inputs:
        arguments += ["--input", given]
    return [*arguments, "--output-values"] if output_values else arguments


def input_argument(name: str, shape: tuple[int, ...], dtype: str) -> str:
    """Return an ``--input``: ``float32:1,3,224,224:NAME``; the name is last as it may hold any."""
    return f"{dtype}:{','.join(map(str, shape))}:{name}"


class _Greeting(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """A hello of any version, whatever else is in it."""

    protocol: int


def _next(line: bytes, position: int) -> Message:
    if position == len(_ORDER):
        raise WireError(f"the runner went on behind 'done': {excerpt(line)}")
    expected = _ORDER[position]
    if position == 0:
        _check_protocol(line)
    try:
        message: Message = msgspec.json.decode(line, type=Message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(
            f"the runner printed no valid {_name(expected)!r} ({excerpt(str(error))}): "
            f"{excerpt(line, 80)}"
        ) from error
    if isinstance(message, Failure):
        raise RunnerError(f"the runner: {excerpt(message.reason)}")
    if not isinstance(message, expected):
        raise WireError(
            f"the runner printed {_name(type(message))!r} where {_name(expected)!r} was due"
        )
    return message


def _check_protocol(line: bytes) -> None:
    try:
        protocol = msgspec.json.decode(line, type=_Greeting).protocol
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return  # it is no hello at all, which the caller says better
    if protocol != PROTOCOL:
        raise WireError(
            f"the runner speaks protocol {protocol}, this program speaks {PROTOCOL}: "
            "build it again with `asymm-deploy runner build`, or update this program"
        )


def _name(message: type[Message]) -> str:
    return str(message.__struct_config__.tag)
