"""What is known of each operator, as data that the pictures by layer share."""

from __future__ import annotations

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.report.page.pictures.picture import Datum, short_number
from asymm_deploy.report.report_table import Column
from asymm_deploy.safe import one_line

_MILLION = 1e6
CHOSEN = "chosen"
"""The name of the data set that a choice fills."""
PLACE_COLUMNS = (
    Column("index", "no.", is_key=True),
    Column("module", "module", "text", is_key=True),
    Column("kind", "kind", "text"),
)


def operator_key(operator: ExplainedOperator) -> str:
    """Return what names an operator within a tab: it is no model's name."""
    return f"#{operator.index}"


def operator_amount(operator: ExplainedOperator) -> float | None:
    """Return its milliseconds, or its millions of instructions; None if it has neither."""
    if operator.time_ms is not None:
        return operator.time_ms
    return None if operator.insn is None else operator.insn / _MILLION


def operator_place(operator: ExplainedOperator) -> str:
    """Return where it stands: its module, or else the ONNX node, or MNN's name of it."""
    return one_line(operator.module or operator.node or operator.name)


def total_amount(explained: Explanation) -> float:
    """Return the sum of all operators' `operator_amount`."""
    return sum(operator_amount(operator) or 0 for operator in explained.operators)


def _intensity(operator: ExplainedOperator) -> float | None:
    if not operator.bytes_moved or not operator.madds:
        return None
    return operator.madds / operator.bytes_moved


def operator_data(explained: Explanation) -> list[Datum]:
    """Return a datum for each operator, with all that either picture shows."""
    total = total_amount(explained)
    data: list[Datum] = []
    for operator in explained.operators:
        amount, ms = operator_amount(operator), operator.time_ms
        gmacs = operator.madds / ms / _MILLION if ms and operator.madds else None
        peak = 100 * gmacs / explained.peak_gmacs if gmacs and explained.peak_gmacs else None
        own, on_layer, limit = operator.own, operator.on_layer, operator.own_limit
        data.append(
            {
                "key": operator_key(operator),
                "index": operator.index,
                "module": operator_place(operator),
                "kind": operator.kind,
                "type": one_line(operator.type),
                "shape": "x".join(map(str, operator.output_shape)),
                "madds_m": short_number(operator.madds / _MILLION) or None,
                "amount": short_number(amount),
                "share": short_number(100 * amount / total if amount and total else amount),
                "gmacs": short_number(gmacs),
                "moved": short_number(operator.bytes_moved / _MILLION),
                "intensity": short_number(_intensity(operator)),
                "percent": short_number(peak),
                "snr": None if on_layer is None else short_number(on_layer.snr_db),
                "over": None if on_layer is None else f"{on_layer.over_deviation:.2g}",
                "own_snr": None if own is None else short_number(own.snr_db),
                "own_over": None if own is None else f"{own.over_deviation:.2g}",
                "limit": None if limit is None else _limit_text(limit, operator.limit_reason),
                "accused": "yes" if operator.accused else "",
                "unjudged": operator.unjudged and one_line(operator.unjudged),
            }
        )
    return data


def _limit_text(limit: float, reason: str | None) -> str:
    return f"{limit:.2g}" if reason is None else f"{limit:.2g}: {one_line(reason)}"
