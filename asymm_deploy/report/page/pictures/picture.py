"""A picture: what it shows, its specification in Vega-Lite, and the table behind it.

Marks and rows that stand for one thing have one ``key``; picking either marks both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from asymm_deploy.report.report_table import ReportTable
from asymm_deploy.safe import one_line

if TYPE_CHECKING:
    import altair as alt

Datum: TypeAlias = Mapping[str, str | int | float | bool | None]
Spec: TypeAlias = dict[str, Any]

KEY = "key"
"""The field of a datum that names its row."""
_PLAIN = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
_CONFIG = {
    "font": "system-ui, sans-serif",
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {**_PLAIN, "labelLimit": 260, "titlePadding": 8},
    "legend": {**_PLAIN, "orient": "top", "title": None, "labelLimit": 220, "symbolSize": 90},
    "aria": False,  # the picture's own words are read out, and its table, not 300 symbols
}
WIDE = 900
"""Pixels of a picture outside of a page."""

GREY = "#8a8f98"
NETWORK_COLOURS = ("#3b82d6", "#d97706", "#2f9e6e", "#a667c9", "#d6498b", "#8a8f98", "#9a6b4f")
"""Each is told from both a white and a black ground."""

_NETWORKS = {"asymmnet": "AsymmNet", "pruned": "Pruned", "mbv3": "MBV3"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several data that a picture can show: one model of several."""

    label: str
    sentence: str
    title: str
    """Of its table."""
    data: tuple[Datum, ...]
    """A datum for each row of the table; its fields are the table's columns, and more."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a tab."""

    name: str
    """A word for files and addresses: ``launches``."""
    title: str
    sentence: str
    """What to see in it, from the data."""
    spec: Spec
    """Vega-Lite, with its data."""
    table: ReportTable
    keys: tuple[str, ...] = ()
    """Of the table's rows."""
    choices: tuple[Choice, ...] = ()
    """If not empty, ``spec`` has one data set without data, and ``table`` no rows: both are one of
    these, as whoever looks chooses."""
    notes: tuple[str, ...] = field(default=())
    """What else a reader must know, a sentence each."""


def spec_of(chart: alt.TopLevelMixin, spoken: str) -> Spec:
    """Return a chart's specification; ``spoken`` says in words what it shows.

    Raises altair's SchemaValidationError if it is none.
    """
    spec: Spec = chart.to_dict()
    spec.pop("$schema", None)
    spec["config"] = _CONFIG
    spec["description"] = one_line(spoken)
    return spec


def filled(spec: Spec, data: Sequence[Datum]) -> Spec:
    """Return a specification with one data set without data, with these in it."""
    return {**spec, "data": {**spec["data"], "values": plain(data)}}


def short_number(value: float | None) -> float | None:
    """Return a number with the digits that anybody can see, so that pages stay small."""
    return None if value is None else float(f"{value:.5g}")


def plain(data: Sequence[Datum]) -> list[dict[str, Any]]:
    """Return data as altair takes them; numbers that are not finite become null, as in JSON."""
    found: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(data))
    return found


def network_name(network: str | None) -> str:
    """Return what pictures call a network's family: as the paper does, where that has it."""
    return _NETWORKS.get(network or "", one_line(network or "other"))


def joined(names: Sequence[str]) -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
