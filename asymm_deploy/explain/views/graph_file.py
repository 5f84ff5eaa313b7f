"""Explanations as node data for Google's Model Explorer, over the graph of model.onnx; pure.

Its file is ``{"name": ..., "results": {NODE: {"value": ...}}, "gradient": [...]}``: a value and a
colour for each node, by the node's id. Its ONNX adapter (model-explorer-onnx) takes the node's name
for the id. A file holds one figure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.operator_groups import OperatorGroup

_PALE, _DARK, _ACCUSED = "#fff7ec", "#d7301f", "#7a0177"


def cost_node_data(explanation: Explanation) -> str | None:
    """Return milliseconds by node, or else thousands of instructions; None if neither is known.

    What MNN runs for one node in several operators is summed.
    """
    parts = [part for part in _by_node(explanation.operators) if part.cost is not None]
    if not parts:
        return None
    timed = explanation.median_ms is not None
    return _node_data(
        f"{explanation.model}: {'ms' if timed else 'thousand instructions'}",
        {
            part.name: {"value": round(part.cost or 0, 6) if timed else (part.insn or 0) / 1e3}
            for part in parts
        },
    )


def error_node_data(explanation: Explanation) -> str | None:
    """Return each node's own error over its limit, those above it coloured; None without errors."""
    results: dict[str, dict[str, object]] = {}
    for part in _by_node(explanation.operators):
        worst = part.worst
        if worst is None or worst.own is None or not worst.own_limit:
            continue
        cell: dict[str, object] = {
            "value": float(f"{worst.own.over_deviation / worst.own_limit:.4g}")
        }
        results[part.name] = cell | ({"bgColor": _ACCUSED} if part.accused else {})
    if not results:
        return None
    return _node_data(f"{explanation.model}: own error over its limit", results)


def _node_data(name: str, results: dict[str, dict[str, object]]) -> str:
    gradient = [{"stop": 0, "bgColor": _PALE}, {"stop": 1, "bgColor": _DARK}]
    return json.dumps({"name": name, "results": results, "gradient": gradient}, indent=1)


def _by_node(operators: Sequence[ExplainedOperator]) -> list[OperatorGroup]:
    found: dict[str, list[ExplainedOperator]] = {}
    for each in operators:
        if each.node:
            found.setdefault(each.node, []).append(each)
    return [OperatorGroup(node, tuple(members)) for node, members in found.items()]
