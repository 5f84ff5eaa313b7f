"""The operator that a refusal names is the one that differs, and none is named for rounding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.export.proof.refusal.culprit import (
    Culprit,
    culprit_in_mnn,
    culprit_in_onnx,
    differing,
    module_path,
    too_wide,
)

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
RNG = np.random.default_rng(0)


def graph(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(HEADER + text)


def test_the_operator_that_mnn_computes_otherwise_is_named(tmp_path: Path) -> None:
    model = graph(
        "g (float[2,8] x, int64[2,7] ids) => (float[2,7] y)"
        "{ r = Relu(x)\n n = GatherElements<axis=1>(r, ids)\n y = Neg(n) }"
    )
    inputs = (TensorSpec("x", (2, 8)), TensorSpec("ids", (2, 7), "int64"))
    x = np.abs(RNG.standard_normal((2, 8))).astype(np.float32)
    negative: Arrays = {"x": x, "ids": np.full((2, 7), -2)}
    found = culprit_in_mnn(model, inputs, negative, tmp_path)
    assert found is not None
    assert found.operator == "GatherElements"
    assert found.expected == f"{x[0, -2]:.6g}" or found.expected == f"{x[1, -2]:.6g}"

    positive: Arrays = {"x": x, "ids": np.full((2, 7), 6)}
    assert culprit_in_mnn(model, inputs, positive, tmp_path) is None


def test_an_integer_that_32_bits_cannot_hold_is_the_culprit_itself(tmp_path: Path) -> None:
    model = graph(
        "g (int64[1,4] ids) => (int64[1,4] y){ n = Constant<value_ints=[97]>()\n y = Mod(ids, n) }"
    )
    specs = (TensorSpec("ids", (1, 4), "int64"),)
    sample: Arrays = {"ids": np.array([[1, 2**40 + 5, 3, 4]])}
    assert too_wide(specs, sample) == "ids"
    found = culprit_in_mnn(model, specs, sample, tmp_path)
    assert found == Culprit("Mod", "", str(2**40 + 5), "5 in 32 bits")
    assert too_wide(specs, {"ids": np.array([[-(2**31), 2**31 - 1]])}) is None


def test_the_operator_that_a_simplifier_changed_is_named() -> None:
    before = graph("g (float[4] x) => (float[4] y) { a = Relu(x)\n b = Neg(a)\n y = Exp(b) }")
    after = graph("g (float[4] x) => (float[4] y) { a = Relu(x)\n b = Abs(a)\n y = Exp(b) }")
    sample: Arrays = {"x": np.array([1, 2, 3, 4], np.float32)}
    found = culprit_in_onnx(before, after, sample)
    assert found is not None
    assert (found.operator, found.expected, found.found) == ("Abs", "-4", "4")
    assert culprit_in_onnx(before, before, sample) is None


def test_values_differ_beyond_rounding_or_not_at_all() -> None:
    ours = RNG.standard_normal((3, 4)).astype(np.float32)
    assert differing(ours, ours * np.float32(1 + 1e-6)) is None
    moved = ours.copy()
    moved[1, 2] += 0.5
    assert differing(ours, moved) == (f"{ours[1, 2]:.6g}", f"{moved[1, 2]:.6g}")
    assert differing(np.array([1, 2]), np.array([1, 3])) == ("2", "3")
    assert differing(ours, ours[:2]) == ("shape (3, 4)", "shape (2, 4)")
    assert differing(ours[:0], ours[:0]) is None
    broken = ours.copy()
    broken[0, 0] = np.nan
    assert differing(broken, broken) is None
    assert differing(ours, broken) is not None
    endless = ours.copy()
    endless[0, 0] = np.inf
    assert differing(endless, endless) is None


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("/blocks.3/se/reduce/Conv", "blocks.3.se.reduce"),
        ("/layer1/layer1.0/conv/Conv", "layer1.0.conv"),
        ("/1/1.1/1.1.0/Sub", "1.1.0"),
        ("/Add", ""),
        ("Conv_12", ""),
        ("", ""),
    ],
)
def test_a_node_tells_its_module(node: str, path: str) -> None:
    assert module_path(node) == path


def test_a_culprit_is_told_with_its_module_and_both_values() -> None:
    told = Culprit("Conv", "/blocks.3/project/Conv", "1.5", "2").told
    assert told == (
        "the first operator that differs is Conv '/blocks.3/project/Conv' of module "
        "blocks.3.project: 2, not 1.5"
    )
    assert Culprit("Mod", "", "3", "4").told == "the first operator that differs is Mod: 4, not 3"
