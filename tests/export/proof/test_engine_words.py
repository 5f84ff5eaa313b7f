"""A tensor that no memory holds is named, by the node that makes it, with its size."""

from __future__ import annotations

import onnx.parser
import pytest

from asymm_deploy.export.proof.engine_words import NO_MEMORY, engine_words

BUFFER = "Failed to allocate memory for requested buffer of size 17592186044416\n"
LOOP = """<ir_version: 8, opset_import: ["" : 17]> g (float[1,4] x) => (float[1,4] y)
  <int64[2] s = {9, 4}, int64 n = {2}> { y = Loop<body =
    b (int64 i, bool c, float[1,4] v) => (bool d, float[1,4] r)
    { d = Identity(c) big = Expand(v, s) r = ReduceMean<axes = [0]>(big) }>(n, , x) }"""


def failed(operator: str, name: str, rest: str) -> str:
    return f"Non-zero status code returned while running {operator} node. Name:'{name}' {rest}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (failed("Expand", "/net/grow", BUFFER), "the Expand node /net/grow makes a tensor of "
         "17,592,186,044,416 bytes (16,384.0 GiB)"),
        (failed("Loop", "", failed("Expand", "", BUFFER)), "the Expand node big makes a tensor"),
        (failed("Tile", "", "Tile output tensor would require more than 4294967296 bytes"),
         "the Tile node makes a tensor of more than 4,294,967,296 bytes (4.0 GiB)"),
        (failed("Expand", "", "SafeIntExceptionHandler<X>::SafeIntOnOverflow() Integer overflow"),
         "the Expand node big makes a tensor of more bytes than 64 bits can count"),
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes.",
         "a tensor of 8,589,934,592 bytes (8.0 GiB)"),
        ("numel: integer multiplication overflow", "a tensor of more bytes than 64 bits can count"),
    ],
)  # fmt: skip
def test_a_tensor_without_memory_is_named(reason: str, told: str) -> None:
    words = engine_words(reason, onnx.parser.parse_model(LOOP))
    assert words.startswith(told)
    assert words.endswith(NO_MEMORY)
    assert engine_words(words) == words


def test_other_failures_are_told_by_their_first_line() -> None:
    assert engine_words(ValueError("first\nsecond")) == "first"
    assert engine_words(KeyError()) == "KeyError"
