"""A sentence or two on an explanation: where the time goes, and whose error it is; pure."""

from __future__ import annotations

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.explain_rows import Whole
from asymm_deploy.explain.views.operator_groups import OperatorGroup, by_kind

_NAMED_KINDS = 3
_TABLE_1 = ("depthwise", "pointwise", "vanilla")


def what_to_see(explanation: Explanation) -> str:
    """Return in one line what an explanation comes to."""
    if explanation.error is not None:
        return f"{_title(explanation)}: {explanation.error}"
    parts = [_title(explanation) + _whole_cost(explanation)]
    kinds = _kinds(explanation)
    if kinds:
        parts.append(kinds)
    return ". ".join([*parts, error_sentence(explanation)]) + "."


def error_sentence(explanation: Explanation) -> str:
    """Return whether any operator's own error is above its limit, and which one is the first."""
    accused = [each for each in explanation.operators if each.accused]
    judged = sum(each.own is not None for each in explanation.operators)
    if accused:
        others = f", and {len(accused) - 1} more" if accused[1:] else ""
        return f"Own error above the limit: {named_operator(accused[0])}{others}"
    if not judged:
        return "No error was measured" if explanation.operators else "It has no operators"
    those = "the only operator that was" if judged == 1 else f"{judged} operators that were"
    return f"No own error is above its limit, of {those} judged"


def named_operator(operator: ExplainedOperator) -> str:
    """Return an operator by its module, or else its node, or MNN's name, and by what it is."""
    name = operator.module or operator.node or operator.name or "a nameless one"
    return f"{name} ({operator.node_type or operator.type}, number {operator.index})"


def table1_shares(explanation: Explanation) -> dict[str, tuple[float | None, float | None]]:
    """Return percent of the multiply-adds and of the time, or instructions, as Table 1 has them.

    By depthwise, pointwise and vanilla; the classifier and the convolutions of
    squeeze-and-excitation are pointwise. ``other`` is all that is no convolution.
    """
    whole = Whole.of(explanation)
    found: dict[str, list[ExplainedOperator]] = {name: [] for name in (*_TABLE_1, "other")}
    for each in explanation.operators:
        found[_table1_kind(each)].append(each)
    parts = {name: OperatorGroup(name, tuple(members)) for name, members in found.items()}
    return {
        name: (
            whole.madds_percent(part),
            whole.share_percent(part) if part.operators else 0.0 if whole.cost else None,
        )
        for name, part in parts.items()
    }


def _table1_kind(operator: ExplainedOperator) -> str:
    if operator.kind == "depthwise":
        return "depthwise"
    if operator.kind == "convolution":
        return "vanilla"
    return "pointwise" if operator.madds else "other"


def _title(explanation: Explanation) -> str:
    return f"{explanation.model} on {explanation.device}, {explanation.precision}"


def _whole_cost(explanation: Explanation) -> str:
    if explanation.median_ms is not None:
        return f": {explanation.median_ms:.3g} ms"
    insn = OperatorGroup("", explanation.operators).insn
    return "" if insn is None else f": {insn / 1e6:,.1f} M instructions"


def _kinds(explanation: Explanation) -> str:
    """Return what the costliest kinds take, beside their share of the multiply-adds."""
    whole = Whole.of(explanation)
    if not whole.cost:
        return ""
    told = []
    for part in by_kind(explanation.operators)[:_NAMED_KINDS]:
        share = f"{part.name} {whole.share_percent(part):.0f} %"
        beside = whole.madds_percent(part)
        told.append(share + (f" ({beside:.0f} % of the multiply-adds)" if part.madds else ""))
    what = "time" if explanation.median_ms is not None else "instructions"
    return f"Of the {what}: {', '.join(told)}"
