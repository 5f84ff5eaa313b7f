"""What the native runner says and writes of a launch that answers samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench import wire
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.launch import Placed, model_request
from asymm_deploy.bench.records import Precision
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.bench.wire import Done, Hello, Model, WireError
from asymm_deploy.safe import excerpt

_Floats: TypeAlias = npt.NDArray[np.float32]
_ANSWERS_AT = 2
"""After hello and model."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The outputs of a model for some samples."""

    outputs: dict[str, _Floats]
    """By name: a row for each sample, flat, in float32 whatever the engine keeps."""
    cpu_s: float | None
    """Processor time of the runs; None where a clock says nothing, in an emulator."""


class Answering(Protocol):
    """Somewhere a model answers samples."""

    def answers(self, samples: Path, count: int) -> Answers:
        """Return the answers to ``count`` samples in a file, as ``--inputs-file`` has them.

        Raises WireError with the reason if there are none, HarnessError if the device fails.
        """
        ...


class AnsweredReport(msgspec.Struct, frozen=True):
    """A complete stream of a launch that answered."""

    hello: Hello
    model: Model
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    count: int
    cpu_ns: int


class ToldAnswers(msgspec.Struct, frozen=True, tag_field="type", tag="answers"):
    """What was written to the file of answers."""

    names: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    """The outputs in byte order."""
    sizes: tuple[Annotated[int, msgspec.Meta(ge=0, le=2**31)], ...]
    """How many values each of them has."""
    count: Annotated[int, msgspec.Meta(ge=1)]
    """Samples."""
    cpu_ns: Annotated[int, msgspec.Meta(ge=0, le=24 * HOUR_NS)]
    """Processor time of the main thread over their runs."""


def parse_answered_stream(stream: bytes) -> AnsweredReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    lines = stream.split(b"\n")
    told = None
    if len(lines) > _ANSWERS_AT and b'"answers"' in lines[_ANSWERS_AT]:
        told = _told(lines.pop(_ANSWERS_AT))
    order: Sequence[type[wire.Message]] = (Hello, Model, Done)
    hello, model, done = wire.messages_in(b"\n".join(lines), order)
    if told is None:
        raise WireError("the runner told of no answers")
    assert isinstance(hello, Hello)
    assert isinstance(model, Model)
    assert isinstance(done, Done)
    if done.count != told.count:
        raise WireError(f"the runner counted {done.count} samples and answered {told.count}")
    return AnsweredReport(hello, model, told.names, told.sizes, told.count, told.cpu_ns)


def _told(line: bytes) -> ToldAnswers:
    found: ToldAnswers = wire.message_of(line, ToldAnswers, "answers")
    if len(found.names) != len(found.sizes):
        raise WireError("the runner told of outputs without their sizes")
    return found


def answers_in(raw: bytes, report: AnsweredReport, count: int) -> dict[str, _Floats]:
    """Return what a runner wrote to its file ``--answers`` for ``count`` samples.

    Raises WireError if there are other samples, or the file doesn't have exactly their size.
    """
    row = sum(report.sizes)
    if report.count != count or len(raw) != 4 * row * count:
        raise WireError(
            f"the runner answered {report.count} of {count} samples, in {len(raw)} bytes"
        )
    rows = np.frombuffer(raw, "<f4").astype(np.float32).reshape(count, row)
    ends = np.cumsum(report.sizes)
    return {
        name: rows[:, end - size : end]
        for name, size, end in zip(report.names, report.sizes, ends, strict=True)
    }


def answers_request(
    artifact: Artifact, placed: Placed, precision: Precision, cpus: tuple[int, ...], answers: str
) -> list[str]:
    """Return the runner's arguments for answers to the samples at ``placed.inputs``."""
    asked = model_request(artifact, placed)
    request = wire.request(
        model=asked.model,
        engine="mnn",
        runs=1,
        warmup=0,
        threads=1,
        precision=precision,
        cpus=cpus,
        inputs=asked.inputs,
        output_values=False,
        inputs_file=asked.inputs_file,
        module_outputs=asked.module_outputs,
    )
    return [*request, "--answers", answers]


def require_right_answers(report: AnsweredReport, artifact: Artifact, precision: Precision) -> None:
    """Raise WireError if another model ran, or in another precision."""
    if report.model.sha256 != artifact.sha256:
        raise WireError("the runner read another model file than asked")
    if report.model.precision != precision:
        raise WireError(
            f"the device computes in {excerpt(report.model.precision)}, not {precision}"
        )
