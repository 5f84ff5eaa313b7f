"""What a user says of a model's inputs: ``[NAME=]SHAPE[:DTYPE[:LOW..HIGH]]``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from math import prod

from asymm_deploy.errors import UsageError

# 8 GiB of fp32. More is surely a typing error, and would exhaust the machine's memory.
_MOST_ELEMENTS = 2**31
_MOST_AXES = 32
"""As many as an array has in numpy 1; numpy 2 has 64."""

_INTEGERS: dict[str, tuple[int, int]] = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_LARGEST_FLOAT = {  # IEEE 754 binary16, binary32 and binary64
    "float16": 65504.0,
    "float32": (2 - 2**-23) * 2.0**127,
    "float64": (2 - 2**-52) * 2.0**1023,
}
INPUT_TYPES = (*_LARGEST_FLOAT, "bool", *_INTEGERS)
"""The types that an input may have, as numpy names them."""

_OTHER_NAMES = {  # of other languages and libraries
    other: name
    for name, others in {
        "float16": "half fp16 f16",
        "float32": "float single fp32 f32",
        "float64": "double fp64 f64",
        "bool": "boolean bool_",
        "int8": "char i8",
        "int16": "short i16",
        "int32": "intc i32",
        "int64": "int integer long longlong i64",
        "uint8": "byte ubyte uchar u8 uint",
    }.items()
    for other in others.split()
}
# ASCII digits, and few: int() would take signs and other scripts, and long texts take long.
_SIZE = r"0*[1-9][0-9]{0,18}"
_NUMBER = r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{1,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?"
_NOT_FINITE = r"(?i)[+-]?(?:nan|inf|infinity)"


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

    @property
    def text(self) -> str:
        """What ``parse_input_shapes`` reads as this."""
        name = "" if self.name is None else f"{self.name}="
        dtype = "" if self.dtype is None else f":{self.dtype}"
        bounds = [repr(bound).removesuffix(".0") for bound in self.values or ()]
        values = f":{'..'.join(bounds)}" if bounds else ""
        return f"{name}{shape_text(self.shape)}{dtype}{values}"

    @property
    def values(self) -> tuple[float, float] | None:
        """The range that was given: its least and its largest value."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as ``--input-shape`` takes it: sizes with commas, nothing for a scalar."""
    return ",".join(map(str, shape))


def argument_names(shapes: Sequence[InputShape]) -> list[str]:
    """Return what the inputs of a callable's module are called: as given, or by position."""
    return [
        shape.name or ("input" if len(shapes) == 1 else f"input_{index}")
        for index, shape in enumerate(shapes)
    ]


def parse_input_shapes(texts: Sequence[str]) -> tuple[InputShape, ...]:
    """Return what ``--input-shape`` options say of one model's inputs, in their order.

    Each is ``[NAME=]SHAPE[:DTYPE[:LOW..HIGH]]``, as in ``1,3,224,224``, ``ids=1,128:int64:0..999``
    or ``t=:float32``, a scalar. The last ``=`` ends the name, so that a name may hold any other
    sign. Raises UsageError for sizes that are not positive integers, shapes of more than 2**31
    elements, other types than ``INPUT_TYPES``, ranges that the type can't hold, and a name given
    twice.
    """
    shapes = tuple(_input_shape(text) for text in texts)
    names = [shape.name for shape in shapes if shape.name is not None]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f"the shape of input {shown(name)} is given {names.count(name)} times",
                "give --input-shape once for each input",
            )
    return shapes


def shown(text: str) -> str:
    """Quote what the user typed, cut and escaped so that a terminal can show it."""
    return repr(text) if len(text) <= 100 else f"{text[:100]!r}..."


def _input_shape(text: str) -> InputShape:
    name, equals, rest = text.rpartition("=")
    if equals and (not name or not name.isprintable()):
        raise UsageError(
            f"{shown(text)} has no input name before the '='",
            "give --input-shape name=1,3,224,224, or the numbers alone",
        )
    sizes, *after = (part.strip() for part in rest.split(":"))
    shape = _shape(text, name, sizes, after)
    if len(after) > 2:
        raise UsageError(
            f"{shown(text)} has more than a shape, a type and a range",
            "give --input-shape NAME=SHAPE:TYPE:LOW..HIGH, as in ids=1,128:int64:0..29999",
        )
    if not after:
        return InputShape(name or None, shape)
    dtype = _dtype(text, after[0], f"{name}=" if name else "", sizes)
    if len(after) == 1:
        return InputShape(name or None, shape, dtype)
    return InputShape(name or None, shape, dtype, *_range(text, dtype, after[1]))


def _shape(text: str, name: str, sizes: str, after: Sequence[str]) -> tuple[int, ...]:
    if not sizes and after:
        return ()
    numbers = [size.strip() for size in sizes.split(",")]
    wrong = next((number for number in numbers if not re.fullmatch(_SIZE, number)), None)
    if wrong is not None:
        which = f": {shown(wrong)} is none" if wrong and wrong != text else ""
        raise UsageError(
            f"{shown(text)} is not a shape of positive integers{which}",
            _instead_of(f"{name}=" if name else "", sizes, after),
        )
    shape = tuple(map(int, numbers))
    if reason := too_large(shape):
        raise UsageError(
            f"an input of shape {shown(text)} has {reason}", "give a smaller --input-shape"
        )
    return shape


def _instead_of(name: str, sizes: str, after: Sequence[str]) -> str:
    """Return what to give where ``sizes`` are none, ``after`` which the other parts come."""
    word = sizes[:40]
    if after and all(re.fullmatch(_SIZE, size.strip()) for size in after[0].split(",")):
        if near := _near_type(word, 0.75):
            return f"the type comes after the shape: --input-shape {name}{after[0]}:{near}"
        rest = ":".join(after)
        return (
            f"if {word} is an input's name, give --input-shape {word}={rest}; if it is a model, "
            "name it before the options as well"
        )
    numbers = re.findall(r"[0-9]+", sizes)
    is_written_otherwise = not re.sub(r"[0-9\s()\[\],;x*]", "", sizes)
    if is_written_otherwise and numbers and all(re.fullmatch(_SIZE, size) for size in numbers):
        given = ":".join([",".join(numbers[:_MOST_AXES]), *after])
        return f"give the sizes with commas between them: --input-shape {name}{given}"
    return (
        "give sizes with commas between them, --input-shape 1,3,224,224; a scalar has none, "
        "but a type: --input-shape t=:float32"
    )


def too_large(shape: Sequence[int]) -> str | None:
    """Return what of a shape is more than an input can have, or None if nothing is."""
    if len(shape) > _MOST_AXES:
        return f"{len(shape)} axes, and at most {_MOST_AXES} can be"
    return "more than 2**31 elements" if prod(shape) > _MOST_ELEMENTS else None


def _dtype(text: str, dtype: str, name: str, sizes: str) -> str:
    if dtype in INPUT_TYPES:
        return dtype
    if ".." in dtype:
        raise UsageError(
            f"{shown(text)} has a range, but no type before it",
            f"give the type as well: --input-shape {name}{sizes}:float32:{dtype[:40]}",
        )
    listed = ", ".join(INPUT_TYPES)
    if not dtype:
        raise UsageError(
            f"{shown(text)} has no type after the ':'",
            f"give one of {listed}, or leave out the ':'",
        )
    near = _near_type(dtype)
    raise UsageError(
        f"an input can't have the type {shown(dtype)}",
        f"{f'did you mean {near}? ' if near else ''}The types are {listed}",
    )


def _near_type(word: str, least: float = 0.6) -> str | None:
    """Return the type that ``word`` may mean, with a library's name before it or not."""
    plain = word.lower().rpartition(".")[2]
    others = get_close_matches(plain, _OTHER_NAMES, 1, 0.8)
    if others:
        return _OTHER_NAMES[others[0]]
    return next(iter(get_close_matches(plain, INPUT_TYPES, 1, least)), None)


def _range(text: str, dtype: str, values: str) -> tuple[float, float]:
    if dtype == "bool":
        raise UsageError(
            f"{shown(text)} gives a range to a bool, which is only ever False and True",
            "leave out the range; a mask of integers is mask=1,128:int64:0..1",
        )
    if any(re.fullmatch(_NOT_FINITE, side.strip()) for side in values.split("..")):
        raise UsageError(
            f"{shown(text)} has a bound that is not a finite number",
            "give the least and the largest value that it takes: x=1,3,224,224:float32:-1..1",
        )
    found = re.fullmatch(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*", values)
    if found is None:
        raise UsageError(
            f"{shown(values)} in {shown(text)} is not a range of two numbers",
            "give the least and the largest value with .. between them: ids=1,128:int64:0..29999",
        )
    low, high = (_bound(dtype, number) for number in found.groups())
    if low > high:
        raise UsageError(
            f"the range {shown(values)} begins above its end",
            f"give the least value first: {high!r}..{low!r}",
        )
    return low, high


def _bound(dtype: str, text: str) -> float:
    """Return one end of a range, an int for integer types."""
    integral = dtype in _INTEGERS
    value = Decimal(text) if integral else float(text)
    least, most = _INTEGERS[dtype] if integral else (-_LARGEST_FLOAT[dtype], _LARGEST_FLOAT[dtype])
    if not least <= value <= most:
        raise UsageError(
            f"{dtype} can't hold {shown(text)}: its values go from {least!r} to {most!r}",
            "give a range inside these, or another type",
        )
    if isinstance(value, float):
        return value
    if value != value.to_integral_value():
        raise UsageError(
            f"{shown(text)} is no whole number, and an input of type {dtype} holds nothing else",
            f"give whole numbers, as in ids=1,128:{dtype}:0..100, or a type such as float32",
        )
    return int(value)
