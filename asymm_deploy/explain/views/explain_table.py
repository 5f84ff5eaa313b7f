"""Explanations as tables that people read in a terminal; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.views.explain_rows import Whole
from asymm_deploy.explain.views.operator_groups import (
    By,
    OperatorGroup,
    by_kind,
    by_module,
    by_operator,
)
from asymm_deploy.explain.views.what_to_see import table1_shares, what_to_see
from asymm_deploy.safe import excerpt

_BAR = 8
"""Characters of the bar of the costliest part."""
_WIDEST = 30
"""Characters of a name; the rest of the row is about 80."""
_NO_MODULE = "(in no module)"


def explain_table(explanation: Explanation, by: By, depth: int) -> str:
    """Return a sentence on what to see, and below it a row a part and one with the sums."""
    lines = [excerpt(what_to_see(explanation), 600)]
    if explanation.operators:
        lines += ["", _rows(explanation, by, depth)]
        if by == "kind" and any(each.madds for each in explanation.operators):
            lines += ["", _table1(explanation)]
    return "\n".join(lines)


def _rows(explanation: Explanation, by: By, depth: int) -> str:
    operators = explanation.operators
    if by == "operator":
        parts = by_operator(operators)
        heads = ["#", "module", "kind", "shape"]
    elif by == "module":
        parts = by_module(operators, depth)
        heads = ["module", "operators"]
    else:
        parts = by_kind(operators)
        heads = ["kind", "operators"]
    whole = Whole.of(explanation)
    everything = OperatorGroup("", operators)
    top = max((part.cost or 0 for part in parts), default=0)
    timed, counted = everything.time_ms is not None, everything.insn is not None
    judged = any(each.own or each.on_layer for each in operators)
    heads += ["MAdds M", *(["ms"] if timed else []), *(["insn M"] if counted else [])]
    heads += [*(["share %", ""] if timed or counted else []), *(["GMAC/s"] if timed else [])]
    heads += ["SNR dB", "own error", ""] if judged else []
    body = [_cells(whole, part, by, top, timed, counted, judged) for part in parts]
    total = _cells(whole, everything, by, 0, timed, counted, judged=False)
    named = ["", "all", "", ""] if by == "operator" else ["all", str(len(operators))]
    total[: len(named)] = named
    total += [""] * (len(heads) - len(total))
    return aligned_rows([heads, *body, total], {"module", "kind", "shape", ""})


def aligned_rows(rows: Sequence[Sequence[str]], texts: Collection[str]) -> str:
    """Return rows, of which the first are heads, in columns; those of ``texts`` to the left."""
    from tabulate import tabulate

    rule = ["-" * max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return tabulate(  # tabulate's own heads would each be two signs wider than they are
        [rows[0], rule, *rows[1:]],
        tablefmt="plain",
        disable_numparse=True,
        colalign=["left" if head in texts else "right" for head in rows[0]],
    )


def _cells(
    whole: Whole, part: OperatorGroup, by: By, top: float, timed: bool, counted: bool, judged: bool
) -> list[str]:
    """Return the cells of a row, in the order of its heads."""
    if by == "operator" and len(part.operators) == 1:
        cells = _of_one(part.operators[0])
    elif by == "operator":
        cells = [""] * 4
    else:
        cells = [fitted_name(part.name or _NO_MODULE), str(len(part.operators))]
    cells.append(f"{part.madds / 1e6:.3f}" if part.madds else "")
    if timed:
        cells.append("" if part.time_ms is None else f"{part.time_ms:.3f}")
    if counted:
        cells.append("" if part.insn is None else f"{part.insn / 1e6:.3f}")
    if timed or counted:
        share = whole.share_percent(part)
        bar = round(_BAR * (part.cost or 0) / top) if top else 0
        cells += ["" if share is None else f"{share:.1f}", "#" * bar]
    if timed:
        cells.append("" if part.gmacs is None else f"{part.gmacs:.1f}")
    if judged:
        cells += _errors(part)
    return cells


def _of_one(operator: ExplainedOperator) -> list[str]:
    place = operator.module or operator.node or operator.name
    shape = "x".join(str(size) for size in operator.output_shape)
    return [str(operator.index), fitted_name(place), operator.kind, fitted_name(shape)]


def _errors(part: OperatorGroup) -> list[str]:
    on_layer, worst = part.on_layer, part.worst
    limit = worst.own_limit if worst else None
    return [
        "" if on_layer is None else f"{on_layer.snr_db:.1f}",
        "" if worst is None or worst.own is None else f"{worst.own.over_deviation:.1e}",
        f"> {limit:.0e}" if limit is not None and part.accused else "",
    ]


def fitted_name(name: str) -> str:
    """Return a name with its end, which tells operators apart, and on one line."""
    line = excerpt(name, 400)
    return line if len(line) <= _WIDEST else f"...{line[3 - _WIDEST :]}"


def _table1(explanation: Explanation) -> str:
    """Return the paper's Table 1, by multiply-adds and by what was measured."""
    shares = table1_shares(explanation)
    measured = "time" if explanation.median_ms is not None else "instructions"
    rows = [
        ["multiply-adds %", *_percent([madds for madds, _ in shares.values()])],
        [f"{measured} %", *_percent([cost for _, cost in shares.values()])],
    ]
    return "As in the paper's Table 1:\n" + aligned_rows([["", *shares], *rows], {""})


def _percent(numbers: Sequence[float | None]) -> list[str]:
    return ["" if number is None else f"{number:.1f}" for number in numbers]
