"""What the process imports that a host's workers are copies of, and no other process.

It takes a second, which a host with many phones spends once. It ends with the agent, by itself.
"""

from __future__ import annotations

import signal

from asymm_deploy.lab.joining.dask_settings import settle_dask, silence_asyncio

signal.signal(signal.SIGINT, signal.SIG_IGN)  # the agent handles it
settle_dask()
silence_asyncio()

from asymm_deploy.bench.phone import phone_device  # noqa: E402, F401
from asymm_deploy.lab import phone_calls, phone_worker  # noqa: E402, F401
