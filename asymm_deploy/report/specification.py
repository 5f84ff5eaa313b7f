"""Tables 3 and 4: the networks row by row as they were built, beside what the paper prints."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from asymm_deploy.models import names
from asymm_deploy.report.network_rows import built_rows
from asymm_deploy.report.report_table import Cell, Column, ReportTable
from asymm_deploy.report.side_by_side import with_printed

_COMPARED = ["input", "operator", "kernel", "expanded", "out", "stride"]

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


def table3() -> ReportTable:
    """Return AsymmNet-Large row by row; imports torch to build it."""
    return _specification(3)


def table4() -> ReportTable:
    """Return AsymmNet-Small row by row; imports torch to build it."""
    return _specification(4)


def _specification(number: int) -> ReportTable:
    (model,) = names.table_models(number)
    # As objects: a missing kernel must not turn the others into floats.
    built = pd.DataFrame(map(asdict, built_rows(model)), dtype=object)
    frame = with_printed(built, number, ["row"])
    printed = frame[[f"paper_{name}" for name in _COMPARED]].set_axis(_COMPARED, axis="columns")
    differs = built[_COMPARED].map(_text) != printed
    frame["differs"] = [" ".join(differs.columns[line]) for line in differs.to_numpy()]
    notes = [
        f"{model} has {built['madds'].sum():,} MAdds and {built['params'].sum():,} params in all.",
        "k is the kernel, p the expanded channels, c the output's, s the stride.",
        "The classifier is a linear layer, which the paper writes as the 1x1 convolution it is.",
    ]
    if differs.to_numpy().any():
        notes.append(_HEAD_NOTE)
    return ReportTable.of(f"Table {number}", COLUMNS, frame, footnotes=notes)


def _text(value: Cell) -> str:
    return "" if value is None else str(value)
