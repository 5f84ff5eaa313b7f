"""What the fork server imports, and no other process; each model's process is a copy of it.

Threads that wait sleep here. OpenMP's would spin on cores that other work could use: a model that
takes 1.1 s of CPU time on two threads took 2.6 s. Memory that was freed is kept for the next
tensor: a third of the time of large networks went into fresh pages.

The server ends without taking torch apart, which would take a second. Whoever reads the command's
output would wait for that, since the server has inherited its end of the pipe.
"""

from __future__ import annotations

import atexit
import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt: free memory to keep, and the size from which a block is mapped alone."""
_KEPT_BYTES = 1 << 30
_MAPPED_FROM_BYTES = 32 << 20  # the largest that glibc takes

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded
if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):  # glibc alone has it
    mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
    mallopt(_MMAP_THRESHOLD, _MAPPED_FROM_BYTES)

from asymm_deploy.export import worker  # noqa: E402, F401

atexit.register(os._exit, 0)
