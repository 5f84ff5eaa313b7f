"""Names of networks: ``asymmnet_large_100`` and its like, from text to NetSpec, without torch."""

from __future__ import annotations

import re
from typing import cast

from rapidfuzz import process

from asymm_deploy.errors import UsageError
from asymm_deploy.models.asymmnet import DEFAULT_RATE, asymmnet_spec, mbv3_spec, pruned_spec
from asymm_deploy.models.mobilenetv1 import mobilenetv1_spec
from asymm_deploy.models.mobilenetv2 import mobilenetv2_spec
from asymm_deploy.models.spec import NetSpec, Scale

_LONGEST_NAME = 64  # no network needs more, and no message should repeat a novel

# Loose in the numbers, so that a wrong one gets an answer of its own.
_NAME = re.compile(
    r"(?:(?P<family>asymmnet|pruned|mbv3)_(?P<scale>large|small)|(?P<plain>mobilenetv[12]))"
    r"_(?P<width>[^_]*)(?:_r(?P<rate>[^_]*))?"
)

_TABLE5_PERCENTS = (35, 50, 75, 100, 125)

# Names in the row order of the paper's tables.
TABLES: dict[int, tuple[str, ...]] = {
    1: ("mobilenetv1_100", "mobilenetv2_100", "mbv3_large_100"),
    3: ("asymmnet_large_100",),
    4: ("asymmnet_small_100",),
    5: tuple(
        f"{family}_{scale}_{percent:03}"
        for percent in _TABLE5_PERCENTS
        for scale in ("large", "small")
        for family in ("asymmnet", "pruned", "mbv3")
    ),
    6: tuple(
        f"asymmnet_{scale}_100{suffix}"
        for scale in ("large", "small")
        for suffix in ("_r0", "", "_r2")
    ),
}


def table(number: int) -> tuple[str, ...]:
    """Return the networks of the paper's table ``number``, in its row order.

    Raises UsageError for a table whose networks we don't have.
    """
    if number not in TABLES:
        raise UsageError(
            f"no networks for Table {number}", f"tables: {', '.join(map(str, TABLES))}"
        )
    return TABLES[number]


def known() -> tuple[str, ...]:
    """Return every network of the paper's tables once; other widths and rates build as well."""
    return tuple(dict.fromkeys(name for number in (5, 6, 1) for name in TABLES[number]))


def parse(name: str) -> NetSpec:
    """Return the network called ``name``; ``parse(name).name`` is its canonical spelling.

    The grammar is ``{asymmnet|pruned|mbv3}_{large|small}_{width x 100}[_r{rate}]``, or
    ``{mobilenetv1|mobilenetv2}_{width x 100}``; the width has three digits or more, and the
    rate (asymmnet only) is 1 unless given. Raises UsageError, with the nearest names, for
    anything else.
    """
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if match is None:
        raise _unknown(name)
    percent = _percent(name, match["width"])
    if match["rate"] is not None and match["family"] != "asymmnet":
        network = match["family"] or match["plain"]
        raise UsageError(
            f"{network} has no asymmetry rate, but {name!r} gives one",
            f"use {name.removesuffix('_r' + match['rate'])}, or asymmnet with that rate",
        )
    if match["plain"]:
        return (mobilenetv1_spec if match["plain"] == "mobilenetv1" else mobilenetv2_spec)(percent)
    scale = cast(Scale, match["scale"])
    if match["family"] == "asymmnet":
        return asymmnet_spec(scale, percent, _rate(name, match["rate"]))
    return (pruned_spec if match["family"] == "pruned" else mbv3_spec)(scale, percent)


def _percent(name: str, text: str) -> int:
    if not _is_number(text) or len(text) < 3:
        raise UsageError(
            f"width {text!r} in {name!r} is not three or more digits",
            "give the width multiplier times 100: 035 for 0.35, 100 for 1.0",
        )
    if int(text) == 0:
        raise UsageError(f"the width in {name!r} is 0", "give a positive width: 035 for 0.35")
    return int(text)


def _rate(name: str, text: str | None) -> int:
    if text is None:
        return DEFAULT_RATE
    if not _is_number(text):
        raise UsageError(
            f"asymmetry rate {text!r} in {name!r} is not a whole number of 0 or more",
            "give _r0, _r2, ...; without it the rate is 1",
        )
    return int(text)


def _is_number(text: str) -> bool:
    """Accept ASCII digits only: int() would take a sign, blanks, underscores and other scripts."""
    return text.isascii() and text.isdigit()


def _unknown(name: str) -> UsageError:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    nearest = process.extract(shown, known(), limit=3, score_cutoff=60)
    hint = (
        f"did you mean {' or '.join(match for match, _, _ in nearest)}?"
        if nearest
        else "`asymm-deploy models` lists the names"
    )
    return UsageError(f"unknown model {shown!r}", hint)
