"""Names of networks such as ``asymmnet_large_100_pose``, parsed into NetSpecs. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast, get_args

from asymm_deploy.errors import UsageError
from asymm_deploy.models.families.asymmnet import DEFAULT_RATE, asymmnet_spec, skeleton_spec
from asymm_deploy.models.families.mobilefacenet import mobilefacenet_spec
from asymm_deploy.models.families.mobilenetv1 import mobilenetv1_spec
from asymm_deploy.models.families.mobilenetv2 import mobilenetv2_spec
from asymm_deploy.models.families.resnet import resnet50_v1b_spec
from asymm_deploy.models.spec import NetSpec, OnSkeleton, Scale
from asymm_deploy.models.tapping import for_task
from asymm_deploy.models.tasks import SIDES, Task

_LONGEST_NAME = 64
"""No network needs more characters, and no message should repeat a novel."""
_LEAST_SIMILARITY = 0.4
"""For a suggestion. difflib's default of 0.6 finds typos, but nothing for half a name: ``mbv3``
is 0.44 like ``mbv3_small_100``, ``shufflenet`` 0.52 like ``shuffle_large_100``.
"""

FAMILIES: tuple[OnSkeleton, ...] = get_args(OnSkeleton)
_FIXED = {"mobilefacenet": mobilefacenet_spec, "resnet50_v1b": resnet50_v1b_spec}

# Accepts any text for the numbers, so that a wrong number gets an error message of its own.
_NAME = re.compile(
    rf"(?:(?:(?P<family>{'|'.join(FAMILIES)})_(?P<scale>large|small)|(?P<plain>mobilenetv[12]))"
    rf"_(?P<width>[^_]*)(?:_r(?P<rate>[^_]*))?|(?P<fixed>{'|'.join(_FIXED)}))"
    rf"(?:_(?P<task>{'|'.join(SIDES)}))?"
)

_TABLE5_PERCENTS = (35, 50, 75, 100, 125)

_MBV3_OF = {
    f"{family}_{scale}_{percent:03}": f"mbv3_{scale}_{percent:03}"
    for percent in _TABLE5_PERCENTS
    for scale in ("large", "small")
    for family in ("asymmnet", "pruned")
}

# Names in the row order of the paper's tables.
_BACKBONES = tuple(
    f"{family}_{scale}_100" for scale in ("small", "large") for family in ("asymmnet", "mbv3")
)
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
    7: (*(f"{backbone}_face" for backbone in _BACKBONES), "mobilefacenet"),
    8: (*(f"{backbone}_action" for backbone in _BACKBONES), "resnet50_v1b_action"),
    9: tuple(f"{backbone}_pose" for backbone in _BACKBONES),
    10: (*(f"{backbone}_yolo3" for backbone in _BACKBONES), "mobilenetv1_100_yolo3"),
}

# fmt: off
BLOCKS: tuple[OnSkeleton, ...] = (
    "bottleneck", "mbv3", "sandglass", "shuffle", "ghost", "asymmnet", "pruned",
)
# fmt: on
"""The blocks of Figure 1, (a) to (f), and of Figure 2(b)."""

# Names in the order of the paper's figures: one skeleton with each block.
FIGURES: dict[int, tuple[str, ...]] = {
    1: tuple(f"{block}_{scale}_100" for scale in ("large", "small") for block in BLOCKS)
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the paper, by its number."""

    number: int


def listed_models(which: int | Figure) -> tuple[str, ...]:
    """Return the networks of a table (by number) or figure of the paper, in its order.

    Raises UsageError if it lists none of our networks.
    """
    if isinstance(which, Figure):
        return figure_models(which.number)
    return table_models(which)


def table_models(number: int) -> tuple[str, ...]:
    """Return the networks of the paper's table ``number``; raise UsageError if we have none."""
    if number not in TABLES:
        raise UsageError(
            f"no networks for Table {number}", f"tables: {', '.join(map(str, TABLES))}"
        )
    return TABLES[number]


def figure_models(number: int) -> tuple[str, ...]:
    """Return the networks of the paper's figure ``number``; raise UsageError if we have none."""
    if number not in FIGURES:
        raise UsageError(
            f"no networks for Figure {number}", f"figures: {', '.join(map(str, FIGURES))}"
        )
    return FIGURES[number]


def mbv3_of(model: str) -> str | None:
    """Return the network that Table 5 compares ``model`` with: MBV3 of its scale and multiplier.

    None if it is itself an MBV3, or not in Table 5.
    """
    return _MBV3_OF.get(model)


def known() -> tuple[str, ...]:
    """Return the name of every network of the paper; other widths, rates and tasks build too."""
    tables = (name for number in (5, 6, 1, 7, 8, 9, 10) for name in TABLES[number])
    return tuple(dict.fromkeys((*tables, *FIGURES[1])))


def parse(name: str) -> NetSpec:
    """Return the network called ``name``; ``parse(name).name`` is its canonical spelling.

    The grammar is ``{block}_{large|small}_{width x 100}[_r{rate}][_{task}]`` with the blocks of
    ``FAMILIES``, ``{mobilenetv1|mobilenetv2}_{width x 100}[_{task}]``, ``mobilefacenet``, or
    ``resnet50_v1b[_{task}]``. The width has three digits or more, the rate (asymmnet only) is 1
    unless given, and the task is face, action, pose or yolo3; without one it is a classifier of
    ImageNet's 1000 classes. Raises UsageError, with the nearest names, for anything else.
    """
    match = _NAME.fullmatch(name) if len(name) <= _LONGEST_NAME else None
    if match is None:
        raise _unknown(name)
    backbone = _FIXED[match["fixed"]]() if match["fixed"] else _classifier(name, match)
    return for_task(backbone, cast(Task, match["task"])) if match["task"] else backbone


def _classifier(name: str, match: re.Match[str]) -> NetSpec:
    percent = _percent(name, match["width"])
    if match["rate"] is not None and match["family"] != "asymmnet":
        network = match["family"] or match["plain"]
        raise UsageError(
            f"{network} has no asymmetry rate, but {name!r} gives one",
            f"use {name.replace('_r' + match['rate'], '', 1)}, or asymmnet with that rate",
        )
    if match["plain"]:
        return (mobilenetv1_spec if match["plain"] == "mobilenetv1" else mobilenetv2_spec)(percent)
    scale = cast(Scale, match["scale"])
    if match["family"] == "asymmnet":
        return asymmnet_spec(scale, percent, _rate(name, match["rate"]))
    return skeleton_spec(cast(OnSkeleton, match["family"]), scale, percent)


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
            f"asymmetry rate {text!r} in {name!r} is not a whole number, 0 or more",
            "give _r0, _r2, ...; the default rate is 1",
        )
    return int(text)


def _is_number(text: str) -> bool:
    """Accept ASCII digits only: int() would take signs, blanks, underscores and other scripts."""
    return text.isascii() and text.isdigit()


def _unknown(name: str) -> UsageError:
    shown = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    # Cut to length because a long tail makes a name unlike all others; case doesn't matter.
    compared = name.lower()[: max(map(len, known()))]
    nearest = get_close_matches(compared, known(), n=3, cutoff=_LEAST_SIMILARITY)
    hint = (
        f"did you mean {' or '.join(nearest)}?"
        if nearest
        else "`asymm-deploy models` lists the names"
    )
    return UsageError(f"unknown model {shown!r}", hint)
