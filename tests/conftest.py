"""What all tests share: one thread for torch, so that tests side by side don't fight for cores."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
