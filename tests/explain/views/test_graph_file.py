"""Node data have the form that Model Explorer reads: a value for each node of the ONNX graph."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import msgspec
import pytest

from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.graph_file import cost_node_data, error_node_data


class Value(msgspec.Struct, forbid_unknown_fields=True):
    """Model Explorer's NodeDataResult."""

    value: float
    bgColor: str | None = None  # noqa: N815  the format's own name


class Stop(msgspec.Struct, forbid_unknown_fields=True):
    """Model Explorer's GradientItem."""

    stop: float
    bgColor: str  # noqa: N815


class NodeData(msgspec.Struct, forbid_unknown_fields=True):
    """Model Explorer's GraphNodeData."""

    name: str
    results: dict[str, Value]
    gradient: list[Stop]


def read(text: str | None) -> NodeData:
    assert text is not None
    found = msgspec.json.decode(text, type=NodeData)
    assert [each.stop for each in found.gradient] == [0, 1]
    return found


@pytest.fixture
def node_data_builder(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Model Explorer's own classes of node data, without its server and what that needs."""
    found = importlib.util.find_spec("model_explorer")
    if found is None or not found.submodule_search_locations:
        pytest.skip("Model Explorer is missing: pip install --no-deps ai-edge-model-explorer")
    package = ModuleType("model_explorer")
    package.__path__ = list(found.submodule_search_locations)
    monkeypatch.setitem(sys.modules, package.__name__, package)
    return importlib.import_module("model_explorer.node_data_builder")


def test_model_explorer_itself_would_write_the_same(
    node_data_builder: Any, faulty: Explanation
) -> None:
    for text in (cost_node_data(faulty), error_node_data(faulty)):
        assert text is not None
        ours = json.loads(text)
        theirs = node_data_builder.GraphNodeData(
            name=ours["name"],
            results={
                node: node_data_builder.NodeDataResult(**result)
                for node, result in ours["results"].items()
            },
            gradient=[node_data_builder.GradientItem(**stop) for stop in ours["gradient"]],
        )
        shown = json.loads(theirs.to_json_string())
        assert {key: shown[key] for key in ours} == ours
        assert not any(value for key, value in shown.items() if key not in ours)


def test_a_node_has_the_time_of_all_that_mnn_runs_for_it(explained: Explanation) -> None:
    concat = msgspec.structs.replace(explained.operators[2], node=explained.operators[3].node)
    operators = (*explained.operators[:2], concat, *explained.operators[3:])
    data = read(cost_node_data(msgspec.structs.replace(explained, operators=operators)))
    assert data.name == "net: ms"
    assert data.results["/blocks/0/project/conv/Conv"].value == 1.75
    assert sum(each.value for each in data.results.values()) == 4
    assert len(data.results) == 5


def test_instructions_stand_for_the_time_that_nobody_measured(counted: Explanation) -> None:
    data = read(cost_node_data(counted))
    assert data.name == "net: thousand instructions"
    assert sum(each.value for each in data.results.values()) == 21_000
    assert error_node_data(counted) is None


def test_own_errors_stand_over_their_limits_and_the_accused_has_a_colour(
    faulty: Explanation,
) -> None:
    data = read(error_node_data(faulty))
    coloured = {name: each for name, each in data.results.items() if each.bgColor}
    assert list(coloured) == ["/blocks/0/project/conv/Conv"]
    assert coloured["/blocks/0/project/conv/Conv"].value == 7000


def test_what_has_no_node_is_left_out(explained: Explanation) -> None:
    bare = tuple(msgspec.structs.replace(each, node=None) for each in explained.operators)
    assert cost_node_data(msgspec.structs.replace(explained, operators=bare)) is None
