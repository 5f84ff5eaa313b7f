"""Tables 3 and 4: the networks row by row as they were built, beside what the paper prints."""

from __future__ import annotations

from asymm_deploy.models import names
from asymm_deploy.report import paper
from asymm_deploy.report.built import BuiltRow, built_rows
from asymm_deploy.report.table import Cell, Column, Table

_COMPARED = ("input", "operator", "kernel", "expanded", "out", "stride")

COLUMNS = (
    Column("row", "row", is_key=True),
    Column("input", "input", "text"),
    Column("operator", "operator", "text"),
    Column("kernel", "k"),
    Column("expanded", "p"),
    Column("out", "c"),
    Column("stride", "s"),
    Column("madds", "MAdds"),
    Column("params", "params"),
    Column("paper_input", "paper input", "text"),
    Column("paper_operator", "paper operator", "text"),
    Column("paper_kernel", "paper k"),
    Column("paper_expanded", "paper p"),
    Column("paper_out", "paper c"),
    Column("paper_stride", "paper s"),
    Column("differs", "differs", "text"),
)

_HEAD_NOTE = (
    "Table 4 prints 1024 channels for the convolution after pooling; the MAdds and params that "
    "the paper publishes for this network only come out with 1280."
)


def table3() -> Table:
    """Return AsymmNet-Large row by row; imports torch to build it."""
    return _specification(3)


def table4() -> Table:
    """Return AsymmNet-Small row by row; imports torch to build it."""
    return _specification(4)


def _specification(number: int) -> Table:
    (model,) = names.table(number)
    built = built_rows(model)
    cells: list[tuple[Cell, ...]] = []
    for ours, p in zip(built, paper.table(number), strict=True):
        values: dict[str, Cell] = {name: getattr(ours, name) for name in _COMPARED}
        cells.append(
            (
                p["row"],
                *values.values(),
                ours.madds,
                ours.params,
                *(p[name] for name in _COMPARED),
                " ".join(name for name in _COMPARED if _text(values[name]) != p[name]),
            )
        )
    notes = [
        f"{model} has {_sum(built, 'madds'):,} MAdds and {_sum(built, 'params'):,} params in all.",
        "k is the kernel, p the expanded channels, c the output's, s the stride.",
        "The classifier is a linear layer, which the paper writes as the 1x1 convolution it is.",
    ]
    if any(row[-1] for row in cells):
        notes.append(_HEAD_NOTE)
    return Table(f"Table {number}", COLUMNS, tuple(cells), footnotes=tuple(notes))


def _sum(rows: list[BuiltRow], name: str) -> int:
    return sum(getattr(row, name) for row in rows)


def _text(value: Cell) -> str:
    return "" if value is None else str(value)
