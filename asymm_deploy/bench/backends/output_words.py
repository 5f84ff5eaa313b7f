"""What is plainly wrong with outputs, in words: NaN, infinities, nothing but zeros; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from asymm_deploy.safe import excerpt
from asymm_deploy.text import counted

_SHOWN = 3


def output_words(
    reference: Mapping[str, npt.NDArray[np.generic]], values: Mapping[str, bytes]
) -> str | None:
    """Return what no rounding explains of outputs, little-endian float32 by name; None if nothing.

    ``NaN in 37 of 1000 values of output 'logits'``; ``output 'logits' is all zeros`` where the
    reference is not.
    """
    return _listed(
        _of_one(name, expected, values.get(name)) for name, expected in reference.items()
    )


def words_without_reference(values: Mapping[str, bytes]) -> str | None:
    """Return the same where nobody knows what is right: none of it is what a model is for."""
    each = ((name, np.ones(len(raw) // 4), raw) for name, raw in values.items())
    return _listed(_of_one(*one) for one in each)


def _listed(each: Iterable[str | None]) -> str | None:
    found = [words for words in each if words is not None]
    more = len(found) - _SHOWN
    told = found[:_SHOWN] + ([f"and so on in {counted(more, 'output')} more"] if more > 0 else [])
    return "; ".join(told) or None


def _of_one(name: str, expected: npt.NDArray[np.generic], raw: bytes | None) -> str | None:
    called = repr(excerpt(name, 60))
    if raw is None:
        return f"output {called} is missing"
    if len(raw) != 4 * expected.size:
        return f"output {called} has {len(raw) // 4} values, not {expected.size}"
    found = np.frombuffer(raw, "<f4")
    known = expected.astype(np.float64).ravel()
    for what, is_so in (("NaN", np.isnan), ("infinity", np.isinf)):
        count = int((is_so(found) & ~is_so(known)).sum())
        if count:
            return f"{what} in {count} of {counted(found.size, 'value')} of output {called}"
    if found.size and not found.any() and known.any():
        return f"output {called} is all zeros"
    return None
