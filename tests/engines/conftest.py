"""Small graphs in both formats, and a session on them by either engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.session import Session
from asymm_deploy.engines.tensors import Array, TensorSpec
from tests.made_networks import mnn_of

Open = Callable[[str], Session]


def opened(engine: str, path: Path, threads: int = 1) -> Session:
    if engine == "mnn module":
        from asymm_deploy.engines.mnn_module import MnnModule

        inputs, outputs = ends(path.with_suffix(".onnx"))
        return MnnModule(str(path.with_suffix(".mnn")), inputs, outputs, threads=threads)
    if engine == "mnn":
        from asymm_deploy.engines.mnn_session import MnnSession

        return MnnSession(str(path.with_suffix(".mnn")), threads=threads)
    from asymm_deploy.engines.ort_session import OrtSession

    return OrtSession(str(path.with_suffix(".onnx")), threads=threads)


def ends(path: Path) -> tuple[list[TensorSpec], list[str]]:
    """Return the inputs of an .onnx file and the names of its outputs; made-up ones of no file."""
    try:
        graph = onnx.load(path).graph
    except Exception:  # whatever onnx and protobuf raise: the session is to refuse its file
        return [TensorSpec("x", (1,))], ["y"]
    inputs = [
        TensorSpec(
            given.name,
            tuple(axis.dim_value for axis in given.type.tensor_type.shape.dim),
            onnx.helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type).name,
        )
        for given in graph.input
    ]
    return inputs, [output.name for output in graph.output]


@pytest.fixture(params=["mnn", "mnn module", "onnxruntime"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def make_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a graph, given as ONNX's text, as model.onnx and model.mnn; return the first's path.

    Further arguments are constants of the graph, by name.
    """
    made: dict[str, Path] = {}

    def make(graph: str, **constants: Array) -> Path:
        if graph not in made:
            path = tmp_path_factory.mktemp("graph") / "model.onnx"
            text = f'<ir_version: 8, opset_import: ["" : 17]> {graph}'
            model = onnx.parser.parse_model(text)
            for name, array in constants.items():
                model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
            onnx.save(model, path)
            mnn_of(path)
            made[graph] = path
        return made[graph]

    return make


@pytest.fixture
def open_graph(engine: str, make_files: Callable[..., Path]) -> Open:
    """Return a session of the engine on a graph."""
    return lambda graph: opened(engine, make_files(graph))


@pytest.fixture
def open_path(engine: str) -> Callable[..., Session]:
    """``(path, threads=1)``: a session of the engine on a file, whose suffix is the engine's."""
    return lambda path, threads=1: opened(engine, path, threads)
