"""Networks of several outputs and of other heads reach MNN, proven, as single fast operators."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from asymm_deploy import cli
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export import onnx_graph
from asymm_deploy.export.inputs import parity_probes
from asymm_deploy.export.proof.parity import compare_outputs

MakeFolder = Callable[[str], Path]

# Small sizes, since what is in the graph does not depend on them.
SHAPES = {
    "asymmnet_small_035_face": None,
    "asymmnet_small_035_action": "1,3,64,64",
    "asymmnet_small_035_pose": "1,3,64,96",
    "asymmnet_small_035_yolo3": "1,3,64,96",
    "mobilefacenet": None,
    "ghost_small_035": "1,3,64,64",
    "sandglass_small_035": "1,3,64,64",
    "shuffle_small_035": "1,3,64,64",
    "bottleneck_small_035": "1,3,64,64",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> MakeFolder:
    """Export a model once; return the folder of its files."""
    out = tmp_path_factory.mktemp("artifacts")

    def make(name: str) -> Path:
        shape = SHAPES[name]
        arguments = ["export", name, "--out", str(out)]
        said = StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = cli.run([*arguments, "--input-shape", shape] if shape else arguments)
        assert code == 0, said.getvalue()
        return out / name

    return make


def operators(folder: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(folder / "model.onnx").graph.node)


def mnn_operators(folder: Path) -> Counter[str]:
    """What stands in the .mnn file; MNN prints as it loads, so in a process of its own."""
    code = (
        "import sys, json, MNN.expr as expr\n"
        "found = expr.load_as_dict(sys.argv[1])\n"
        "print(json.dumps([str(value.op_type) for value in found.values()]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder / "model.mnn")],
        capture_output=True,
        text=True,
        check=True,
    )
    return Counter(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("asymmnet_small_035_face", {"PReLU": 1}),
        ("mobilefacenet", {"PReLU": 33, "Convolution": 33, "ConvolutionDepthwise": 17}),
        ("asymmnet_small_035_pose", {"DepthToSpace": 3}),
        ("asymmnet_small_035_yolo3", {"ReLU": 20, "Interp": 2}),  # a slope is ReLU's there
    ],
)
def test_mnn_has_single_operators_for_them_too(
    name: str, expected: dict[str, int], exported: MakeFolder
) -> None:
    found = mnn_operators(exported(name))

    assert {kind: found[kind] for kind in expected} == expected
    assert not {"Select", "LESS", "Gather", "GatherV2", "Shape", "Unpack"} & set(found)


def told(folder: Path) -> Any:
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("name", SHAPES)
def test_every_step_is_proven_and_no_shape_is_looked_up(name: str, exported: MakeFolder) -> None:
    folder = exported(name)
    stages = told(folder)["stages"]

    allowed = 1e-2 if name.endswith(("pose", "yolo3")) else 1e-4
    assert all(stage["relative_error"] <= allowed for stage in stages.values())
    assert {stage["tolerance"] for stage in stages.values()} == {allowed}
    assert not {"Shape", "Gather", "Range", "Expand", "BatchNormalization"} & set(operators(folder))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("asymmnet_small_035_face", {"PRelu": 1}),
        ("mobilefacenet", {"PRelu": 33}),
        ("asymmnet_small_035_pose", {"DepthToSpace": 3}),
        # Of 3 scales with 6 convolutions each, and 2 between them.
        ("asymmnet_small_035_yolo3", {"LeakyRelu": 20, "Resize": 2, "Exp": 1}),
    ],
)
def test_the_operators_of_heads_are_single_ones(
    name: str, expected: dict[str, int], exported: MakeFolder
) -> None:
    found = operators(exported(name))

    assert {kind: found[kind] for kind in expected} == expected


def test_the_global_depthwise_convolution_is_one_convolution(exported: MakeFolder) -> None:
    graph = onnx.load(exported("asymmnet_small_035_face") / "model.onnx").graph
    groups = [
        attribute.i
        for node in graph.node
        if node.op_type == "Conv"
        for attribute in node.attribute
        if attribute.name == "group" and attribute.i == 512
    ]
    assert groups == [512]


def test_a_detectors_graph_gives_boxes_and_scores(exported: MakeFolder) -> None:
    folder = exported("asymmnet_small_035_yolo3")
    count = 3 * (8 * 12 + 4 * 6 + 2 * 3)

    assert [output["shape"] for output in told(folder)["outputs"]] == [
        [1, count, 4],
        [1, count, 20],
    ]
    with np.load(folder / "reference.npz") as reference:
        boxes, scores = reference["output_0"][0], reference["output_1"][0]
    assert (boxes[:, :2] <= boxes[:, 2:]).all()
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert ((centres >= 0) & (centres <= (96, 64))).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto:
    (found,) = (attribute for attribute in node.attribute if attribute.name == name)
    assert isinstance(found, onnx.AttributeProto)
    return found


def alter(graph: onnx.GraphProto, what: str) -> None:
    """Make one mistake in a graph of ours, of the kind that a converter makes."""
    first = {node.op_type: node for node in reversed(graph.node)}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    match what:
        case "pixels dealt out in another order":
            attribute(first["DepthToSpace"], "mode").s = b"DCR"
        case "another slope":
            attribute(first["LeakyRelu"], "alpha").f = 0.12
        case "joined in another order":
            inputs = first["Concat"].input
            inputs[0], inputs[1] = inputs[1], inputs[0]
        case "enlarged in another way":
            attribute(first["Resize"], "mode").s = b"linear"
        case "one slope for all":
            slopes = weights[first["PRelu"].input[1]]
            values = onnx.numpy_helper.to_array(slopes)
            same = np.full_like(values, values.mean())
            slopes.CopyFrom(onnx.numpy_helper.from_array(same, slopes.name))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("asymmnet_small_035_pose", "pixels dealt out in another order"),
        ("asymmnet_small_035_yolo3", "another slope"),
        ("asymmnet_small_035_yolo3", "joined in another order"),
        ("asymmnet_small_035_yolo3", "enlarged in another way"),
        ("asymmnet_small_035_face", "one slope for all"),
    ],
)
def test_a_converters_mistake_in_a_head_is_found(
    name: str, what: str, exported: MakeFolder
) -> None:
    folder = exported(name)
    model = onnx.load(folder / "model.onnx")
    spec = TensorSpec("input", tuple(told(folder)["input_shape"]))
    samples = [probe.arrays for probe in parity_probes([spec])]
    right = onnx_graph.run_onnx(model.SerializeToString(), samples)
    alter(model.graph, what)
    wrong = onnx_graph.run_onnx(model.SerializeToString(), samples)

    assert compare_outputs(right, right).passed
    assert not compare_outputs(right, wrong).passed


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("asymmnet_small_035_face", 1e-4, 1e-4),  # no convolution that Winograd's would replace
        ("bottleneck_small_035", 1e-4, 1e-2),
        ("asymmnet_small_035_yolo3", 1e-2, 1e-1),
    ],
)
def test_a_timed_output_may_differ_by_what_fast_convolutions_cost(
    name: str, least: float, most: float, exported: MakeFolder
) -> None:
    limits = told(exported(name))["output_limits"]
    assert len(limits) == len(told(exported(name))["outputs"])
    assert all(least <= limit["tolerance"] <= most for limit in limits)
    assert all(limit["rms_tolerance"] <= most for limit in limits)


def test_a_detectors_outputs_have_names(exported: MakeFolder) -> None:
    folder = exported("asymmnet_small_035_yolo3")
    assert [output["name"] for output in told(folder)["outputs"]] == ["boxes", "scores"]
    graph = onnx.load(folder / "model.onnx").graph
    assert [output.name for output in graph.output] == ["boxes", "scores"]
