"""Who is accused: the operator with the fault, whatever the fault, and nobody in a clean model.

``benchmarks/accuse.py`` does the same with the paper's networks, and ten others.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.explain.explanation import ExplainedOperator
from asymm_deploy.explain.host_errors import WatchRequest, explained_operators, save_arrays
from asymm_deploy.explain.watching.judging import judge_run
from asymm_deploy.export.mnn import to_mnn
from benchmarks.accusing import mnn_faults, onnx_faults
from benchmarks.accusing.mnn_faults import MnnFault
from benchmarks.accusing.onnx_faults import OnnxFault

ASYMMETRIC = """<ir_version: 8, opset_import: ["" : 17]>
asymmetric (float[1,4,8,8] x) => (float[1,6,8,8] y) {
    [expand] a = Conv(x, w8x4x1x1, b8)
    [relu] b = Relu(a)
    [join] c = Concat<axis=1>(x, b)
    [depthwise] d = Conv<pads=[1,1,1,1], group=12>(c, w12x1x3x3, b12)
    [swish] e = HardSwish(d)
    [pool] f = GlobalAveragePool(e)
    [squeeze] g = Conv(f, w12x12x1x1, b12)
    [gate] h = HardSigmoid<alpha=0.16666667, beta=0.5>(g)
    [gated] i = Mul(e, h)
    [project] y = Conv(i, w6x12x1x1, b6)
}"""
SHUFFLED = """<ir_version: 8, opset_import: ["" : 17]>
shuffled (float[1,8,6,6] x) => (float[1,8,6,6] y)
<int64[5] split = {1,2,4,6,6}, int64[4] whole = {1,8,6,6},
 int64[1] zero = {0}, int64[1] four = {4}, int64[1] eight = {8}, int64[1] one = {1}> {
    [former] a = Slice(x, zero, four, one)
    [latter] b = Slice(x, four, eight, one)
    [conv] c = Conv(b, w4x4x1x1, b4)
    [join] d = Concat<axis=1>(a, c)
    [apart] e = Reshape(d, split)
    [turn] f = Transpose<perm=[0,2,1,3,4]>(e)
    [together] g = Reshape(f, whole)
    [last] y = Conv(g, w8x8x1x1, b8)
}"""
DETECTING = """<ir_version: 8, opset_import: ["" : 17]>
detecting (float[1,4,8,8] x) => (float[1,64,4] boxes, float[1,64,2] scores)
<int64[3] flat = {1,64,6}, int64[1] zero = {0}, int64[1] four = {4}, int64[1] six = {6},
 int64[1] two = {2}> {
    [conv] a = Conv<pads=[1,1,1,1]>(x, w6x4x3x3, b6)
    [turn] b = Transpose<perm=[0,2,3,1]>(a)
    [rows] c = Reshape(b, flat)
    [places] d = Slice(c, zero, four, two)
    [classes] e = Slice(c, four, six, two)
    [anchored] boxes = Add(d, w1x64x4)
    [softmax] scores = Softmax<axis=-1>(e)
}"""
LEFT = """<ir_version: 8, opset_import: ["" : 17]>
left (float[1,4,8,8] x) => (float[1,4,8,8] y) {
    [conv] a = Conv(x, w8x4x1x1, b8)
    [swish] b = HardSwish(a)
    [join] c = Concat<axis=1>(x, b)
    [depthwise] d = Conv<pads=[1,1,1,1], group=12>(c, w12x1x3x3, b12)
    [project] y = Conv(d, w4x12x1x1, b4)
}"""
NETS = {"left": LEFT, "asymmetric": ASYMMETRIC, "shuffled": SHUFFLED, "detecting": DETECTING}
Judge = Callable[[str, Path], tuple[ExplainedOperator, ...]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The .onnx file of each net, with its .mnn file and a sample beside it."""
    made = {}
    rng = np.random.default_rng(0)
    for net, text in NETS.items():
        model = onnx.parser.parse_model(text)
        known = {each.name for each in model.graph.initializer}
        for name in sorted({n for node in model.graph.node for n in node.input} - known):
            if name[0] in "wb" and name[1:2].isdigit():
                shape = [int(size) for size in name[1:].split("x")]
                values = rng.standard_normal(shape).astype(np.float32)
                model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
        path = tmp_path_factory.mktemp("nets") / f"{net}.onnx"
        onnx.save(model, path)
        to_mnn(path, path.with_suffix(".mnn"))
        sizes = [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim]
        x = rng.standard_normal(sizes).astype(np.float32) * 3
        save_arrays(path.with_suffix(".npz"), {"x": x})
        made[net] = path
    return made


@pytest.fixture(scope="module")
def judge(files: dict[str, Path]) -> Judge:
    """The operators of an .mnn file, against one of the nets."""

    def judged(net: str, model: Path) -> tuple[ExplainedOperator, ...]:
        request = WatchRequest(
            model=str(model),
            reference=str(files[net]),
            samples=(str(files[net].with_suffix(".npz")),),
            precision="fp32",
            values=None,
        )
        return explained_operators(judge_run(request), "fp32")

    return judged


@pytest.mark.parametrize("net", NETS)
def test_in_a_clean_model_nobody_is_accused_and_nearly_all_are_judged(
    net: str, files: dict[str, Path], judge: Judge
) -> None:
    found = judge(net, files[net].with_suffix(".mnn"))
    assert [each.name for each in found if each.accused] == []
    unjudged = [each for each in found if each.own is None]
    assert all(each.unjudged for each in unjudged)
    assert len(unjudged) <= len(found) / 4


@pytest.mark.parametrize(
    ("tensor", "node", "fault"),
    [
        ("a", "expand", mnn_faults.weights(onnx_faults.in_fp16)),
        ("a", "expand", mnn_faults.activation()),
        ("c", "join", mnn_faults.inputs_swapped),
        ("d", "depthwise", mnn_faults.pads_moved),
        ("d", "depthwise", mnn_faults.weights(onnx_faults.noisy(0.01))),
        ("e", "swish", mnn_faults.another_unary(mnn_faults.SILU)),
        ("g", "squeeze", mnn_faults.bias(onnx_faults.shifted(0.1))),
        ("y", "project", mnn_faults.weights(onnx_faults.one_channel(1.05))),
    ],
)
def test_a_fault_in_the_mnn_file_is_put_on_its_operator_alone(
    tensor: str, node: str, fault: MnnFault, files: dict[str, Path], judge: Judge, tmp_path: Path
) -> None:
    clean = files["asymmetric"].with_suffix(".mnn").read_bytes()
    copy = tmp_path / "faulty.mnn"
    copy.write_bytes(mnn_faults.with_mnn_fault(clean, tensor, fault))
    found = judge("asymmetric", copy)
    assert {each.node for each in found if each.accused} == {node}


@pytest.mark.parametrize(
    ("net", "node", "fault"),
    [
        ("asymmetric", "gate", onnx_faults.replaced("Sigmoid")),
        ("shuffled", "latter", onnx_faults.sliced_elsewhere(-4)),
        ("shuffled", "turn", onnx_faults.transposed_otherwise),
        ("detecting", "turn", onnx_faults.transposed_otherwise),
    ],
)
def test_a_fault_that_was_converted_is_put_on_its_operator_alone(
    net: str, node: str, fault: OnnxFault, files: dict[str, Path], judge: Judge, tmp_path: Path
) -> None:
    model = onnx.load(files[net])
    model.graph.CopyFrom(onnx_faults.with_fault(model.graph, node, fault))
    source, copy = tmp_path / "faulty.onnx", tmp_path / "faulty.mnn"
    onnx.save(model, source)
    to_mnn(source, copy)
    assert {each.node for each in judge(net, copy) if each.accused} == {node}


def test_what_was_left_out_is_told_with_the_copy_that_lacks_it(
    files: dict[str, Path], judge: Judge, tmp_path: Path
) -> None:
    model = onnx.load(files["left"])
    model.graph.CopyFrom(onnx_faults.with_fault(model.graph, "swish", onnx_faults.removed))
    source, copy = tmp_path / "faulty.onnx", tmp_path / "faulty.mnn"
    onnx.save(model, source)
    to_mnn(source, copy)
    accused = [each for each in judge("left", copy) if each.accused]
    assert [(each.node, each.also) for each in accused] == [("join", ("swish",))]


def test_an_activation_is_told_with_the_convolution_that_took_it_in(
    files: dict[str, Path], judge: Judge
) -> None:
    found = judge("asymmetric", files["asymmetric"].with_suffix(".mnn"))
    assert ("relu",) in [each.also for each in found if each.node == "expand"]
