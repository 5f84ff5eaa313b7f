"""Node data have the form that Model Explorer reads: a value for each node of the ONNX graph."""

from __future__ import annotations

import msgspec

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
