"""What a user says of a model's inputs: ``[NAME=]SHAPE[:DTYPE[:LOW..HIGH]]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from asymm_deploy.errors import UsageError

# 8 GiB of fp32. More is surely a typing error, and would exhaust the machine's memory.
_MOST_ELEMENTS = 2**31


@dataclass(frozen=True, slots=True)
class InputShape:
    """The shape of one input, and what is known of its values."""

    name: str | None
    """The input's name; None if it goes by position."""
    shape: tuple[int, ...]
    """In elements by axis; empty for a scalar."""
    dtype: str | None = None
    """As numpy names it; None if it wasn't given."""
    low: float | None = None
    """Least value that the input takes, an int for integer types; None if no range was given."""
    high: float | None = None
    """Largest value that the input takes; None if no range was given."""


def parse_input_shapes(texts: Sequence[str]) -> tuple[InputShape, ...]:
    """Return the shapes that ``--input-shape`` options give, in their order.

    Each is ``1,3,224,224`` or ``name=1,3,224,224``. Raises UsageError for sizes that are not
    positive integers, shapes of more than 2**31 elements, and a name given twice.
    """
    shapes = tuple(_input_shape(text) for text in texts)
    names = [shape.name for shape in shapes if shape.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"the shape of input {name!r} is given {names.count(name)} times",
                "give --input-shape once for each input",
            )
    return shapes


def _input_shape(text: str) -> InputShape:
    name, equals, sizes = text.rpartition("=")
    if equals and (not name or not name.isprintable()):
        raise UsageError(
            f"{_shown(text)} has no input name before the '='",
            "give --input-shape name=1,3,224,224, or the numbers alone",
        )
    numbers = [size.strip() for size in sizes.split(",")]
    # ASCII digits, and few: int() would take signs and other scripts, and long texts take long.
    if not all(re.fullmatch(r"0*[1-9][0-9]{0,18}", number) for number in numbers):
        raise UsageError(
            f"{_shown(text)} is not a shape of positive integers",
            "give sizes with commas between them: --input-shape 1,3,224,224",
        )
    shape = tuple(map(int, numbers))
    if prod(shape) > _MOST_ELEMENTS:
        raise UsageError(
            f"an input of shape {_shown(text)} has more than 2**31 elements",
            "give a smaller --input-shape",
        )
    return InputShape(name or None, shape)


def _shown(text: str) -> str:
    """Quote what the user typed, cut and escaped so that a terminal can show it."""
    return repr(text) if len(text) <= 100 else f"{text[:100]!r}..."
