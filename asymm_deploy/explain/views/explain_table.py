"""Explanations as tables that people read in a terminal; pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from asymm_deploy.explain.explanation import Explanation
from asymm_deploy.explain.views.explain_rows import Whole
from asymm_deploy.explain.views.operator_groups import (
    By,
    OperatorGroup,
    grouped,
)
from asymm_deploy.explain.views.what_to_see import table1_shares, what_to_see
from asymm_deploy.safe import excerpt, no_command

_BAR = 8
"""Characters of the bar of the costliest part."""
_LARGE = 0.1
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
    return "\n".join(no_command(line) for line in "\n".join(lines).split("\n"))


@dataclass(frozen=True, slots=True)
class _Column:
    head: str
    cell: Callable[[OperatorGroup], str]
    is_text: bool = False
    is_summed: bool = True
    """Whether it says something of all operators together."""


def _rows(explanation: Explanation, by: By, depth: int) -> str:
    operators = explanation.operators
    groups = grouped(operators, by, depth)
    columns = [*_names(by), *_figures(Whole.of(explanation), groups)]
    if any(each.own or each.on_layer for each in operators):
        columns += _ERRORS
    everything = OperatorGroup("all", operators)
    rows = [[column.cell(group) for column in columns] for group in groups]
    total = [column.cell(everything) if column.is_summed else "" for column in columns]
    total[1 if by == "operator" else 0] = everything.name
    texts = {column.head for column in columns if column.is_text}
    return aligned_rows([[column.head for column in columns], *rows, total], texts)


def _names(by: By) -> list[_Column]:
    if by == "operator":
        return [
            _Column("#", lambda group: str(group.operators[0].index), is_summed=False),
            _Column("module", _place, is_text=True),
            _Column("kind", lambda group: group.operators[0].kind, is_text=True, is_summed=False),
            _Column("shape", _shape, is_text=True, is_summed=False),
        ]
    return [
        _Column(by, lambda group: fitted_name(group.name or _NO_MODULE), is_text=True),
        _Column("operators", lambda group: str(len(group.operators))),
    ]


def _figures(whole: Whole, groups: Sequence[OperatorGroup]) -> list[_Column]:
    """Return the columns of what is summed up, as far as anything is known of it."""
    timed = any(group.time_ms is not None for group in groups)
    counted = any(group.insn is not None for group in groups)
    top = max((group.cost or 0 for group in groups), default=0)
    digits = digits_for(top if timed else top / 1e6)
    found = [_Column("MAdds M", lambda group: _number(group.madds / 1e6 or None, 3))]
    if timed:
        found.append(_Column("ms", lambda group: _number(group.time_ms, digits)))
    if counted:
        found.append(_Column("insn M", lambda group: _number((group.insn or 0) / 1e6, digits)))
    if timed or counted:
        found += [
            _Column("share %", lambda group: _number(whole.share_percent(group), 1)),
            _Column(
                "",
                lambda group: "#" * round(_BAR * (group.cost or 0) / top) if top else "",
                is_text=True,
                is_summed=False,
            ),
        ]
    if timed:
        found.append(_Column("GMAC/s", lambda group: _number(group.gmacs, 1)))
    return found


def _own_error(group: OperatorGroup) -> str:
    worst = group.worst
    return "" if worst is None or worst.own is None else f"{worst.own.over_deviation:.1e}"


def _limit_if_above(group: OperatorGroup) -> str:
    limit = group.worst.own_limit if group.worst else None
    return f"> {limit:.0e}" if limit is not None and group.accused else ""


_ERRORS = (
    _Column(
        "SNR dB",
        lambda group: _number(group.on_layer.snr_db if group.on_layer else None, 1),
        is_summed=False,
    ),
    _Column("own error", _own_error, is_summed=False),
    _Column("", _limit_if_above, is_text=True, is_summed=False),
)


def digits_for(largest: float) -> int:
    """Return how many digits milliseconds or millions are shown with: more where all are tiny."""
    return 3 if largest >= _LARGE else 6


def _number(number: float | None, digits: int) -> str:
    return "" if number is None else f"{number:.{digits}f}"


def _place(group: OperatorGroup) -> str:
    operator = group.operators[0]
    return fitted_name(operator.module or operator.node or operator.name)


def _shape(group: OperatorGroup) -> str:
    return fitted_name("x".join(str(size) for size in group.operators[0].output_shape))


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


def fitted_name(name: str) -> str:
    """Return a name with its end, which tells operators apart, and on one line."""
    line = excerpt(name, 400)
    return line if len(line) <= _WIDEST else f"...{line[3 - _WIDEST :]}"


def _table1(explanation: Explanation) -> str:
    """Return the paper's Table 1, by multiply-adds and by what was measured."""
    shares = table1_shares(explanation)
    rows = [["multiply-adds %", *_percent([madds for madds, _ in shares.values()])]]
    costs = [cost for _, cost in shares.values()]
    if any(cost is not None for cost in costs):
        measured = "time" if explanation.median_ms is not None else "instructions"
        rows.append([f"{measured} %", *_percent(costs)])
    return "As in the paper's Table 1:\n" + aligned_rows([["", *shares], *rows], {""})


def _percent(numbers: Sequence[float | None]) -> list[str]:
    return ["" if number is None else f"{number:.1f}" for number in numbers]
