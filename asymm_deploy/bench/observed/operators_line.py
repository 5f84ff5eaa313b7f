"""The message ``operators``, which stands among a runner's others where it was asked for them."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

import msgspec

from asymm_deploy.bench.units import HOUR_NS
from asymm_deploy.bench.wire import MAX_RUNS, message_of

_START = b'{"type":"operators"'
_Duration = Annotated[int, msgspec.Meta(ge=0, le=HOUR_NS)]
_Axis = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_Watched = Annotated[int, msgspec.Meta(ge=1, le=HOUR_NS)]

Kept: TypeAlias = tuple[tuple[int, ...], ...]
"""By operator, the inputs that should have been given other values and kept theirs; empty if none
did."""
OperatorsT = TypeVar("OperatorsT", bound=msgspec.Struct)


class TimedOperators(msgspec.Struct, frozen=True, tag_field="type", tag="operators"):
    """The operators of a run in their order, and how long each took in the watched runs."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    shapes: tuple[tuple[tuple[_Axis, ...], ...], ...]
    """Of each operator's outputs."""
    flops_m: tuple[float, ...]
    """As MNN estimates them, in 10^6: multiply-adds of convolutions, elements of most others."""
    least_ns: tuple[_Duration, ...]
    """From one reading of the clock, before it, to the next, after it: the least of all runs."""
    median_ns: tuple[_Duration, ...]
    gap_ns: tuple[_Duration, ...]
    """The least time before each operator, from the one before or the start of the run, and then
    from the last operator to the end of the run: one more than there are operators."""
    watched_ns: Annotated[tuple[_Watched, ...], msgspec.Meta(min_length=1, max_length=MAX_RUNS)]
    """The duration of each watched run."""
    kept: Kept = ()


def taken_out(stream: bytes, at: int) -> tuple[bytes, bytes | None]:
    """Return the stream without the ``operators`` in place ``at``, and that line; None if none is.

    An error may take the place of any message.
    """
    lines = stream.split(b"\n")
    if len(lines) <= at + 1 or not lines[at].startswith(_START):
        return stream, None
    line = lines.pop(at)
    return b"\n".join(lines), line


def operators_in(line: bytes, kind: type[OperatorsT]) -> OperatorsT:
    """Return the message; raise WireError if it is none of that kind."""
    message: OperatorsT = message_of(line, kind, "operators")
    return message
