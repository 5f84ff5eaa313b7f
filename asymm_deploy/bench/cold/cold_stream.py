"""What a runner prints of a cold launch: as of any launch, and ``stages`` behind the model."""

from __future__ import annotations

from typing import Annotated

import msgspec

from asymm_deploy.bench.cold.cold_records import StageMemory
from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.bench.wire import (
    MADE_UP,
    RunnerReport,
    WireError,
    is_more_processor_time,
    message_of,
    parse_stream,
)

_STAGES_AT = 2
"""After hello and model."""

_Duration = Annotated[int, msgspec.Meta(ge=0, le=24 * HOUR_NS)]
_Stage = Annotated[int, msgspec.Meta(ge=1, le=24 * HOUR_NS)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Core = Annotated[int, msgspec.Meta(ge=0, le=65535)]


class ToldStages(msgspec.Struct, frozen=True, tag_field="type", tag="stages"):
    """How long each stage took; PROTOCOL.md says what belongs to which."""

    engine_ns: _Duration | None
    """None where the engine is part of the program, and was loaded with it."""
    read_ns: _Stage
    create_ns: _Stage
    first_ns: _Stage
    second_ns: _Stage
    read_cpu_ns: _Duration
    """Processor time of the main thread over this stage; the next three likewise."""
    create_cpu_ns: _Duration
    first_cpu_ns: _Duration
    second_cpu_ns: _Duration
    wall_ns: _Duration
    """From the start of the reading to the end of the second run."""
    cpu_ns: _Duration
    waited_ns: _Duration | None
    steal_ns: _Duration | None
    core: _Core | None
    """Where the main thread ran just before."""
    pages: _Count
    """Of the model file."""
    resident: _Count | None
    """How many of them were in the page cache when it was read; None where nobody can tell."""
    major_faults: _Count
    """How often it waited for the disk for what it has mapped: the engine's library."""
    memory: StageMemory | None = None
    """With ``--stage-memory`` alone."""


class _Kind(msgspec.Struct, frozen=True):
    type: str


class ColdReport(msgspec.Struct, frozen=True):
    """A complete stream of a cold launch."""

    launch: RunnerReport
    """Of the runs that follow the stages."""
    stages: ToldStages


def parse_cold_stream(stream: bytes) -> ColdReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    lines = stream.split(b"\n")
    told: ToldStages | None = None
    if len(lines) > _STAGES_AT + 1 and _is_stages(lines[_STAGES_AT]):
        told = message_of(lines.pop(_STAGES_AT), ToldStages, "stages")
    report = parse_stream(b"\n".join(lines))
    if told is None:
        raise WireError("the runner told of no stages")
    if told.read_ns + told.create_ns + told.first_ns + told.second_ns > told.wall_ns:
        raise WireError(f"{MADE_UP}: the stages add up to more than all of them together took")
    for which in ("read", "create", "first", "second"):
        wall_ns, cpu_ns = getattr(told, f"{which}_ns"), getattr(told, f"{which}_cpu_ns")
        if is_more_processor_time(cpu_ns, wall_ns):
            raise WireError(
                f"{MADE_UP}: a stage of {wall_ns / 1e6:.3g} ms is said to have used "
                f"{cpu_ns / 1e6:.3g} ms of processor time"
            )
    if told.resident is not None and told.resident > told.pages:
        raise WireError(f"{MADE_UP}: more of the model's pages are in memory than it has")
    return ColdReport(report, told)


def _is_stages(line: bytes) -> bool:
    try:
        return msgspec.json.decode(line, type=_Kind).type == "stages"
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False  # whatever it is, the reader of all messages says so
