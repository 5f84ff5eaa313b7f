"""The values that one input may take, and values of different kinds within them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from asymm_deploy.engines.tensors import Array, TensorSpec

Origin: TypeAlias = Literal["samples", "range", "type", "tried"]
"""``--inputs``; the range of ``--input-shape``; the type; found by trying."""

INT32_LOW, INT32_HIGH = -(2**31), 2**31 - 1
_SMALL = 100
"""Integers up to this size are what most models count, index and mask with."""
_FEW = 9
_WRAPS = 2**32
_END = 8
"""How near to an end of the domain a probe of extreme values stays."""


@dataclass(frozen=True, slots=True)
class Domain:
    """The least and the largest value that an input takes, both included."""

    low: float
    high: float
    origin: Origin

    @property
    def beyond_int32(self) -> bool:
        """Whether it holds integers that 32 bits can't."""
        return domain_exceeds_int32(self.low, self.high)


def domain_of_type(dtype: str) -> Domain | None:
    """Return all that an integer of at most 16 bits, or a boolean, can be; None for others."""
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return Domain(0, 1, "type")
    if kind.kind in "iu" and kind.itemsize <= 2:
        limits = np.iinfo(kind)
        return Domain(int(limits.min), int(limits.max), "type")
    return None


def integers(kind: str, spec: TensorSpec, domain: Domain, rng: np.random.Generator) -> Array:
    """Return integers or booleans of ``domain``: values of the ``kind`` that a probe is made of.

    The kinds are those of ``parity_probes``, read for integers: small ones, of both signs, one
    value everywhere, rising ones, anything, mostly one value, and those at either end.
    """
    low, high = int(domain.low), int(domain.high)
    least = min(max(low, 0), high)  # the least that isn't negative, if there is one
    if kind == "smooth":
        count = int(np.prod(spec.shape, dtype=np.int64))
        rising = np.arange(count, dtype=object).reshape(spec.shape)
        return np.asarray(least + rising % (high - least + 1)).astype(spec.dtype)
    if kind == "sparse":
        values = np.where(rng.random(spec.shape) < 0.02, _in_32_bits(low, high)[1], least)
        return np.asarray(values).astype(spec.dtype)
    if kind == "large":
        return _at_the_ends(spec, *_in_32_bits(low, high), rng)
    made = _between(rng, *_span(kind, low, high, least), spec.shape).astype(spec.dtype)
    if kind == "beyond 32 bits" and low <= _WRAPS and high >= _WRAPS + _SMALL:
        made = _wrapping(made, high, rng)
    return made


def _wrapping(made: Array, high: int, rng: np.random.Generator) -> Array:
    """Return ``made`` with two thirds of it numbers that 32 bits take for small ones."""
    turns = _WRAPS * _between(rng, 1, (high - _SMALL) // _WRAPS, made.shape)
    small = np.where(
        rng.random(made.shape) < 0.5,
        _between(rng, 0, _FEW, made.shape),
        _between(rng, 0, _SMALL, made.shape),
    )
    wrapping = np.asarray(turns + small).astype(made.dtype)
    return np.where(rng.random(made.shape) < 1 / 3, made, wrapping)


def _span(kind: str, low: int, high: int, least: int) -> tuple[int, int]:
    """Return the least and the largest integer of a probe of this kind."""
    small = max(min(high, _SMALL), low)
    below_zero = -1 if low < 0 <= high else low
    few = (least, min(high, least + 1))
    beyond = few
    if domain_exceeds_int32(low, high):
        beyond = (
            (max(low, INT32_HIGH + 1), high)
            if high > INT32_HIGH
            else (low, min(high, INT32_LOW - 1))
        )
    return {
        # What takes every integer is no index; most such inputs are masks and flags.
        "uniform": few if high >= INT32_HIGH else (least, high),
        "normal": (min(max(low, -_SMALL), high), small),
        "positive": (least, max(small, least)),
        "constant": (small, small),
        "negative constant": (below_zero, below_zero),
        "mosaic": _in_32_bits(low, high),
        "beyond 32 bits": beyond,
    }.get(kind, few)


def _in_32_bits(low: int, high: int) -> tuple[int, int]:
    """Return the part of the domain that 32 bits can hold, or all of it if they hold none."""
    if low > INT32_HIGH or high < INT32_LOW:
        return low, high
    return max(low, INT32_LOW), min(high, INT32_HIGH)


def domain_exceeds_int32(low: float, high: float) -> bool:
    """Return whether 32 bits can't hold one of the two."""
    return high > INT32_HIGH or low < INT32_LOW


def _at_the_ends(spec: TensorSpec, low: int, high: int, rng: np.random.Generator) -> Array:
    """Return integers near ``high``; near ``low`` too, in about half of the places, if negative."""
    values = _between(rng, max(high - _END, low), high, spec.shape)
    if low < 0:
        other = _between(rng, low, min(low + _END, high), spec.shape)
        values = np.where(rng.random(spec.shape) < 0.5, values, other)
    return np.asarray(values).astype(spec.dtype)


def floats(kind: str, spec: TensorSpec, domain: Domain, plain: Array) -> Array:
    """Return numbers of ``domain`` with the statistics of ``plain``, which fills -1..1 or more.

    ``plain`` is what a probe of this ``kind`` holds where the values may be anything.
    """
    middle, half = (domain.low + domain.high) / 2, (domain.high - domain.low) / 2
    wide = np.asarray(plain, np.float64)
    if kind in ("normal", "mosaic"):
        wide = wide / 2.5
    elif kind in ("smooth", "small"):
        wide = wide / 1.5
    elif kind == "positive":
        wide = 2.0 * wide - 1.0
    elif kind == "large":
        wide = np.where(wide > 0, 1.0, -1.0)
    elif kind == "sparse":
        background = min(max(0.0, domain.low), domain.high)
        values = np.where(wide == 0.0, background, domain.high)
        return np.asarray(values).astype(spec.dtype)
    values = np.clip(middle + half * np.clip(wide, -1.0, 1.0), domain.low, domain.high)
    return np.asarray(values).astype(spec.dtype)


def _between(rng: np.random.Generator, low: int, high: int, size: tuple[int, ...]) -> Array:
    """Return integers from ``low`` to ``high``, both included, of a type that holds them."""
    kind = np.uint64 if high > np.iinfo(np.int64).max else np.int64
    return np.asarray(rng.integers(low, high, size=size, endpoint=True, dtype=kind))
