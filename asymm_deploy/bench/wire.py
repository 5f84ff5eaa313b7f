"""The runner's protocol: its arguments, and the JSON lines on its stdout, one message each.

Each message comes once, in this order: hello, model, cpu, calibration, samples, output, done.
Two models that are timed in turns have a model and an output each, and pairs in place of samples.
``error`` may replace any of them and ends the stream. Unknown fields are ignored: newer runners may
say more. Every runner, in whatever language, takes the arguments of ``request``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

import msgspec

from asymm_deploy.bench.backends.backends_message import BackendsUsed
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.safe import excerpt

MAX_RUNS = 1_000_000
MAX_STREAM_BYTES = 256 * 2**20
"""Longest stream that is read: several times what the values of a large output need."""

MADE_UP = "the runner's times are made up"
"""How the reason begins if nothing can have measured what was reported."""
_CLOCKS_AGREE = 1.01
_TICK_NS = 2 * 10**7
"""Processor time may be counted in ticks of 10 ms."""

_Text = Annotated[str, msgspec.Meta(max_length=200)]
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]
_Duration = Annotated[int, msgspec.Meta(ge=0, le=24 * HOUR_NS)]
_Sample = Annotated[int, msgspec.Meta(ge=1, le=HOUR_NS)]
_Core = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Axis = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Rate = Annotated[float, msgspec.Meta(gt=0, le=1e15)]


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """Which runner this is. Sent before anything can fail, except for the arguments."""

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
    """What was loaded. Sent after the warm-up, when all memory has been touched."""

    sha256: _Sha256
    """Of the model file that was read."""
    input_shape: Annotated[tuple[_Axis, ...], msgspec.Meta(max_length=16)]
    """The first input's; empty if there is no input."""
    init_ns: Annotated[int, msgspec.Meta(ge=1, le=24 * HOUR_NS)]
    """Time to load the file and create the session."""
    memory_mb: Annotated[float, msgspec.Meta(gt=0, le=1e7)] | None
    """Peak resident memory of the process so far, in units of 2**20 bytes."""
    precision: _Text
    """The one in use, according to the engine: fp32, fp16, or its own word for another."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    """The number in use, according to the engine."""
    api: Literal["session", "module"] | None = None
    """Which of MNN's interfaces ran it; None from runners that know of the session alone."""


class Cpu(msgspec.Struct, frozen=True, tag_field="type", tag="cpu"):
    """Where the main thread ran. None where the system doesn't say."""

    asked: Annotated[tuple[_Core, ...], msgspec.Meta(max_length=1024)]
    """The cores that it pinned itself to; empty if it was told not to."""
    before: _Core | None
    """Just before the timed loop."""
    after: _Core | None
    """Just after it."""


class Calibrated(msgspec.Struct, frozen=True, tag_field="type", tag="calibration"):
    """Multiply-accumulates per second in fp32: the best of several short bursts on one core."""

    before_mac_per_s: _Rate
    after_mac_per_s: _Rate


class Samples(msgspec.Struct, frozen=True, tag_field="type", tag="samples"):
    """The timed loop. A run copies the input in, computes, and copies the output out."""

    ns: Annotated[tuple[_Sample, ...], msgspec.Meta(min_length=1, max_length=MAX_RUNS)]
    """The duration of each run, in order, by the monotonic clock."""
    wall_ns: _Duration
    """The duration of the whole loop."""
    cpu_ns: _Duration
    """Processor time of the main thread during the loop."""
    waited_ns: _Duration | None
    """Time during which its threads were ready but not running."""
    steal_ns: _Duration | None
    """Time that the hypervisor took from the pinned cores."""


class Turns(msgspec.Struct, frozen=True):
    """One model's runs, of two models that run in turns."""

    ns: Annotated[tuple[_Sample, ...], msgspec.Meta(min_length=1, max_length=MAX_RUNS)]
    """The duration of each run, in order, by the monotonic clock."""
    cpu_ns: Annotated[tuple[_Duration, ...], msgspec.Meta(max_length=MAX_RUNS)] | None
    """Processor time of the main thread over each run; None where the system doesn't tell."""
    start_ns: Annotated[tuple[_Duration, ...], msgspec.Meta(max_length=MAX_RUNS)]
    """When each run began, since the start of the loop."""


class Pairs(msgspec.Struct, frozen=True, tag_field="type", tag="pairs"):
    """The timed loop of two models: pairs of a run of one and a run of the other."""

    first: Turns
    """Those of the model that was loaded first."""
    second: Turns
    wall_ns: _Duration
    """The duration of the whole loop; this and the rest as in ``Samples``."""
    cpu_ns: _Duration
    waited_ns: _Duration | None
    steal_ns: _Duration | None


class RunnerOutput(msgspec.Struct, frozen=True, tag_field="type", tag="output"):
    """What the last run computed: little-endian float32, whatever the tensor's own type."""

    sha256: _Sha256
    """Of all outputs, one after the other, in the byte order of their names."""
    values: dict[str, bytes] | None = None
    """By output name, in Base64; only with ``--output-values``."""


class Done(msgspec.Struct, frozen=True, tag_field="type", tag="done"):
    """The end. A stream without it is no result."""

    count: int
    """How many samples, or pairs of them, were sent."""


class Failure(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """The runner gave up."""

    reason: str


Message: TypeAlias = (Hello | Model | Cpu | Calibrated | Samples | Pairs) | (
    BackendsUsed | RunnerOutput | Done | Failure
)
LAUNCH_ORDER = (Hello, Model, Cpu, Calibrated, Samples, RunnerOutput, Done)


class RunnerReport(msgspec.Struct, frozen=True):
    """A complete stream: one launch as the runner reports it."""

    hello: Hello
    model: Model
    cpu: Cpu
    calibration: Calibrated
    samples: Samples
    output: RunnerOutput
    backends: BackendsUsed | None = None
    """None on the CPU."""


class WireError(Exception):
    """The stream holds no result; the message says why in one line."""


class RunnerError(WireError):
    """The runner itself said why there is no result."""


def parse_stream(stream: bytes) -> RunnerReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    return report_of(messages_in(stream, LAUNCH_ORDER))


def report_of(messages: Sequence[Message]) -> RunnerReport:
    """Return what the messages of a plain launch say; raise WireError unless it is sane."""
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
    require_less_processor_time(samples)
    return RunnerReport(hello, model, cpu, calibration, samples, output)


def require_less_processor_time(loop: Samples | Pairs) -> None:
    """Raise WireError if one thread used more processor time in a loop than that took."""
    if is_more_processor_time(loop.cpu_ns, loop.wall_ns):
        raise WireError(
            f"{MADE_UP}: its main thread is said to have used {loop.cpu_ns / 1e9:.3g} s of "
            f"processor time in a loop of {loop.wall_ns / 1e9:.3g} s"
        )


def is_more_processor_time(cpu_ns: int, wall_ns: int) -> bool:
    """Whether one thread can't have used so much processor time in that time."""
    return cpu_ns > _CLOCKS_AGREE * wall_ns + _TICK_NS


def messages_in(stream: bytes, order: Sequence[type[Message]]) -> list[Message]:
    """Return a stream's messages, of these types; raise WireError if it holds anything else."""
    if len(stream) > MAX_STREAM_BYTES:
        raise WireError(f"the runner printed more than {MAX_STREAM_BYTES} bytes")
    lines = stream.split(b"\n")
    unfinished = lines.pop()
    messages = [_next(line, position, order) for position, line in enumerate(lines)]
    if unfinished:
        raise WireError(f"the runner stopped in the middle of a line: {excerpt(unfinished)}")
    if len(messages) < len(order):
        raise WireError(f"the runner stopped before {_name(order[len(messages)])!r}")
    return messages


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
    inputs_file: str | None = None,
    module_outputs: tuple[str, ...] | None = None,
    backend: str = "cpu",
) -> list[str]:
    """Return the arguments of a runner; those of the model as in ``ModelRequest``."""
    asked = ModelRequest(model, inputs, inputs_file, module_outputs)
    arguments = ["--model", model, "--engine", engine, "--runs", str(runs)]
    arguments += ["--warmup", str(warmup), "--threads", str(threads), "--precision", precision]
    arguments += ["--cpu", ",".join(map(str, cpus)) or "none", "--input-seed", "0"]
    arguments += asked.arguments("")
    if backend != "cpu":  # older runners know no other
        arguments += ["--backend", backend]
    return [*arguments, "--output-values"] if output_values else arguments


def pair_request(
    alone: Sequence[str],
    second: ModelRequest,
    *,
    starts: Literal["first", "second"],
    most_seconds: float,
    least_runs: int,
) -> list[str]:
    """Return the arguments to time ``second`` in turns with the model of a request ``alone``."""
    ends = ["--most-seconds", f"{most_seconds:g}", "--least-runs", str(least_runs)]
    asked = ["--second-model", second.model, *second.arguments("second-")]
    return [*alone, *asked, "--starts", starts, *ends]


class ModelRequest(msgspec.Struct, frozen=True):
    """What a runner has to know about a model."""

    model: str
    """The file's path on the device."""
    inputs: tuple[str, ...]
    """As ``input_argument`` writes them. Without, the runner takes the model's own inputs."""
    inputs_file: str | None = None
    """Holds the inputs' values; without, the seed makes them."""
    module_outputs: tuple[str, ...] | None = None
    """Names of the outputs; asks for MNN's Module API."""

    def arguments(self, prefix: str) -> list[str]:
        """Return the arguments but the model's own, with ``prefix`` in their names."""
        arguments = []
        for given in self.inputs:
            arguments += [f"--{prefix}input", given]
        if self.inputs_file is not None:
            arguments += [f"--{prefix}inputs-file", self.inputs_file]
        if self.module_outputs is not None:
            arguments += [f"--{prefix}api", "module"]
            option = f"--{prefix}output"
            for name in self.module_outputs:
                # A name that looks like an option would be taken for one.
                arguments += [f"{option}={name}"] if name.startswith("-") else [option, name]
        return arguments


def input_argument(name: str, shape: tuple[int, ...], dtype: str) -> str:
    """Return an ``--input``, as in ``float32:1,3,224,224:NAME``; only the name may hold colons."""
    return f"{dtype}:{','.join(map(str, shape))}:{name}"


class _Greeting(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """A hello of any version, with whatever other fields."""

    protocol: int


def _next(line: bytes, position: int, order: Sequence[type[Message]]) -> Message:
    if position == len(order):
        raise WireError(f"the runner went on after 'done': {excerpt(line)}")
    expected = order[position]
    if position == 0:
        check_protocol(line)
    message: Message = message_of(line, Message, _name(expected))
    if not isinstance(message, expected):
        raise WireError(
            f"the runner printed {_name(type(message))!r} where {_name(expected)!r} was expected"
        )
    return message


def message_of(line: bytes, kind: Any, expected: str) -> Any:
    """Return a line's message, of a type or union; raise WireError if it is none, or an error's."""
    try:
        message = msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(
            f"the runner printed no valid {expected!r} ({excerpt(str(error))}): {excerpt(line, 80)}"
        ) from error
    if isinstance(message, Failure):
        raise RunnerError(f"the runner: {excerpt(message.reason)}")
    return message


def check_protocol(line: bytes) -> None:
    """Raise WireError if a stream's first line is a hello of another version."""
    try:
        protocol = msgspec.json.decode(line, type=_Greeting).protocol
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return  # it is no hello at all; the caller says so
    if protocol != PROTOCOL:
        raise WireError(
            f"the runner speaks protocol {protocol}, this program speaks {PROTOCOL}: "
            "build it again with `asymm-deploy runner build`, or update this program"
        )


def _name(message: type[Message]) -> str:
    return str(message.__struct_config__.tag)
