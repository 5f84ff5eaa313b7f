"""The recorded input of an export: the values of each input, one after the other in a raw file."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np

from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.files import read_regular


def read_recorded(path: str, specs: Sequence[TensorSpec]) -> Arrays:
    """Return the values of each input in ``specs``, which says their order, shapes and types.

    Raises RefusedError unless the file has exactly as many bytes as they need.
    """
    if not specs:
        raise RefusedError("--inputs-file needs an --input for each input of the model")
    try:
        raw = read_regular(Path(path))
    except OSError as error:
        raise RefusedError(f"can't read the inputs file: {error.strerror}") from error
    types = [np.dtype(spec.dtype).newbyteorder("<") for spec in specs]
    counts = [prod(spec.shape) for spec in specs]
    needed = sum(count * dtype.itemsize for count, dtype in zip(counts, types, strict=True))
    if len(raw) != needed:
        raise RefusedError(f"the inputs file has {len(raw)} bytes, not the {needed} of the inputs")
    arrays: Arrays = {}
    at = 0
    for spec, dtype, count in zip(specs, types, counts, strict=True):
        values = np.frombuffer(raw, dtype, count, at)
        arrays[spec.name] = values.reshape(spec.shape).astype(spec.dtype)
        at += values.nbytes
    return arrays
