"""What a counting runner prints: as in a launch, without any time, and with its operators."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.wire import Done, Hello, Model, RunnerOutput, WireError

_LINES_BEFORE_OPERATORS = 2


class CountedReport(msgspec.Struct, frozen=True):
    """A complete stream of a launch that was counted."""

    hello: Hello
    model: Model
    output: RunnerOutput
    operators: tuple[tuple[str, str], ...] | None
    """Name and type of each, in their order; None if it was not run by operator."""


class _Operators(msgspec.Struct, frozen=True, tag_field="type", tag="operators"):
    names: tuple[str, ...]
    types: tuple[str, ...]


def parse_counted_stream(stream: bytes, *, by_operator: bool) -> CountedReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    lines = stream.splitlines(keepends=True)
    operators = None
    if by_operator and len(lines) > _LINES_BEFORE_OPERATORS:
        operators = _operators(lines.pop(_LINES_BEFORE_OPERATORS))
    order: Sequence[type[wire.Message]] = (Hello, Model, RunnerOutput, Done)
    hello, model, output, done = wire.messages_in(b"".join(lines), order)
    assert isinstance(hello, Hello)
    assert isinstance(model, Model)
    assert isinstance(output, RunnerOutput)
    assert isinstance(done, Done)
    return CountedReport(hello, model, output, operators)


def _operators(line: bytes) -> tuple[tuple[str, str], ...]:
    try:
        found = msgspec.json.decode(line, type=_Operators)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"the runner printed no valid 'operators': {error}") from error
    if len(found.names) != len(found.types):
        raise WireError("the runner named operators without their types")
    return tuple(zip(found.names, found.types, strict=True))
