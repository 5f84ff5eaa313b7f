"""Units that are converted in several places."""

from __future__ import annotations

NS_PER_MS = 1e6
KHZ_PER_GHZ = 1e6
HOUR_NS = 3600 * 10**9
