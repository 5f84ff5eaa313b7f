"""Which precision an output shows where the engine doesn't tell it: fp16 has fewer digits; pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.bench.records import LaunchRecord

UNTOLD = "untold"
"""The precision in force on another back end than the CPU, of which alone MNN tells it."""


def with_shown_precision(
    record: LaunchRecord,
    reference: Mapping[str, npt.NDArray[np.generic]],
    values: Mapping[str, bytes],
) -> LaunchRecord:
    """Return the record with fp32 in force where fp16 was asked for and the output can't be that.

    A driver without fp16 has MNN compute in fp32 and report success.
    """
    if (record.precision, record.precision_in_force) != ("fp16", UNTOLD):
        return record
    if not any(_is_nearer_than_fp16(reference[name], values.get(name)) for name in reference):
        return record
    return msgspec.structs.replace(record, precision_in_force="fp32")


def _is_nearer_than_fp16(expected: npt.NDArray[np.generic], raw: bytes | None) -> bool:
    """Whether an output is nearer to its reference than that is when rounded to fp16.

    Nothing kept in fp16 can be: of each value the rounded one is the nearest that there is.
    """
    if raw is None or expected.dtype.kind != "f" or len(raw) != 4 * expected.size:
        return False
    known = expected.astype(np.float64).ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        lost = np.square(known.astype(np.float16).astype(np.float64) - known).sum()
        off = np.square(np.frombuffer(raw, "<f4").astype(np.float64) - known).sum()
    return bool(off < lost / 4)
