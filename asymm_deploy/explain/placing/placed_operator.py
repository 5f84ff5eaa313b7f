"""One operator that MNN ran, and what it is in the ONNX graph."""

from __future__ import annotations

import msgspec

from asymm_deploy.engines.observation import ValueSource
from asymm_deploy.explain.explanation import Kind


class ExpectedTensor(msgspec.Struct, frozen=True):
    """The ONNX tensor whose values an operator's output should have."""

    tensor: str
    channels: tuple[int, int] | None = None
    """From and up to which channel, if it is a group of them."""


class PlacedOperator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator that MNN ran, with its place in the ONNX graph."""

    index: int
    name: str
    type: str
    kind: Kind
    module: str | None
    """Empty: the network itself. None: the ONNX graph doesn't say."""
    node: str | None
    node_type: str | None
    nodes: tuple[str, ...]
    """The types of all the nodes that it computes."""
    node_names: tuple[str, ...] = ()
    """The names of these, as of ``node``."""
    makes: str | None
    """The ONNX tensor that it ends in, judged or not."""
    int8: bool
    """Whether MNN computes it in 8 bits."""
    output_shapes: tuple[tuple[int, ...], ...]
    input_shapes: tuple[tuple[int, ...], ...]
    sources: tuple[ValueSource | None, ...]
    references: tuple[ExpectedTensor | None, ...]
    """By output."""
    unjudged: str | None
    """Why no output has a reference."""
    file_operator: int | None
    """The index of the file's operator that it was run for."""
    whole: bool
    """Whether it makes what the file's operator makes, and isn't a part of it."""
    half: bool = False
    """Whether the reference itself computes it in 16 bits."""
    as_given: bool = False
    """Whether it makes an input of the graph again, unchanged."""
