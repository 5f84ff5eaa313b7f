"""Which operators lose most in int8, and how many of them to leave in fp32.

Each convolution is put into int8 alone, and the noise that it makes is taken at the model's
outputs: it has passed through all that comes after it, as it will in use. Noises of different
operators add up nearly as powers, so leaving out the loudest is as good as trying combinations.
What is chosen is measured as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, log10
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import ConversionError, NumericsError, UsageError
from asymm_deploy.export.quantize.mixed_file import Int8Convolution, int8_convolutions, write_mixed
from asymm_deploy.export.quantize.pooled_ranges import NO_RANGES, Range

RunFile: TypeAlias = Callable[[Path], Sequence[Sequence[Array]]]
"""An .mnn file -> its outputs, ``[sample][output]``, over the same samples each time."""

MOST_RATIO_DB = 200.0
"""Stands for no noise at all."""


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """What the model loses if one operator alone is computed in int8."""

    operator: str
    """MNN's name, of the fp32 file."""
    sqnr_db: float
    """Power of the model's outputs over that of the noise, the least of all outputs."""


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """What was left in fp32, and what that makes of the outputs."""

    in_fp32: tuple[str, ...]
    """The operators that int8 would have, the most sensitive first."""
    in_int8: tuple[str, ...]
    """In the order of the file."""
    sqnr_db: float
    """Of the outputs, the least of them, over the samples of the choice."""
    int8_db: float
    """The same with all of them in int8."""
    sensitivities: tuple[Sensitivity, ...]
    """Of all of them, the most sensitive first."""


def write_mixture(
    fp32: Path,
    int8: Path,
    into: Path,
    run: RunFile,
    *,
    ranges: Mapping[str, Range] = NO_RANGES,
    in_fp32: int | None = None,
    goal_db: float | None = None,
    on_step: Callable[[int, int], None] = lambda _done, _all: None,
) -> Mixture:
    """Write the file ``fp32`` to ``into``, with what can be in int8 as the file ``int8`` has it.

    Either ``in_fp32`` operators stay in fp32, the most sensitive ones, or as many as it takes for
    ``goal_db`` at every output. ``ranges`` are of what poolings read, as for ``write_mixed``.
    ``on_step`` is called as the operators are measured. Raises
    UsageError if ``in_fp32`` leaves none in int8, NumericsError if the goal does, ConversionError
    where MNN can't write or run a file, where the two files aren't of one model, and where no
    output is a number that can be compared.
    """
    convolutions = int8_convolutions(int8, fp32)
    if not convolutions:
        raise ConversionError(
            f"{int8.name} has no operator in int8", "MNN has convolutions in int8: deploy in fp32"
        )
    if in_fp32 is not None and in_fp32 >= len(convolutions):
        raise UsageError(
            f"with {in_fp32} operators in fp32 none is left in int8: there are {len(convolutions)}",
            "leave fewer in fp32, or deploy the fp32 file",
        )
    bench = _Bench(fp32, into, run, ranges)
    noises: dict[str, float] = {}
    worst: dict[str, float] = {}
    for number, each in enumerate(convolutions, 1):
        ratios = bench.noises([each])
        noises[each.name], worst[each.name] = sum(ratios), max(ratios)
        on_step(number, len(convolutions))
    ranked = sorted(convolutions, key=lambda each: -noises[each.name])

    def ratio_db(left: int) -> float:
        quiet = {each.name for each in ranked[:left]}
        return _decibels(
            max(bench.noises([each for each in convolutions if each.name not in quiet]))
        )

    int8_db = ratio_db(0)
    count = _fewest(ratio_db, len(ranked), goal_db or 0.0) if in_fp32 is None else in_fp32
    if count == len(ranked):
        raise NumericsError(
            f"no mixture has {goal_db:g} dB: with the least sensitive operator alone in int8, "
            f"{ranked[-1].name}, the outputs are {_decibels(worst[ranked[-1].name]):.1f} dB above "
            "their noise",
            f"all in int8 has {int8_db:.1f} dB: ask for something in between",
        )
    sqnr_db = ratio_db(count)  # once more: the file that is to be kept is written last
    kept = {each.name for each in ranked[:count]}
    return Mixture(
        in_fp32=tuple(each.name for each in ranked[:count]),
        in_int8=tuple(each.name for each in convolutions if each.name not in kept),
        sqnr_db=sqnr_db,
        int8_db=int8_db,
        sensitivities=tuple(
            Sensitivity(operator=each.name, sqnr_db=_decibels(worst[each.name])) for each in ranked
        ),
    )


class _Bench:
    """Writes files with some operators in int8, and measures their noise."""

    def __init__(self, fp32: Path, into: Path, run: RunFile, ranges: Mapping[str, Range]) -> None:
        self._fp32, self._into, self._run, self._ranges = fp32, into, run, ranges
        self._expected = run(fp32)

    def noises(self, convolutions: Sequence[Int8Convolution]) -> list[float]:
        """Return the noise with these in int8, as a share of power, of each float output."""
        write_mixed(self._fp32, convolutions, self._into, self._ranges)
        found = self._run(self._into)
        ratios = []
        for ours, theirs in zip(
            zip(*self._expected, strict=True), zip(*found, strict=True), strict=True
        ):
            if any(
                a.size != b.size or a.dtype.kind != "f" for a, b in zip(ours, theirs, strict=True)
            ):
                continue
            ratios.append(_noise(_joined(ours), _joined(theirs)))
        if not ratios:
            raise ConversionError(
                "no output is a floating-point number of a fixed count, so that no operator's loss "
                "can be measured",
                "take int8, or give a model that ends before its scores are sorted or rounded",
            )
        return ratios


def _fewest(ratio_db: Callable[[int], float], count: int, goal_db: float) -> int:
    """Return how many to leave in fp32 for the goal; it is met there, and missed with one fewer."""
    if ratio_db(0) >= goal_db:
        return 0
    missed, met = 0, count
    while met - missed > 1:
        middle = (missed + met) // 2
        if ratio_db(middle) >= goal_db:
            met = middle
        else:
            missed = middle
    return met


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.ravel(each).astype(np.float64) for each in arrays])


def _noise(expected: Array, found: Array) -> float:
    """Return the power of the difference over that of ``expected``, where that is finite."""
    finite = np.isfinite(expected)
    apart = np.subtract(found, expected)[finite]
    power = float(np.square(expected[finite], dtype=np.float64).sum())
    noise = float(np.square(apart, dtype=np.float64).sum())
    if not isfinite(noise) or (noise and not power):
        return inf
    return noise / power if noise else 0.0


def _decibels(noise: float) -> float:
    if noise == inf:
        return -MOST_RATIO_DB
    return min(MOST_RATIO_DB, -10 * log10(noise)) if noise else MOST_RATIO_DB
