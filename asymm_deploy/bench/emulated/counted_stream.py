"""What a counting runner prints: as in a launch, without any time, and with its operators."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.observed import operators_line
from asymm_deploy.bench.wire import Done, Hello, Model, RunnerOutput, WireError

_OPERATORS_AT = 2
"""After hello and model."""


class CountedReport(msgspec.Struct, frozen=True):
    """A complete stream of a launch that was counted."""

    hello: Hello
    model: Model
    output: RunnerOutput
    operators: tuple[tuple[str, str], ...]
    """Name and type of each, in their order."""
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    """Of the outputs of each; empty from runners that don't tell."""
    kept: operators_line.Kept = ()


class _Operators(msgspec.Struct, frozen=True, tag_field="type", tag="operators"):
    names: tuple[str, ...]
    types: tuple[str, ...]
    shapes: tuple[tuple[tuple[int, ...], ...], ...] = ()
    kept: operators_line.Kept = ()


def parse_counted_stream(stream: bytes) -> CountedReport:
    """Return what a runner reported; raise WireError unless the stream is complete and sane."""
    rest, line = operators_line.taken_out(stream, _OPERATORS_AT)
    found = None if line is None else _operators(line)
    order: Sequence[type[wire.Message]] = (Hello, Model, RunnerOutput, Done)
    hello, model, output, done = wire.messages_in(rest, order)
    if found is None:
        raise WireError("the runner named no operators")
    assert isinstance(hello, Hello)
    assert isinstance(model, Model)
    assert isinstance(output, RunnerOutput)
    assert isinstance(done, Done)
    operators = tuple(zip(found.names, found.types, strict=True))
    return CountedReport(hello, model, output, operators, found.shapes, found.kept)


def _operators(line: bytes) -> _Operators:
    found = operators_line.operators_in(line, _Operators)
    if len(found.names) != len(found.types):
        raise WireError("the runner named operators without their types")
    return found
