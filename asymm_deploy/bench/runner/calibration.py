"""How fast this core multiplies and adds. The lowest believable latency is derived from it."""

from __future__ import annotations

import time

import numpy as np

_SIDE = 256  # 16.8 million MACs: 0.3 ms on a fast core, its matrices within the second-level cache
_BUDGET_NS = 6 * 10**6
_LEAST = 3


class Multiplier:
    """Multiplies two fixed square matrices in fp32 by numpy's BLAS, which must be single-threaded.

    BLAS reaches about nine tenths of the core's theoretical peak, so comparisons with this need a
    margin.
    """

    def __init__(self) -> None:
        self._left = np.full((_SIDE, _SIDE), 0.5, np.float32)
        self._right = np.full((_SIDE, _SIDE), 0.25, np.float32)
        self._product = np.empty((_SIDE, _SIDE), np.float32)
        self._multiply()  # the first one also starts BLAS

    def mac_per_s(self) -> float:
        """Return the best rate in a burst of about 6 ms, in multiply-accumulates per second."""
        best = deadline = None
        count = 0
        while best is None or deadline is None or count < _LEAST or time.monotonic_ns() < deadline:
            start = time.perf_counter_ns()
            self._multiply()
            taken = time.perf_counter_ns() - start
            best = taken if best is None else min(best, taken)
            deadline = deadline or start + _BUDGET_NS
            count += 1
        return _SIDE**3 * 1e9 / best

    def _multiply(self) -> None:
        np.matmul(self._left, self._right, out=self._product)
