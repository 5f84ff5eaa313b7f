"""What the fork server imports, and no other process.

Its threads sleep while they wait. OpenMP's would spin, in each model's process at once, on cores
that other work could use: a model that takes 1.1 s of CPU time on two threads took 2.6 s.

It also ends without taking torch apart, which would take a second. Whoever reads the command's
output would wait for that, since the server has inherited its end of the pipe.
"""

from __future__ import annotations

import atexit
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is loaded

from asymm_deploy.export import worker  # noqa: F401

atexit.register(os._exit, 0)
