"""What ONNX Runtime and torch say when they fail, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from asymm_deploy.safe import first_words

if TYPE_CHECKING:
    import onnx

NO_MEMORY = "there is no memory for it"
"""What a failure says for lack of memory, whoever failed."""
_SIZE = re.compile(
    r"(?:buffer of size|tried to allocate|would require (more than)) ([0-9]{1,30})\b"
)
_OVERFLOW = re.compile("SafeIntOnOverflow|Storage size calculation overflowed|numel: integer mult")
_NODE = re.compile(r"while running (\S{1,80}) node\. Name:'([^']{0,200})'")


def engine_words(error: object, model: onnx.ModelProto | None = None) -> str:
    """Return what a failure of ONNX Runtime or torch says, at most 300 characters of it.

    Where a tensor was too large it says which one and how large; ``model`` is what ran, and names
    nodes without a name by their output.
    """
    text = str(error)
    size, nodes = _size(text), _NODE.findall(text)
    if size is None:
        return first_words(error) or type(error).__name__
    operator, name = nodes[-1] if nodes else ("", "")  # the innermost one comes last
    name = name or (_output_of(model, operator) if model is not None else "")
    named = f" {name}" if name else ""
    where = f"the {operator} node{named} makes " if operator else ""
    return f"{where}a tensor of {size}, and {NO_MEMORY}"


def _size(text: str) -> str | None:
    if _OVERFLOW.search(text):
        return "more bytes than 64 bits can count"
    found = _SIZE.search(text)
    if found is None:
        return None
    more, count = found.groups()
    return f"{f'{more} ' if more else ''}{int(count):,} bytes ({int(count) / 2**30:,.1f} GiB)"


def _output_of(model: onnx.ModelProto, operator: str) -> str:
    """Return the output of the only node of that kind; an empty string if there are several."""
    outputs = [node.output[0] for node in _nodes(model.graph) if node.op_type == operator]
    return outputs[0] if len(outputs) == 1 else ""


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from _nodes(body)
