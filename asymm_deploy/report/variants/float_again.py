"""What of an int8 file is not computed in 8 bits, and what that costs; pure."""

from __future__ import annotations

from collections.abc import Sequence

from asymm_deploy.explain.explanation import ExplainedOperator, Kind
from asymm_deploy.explain.views.operator_groups import OperatorGroup

_CONVERSIONS = ("FloatToInt8", "Int8ToFloat")
_NAMED: tuple[tuple[Kind, str, str], ...] = (
    ("concat copy", "concat", "concats"),
    ("activation", "activation", "activations"),
    ("squeeze-excite", "squeeze-excite", "squeeze-excites"),
    ("elementwise", "elementwise operator", "elementwise operators"),
    ("pooling", "pooling", "poolings"),
    ("pointwise", "pointwise convolution", "pointwise convolutions"),
    ("depthwise", "depthwise convolution", "depthwise convolutions"),
    ("convolution", "convolution", "convolutions"),
    ("fully connected", "fully connected layer", "fully connected layers"),
)
_MOST_NAMED = 3


def float_again(operators: Sequence[ExplainedOperator]) -> str | None:
    """Return in words what an int8 file spends on what is float; None where nobody knows.

    That is of the operators whose result is a float, and of the conversions to and from 8 bits.
    """
    if not any(each.in_8_bits for each in operators):
        return None
    whole = OperatorGroup("", tuple(operators))
    cost = whole.cost
    if not cost:
        return None
    conversions = [each for each in operators if each.type in _CONVERSIONS]
    floats = [x for x in operators if not x.in_8_bits and x.type not in _CONVERSIONS]
    of = "instructions are" if whole.time_ms is None else "time is"
    if not floats and not conversions:
        return f"all of its {of} in 8 bits"
    spent = _share(floats, cost), _share(conversions, cost)
    around = _around(floats)
    text = f"{sum(spent):.0f} % of its {of} float again"
    text += f" around {around}" if around else ""
    count = len(conversions)
    if count:
        text += f" ({spent[1]:.0f} % is {count} conversion{'s' if count > 1 else ''})"
    return text


def _share(operators: Sequence[ExplainedOperator], whole: float) -> float:
    group = OperatorGroup("", tuple(operators))
    return 100 * (group.cost or 0.0) / whole


def _around(floats: Sequence[ExplainedOperator]) -> str:
    """Return the kinds that cost most, each with how many there are: ``15 concats``.

    Several operators of one node are one, and so are those of one squeeze-excite.
    """
    found = []
    for kind, one, several in _NAMED:
        own = [each for each in floats if each.kind == kind]
        if own:
            number = len({_counted_as(each) for each in own})
            cost = OperatorGroup("", tuple(own)).cost or 0.0
            found.append((cost, f"{number} {one if number == 1 else several}"))
    texts = [text for _, text in sorted(found, key=lambda each: -each[0])[:_MOST_NAMED]]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if texts[1:] else texts)


def _counted_as(operator: ExplainedOperator) -> str:
    if operator.kind == "squeeze-excite" and operator.module:
        names = operator.module.split(".")
        return ".".join(names[: names.index("se") + 1] if "se" in names else names[:-1] or names)
    return operator.node or operator.name
