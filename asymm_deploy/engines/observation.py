"""What is seen of a run, operator by operator; importing it imports no engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from asymm_deploy.engines.tensors import Array

GRAPH_INPUT = -1
"""Stands for an operator where values come from outside."""


class ValueSource(NamedTuple):
    """Where an input's values come from."""

    operator: int
    """Its index; `GRAPH_INPUT` for an input of the graph."""
    output: int
    """Which of its outputs; which of the graph's inputs in byte order of their names."""


@dataclass(frozen=True)
class ObservedOperator:
    """One operator in the order in which MNN ran them."""

    index: int
    name: str
    """MNN's: of the tensor that it makes, or a made-up one."""
    type: str
    input_shapes: tuple[tuple[int, ...], ...]
    sources: tuple[ValueSource | None, ...]
    """By input: what made it; None: it is a constant, or unknown."""
    copies: bool
    """Whether its output holds, bit by bit and in that order, what its first input holds."""
    outputs: tuple[Array, ...] = field(repr=False)
    """What it made, in the plain order."""
