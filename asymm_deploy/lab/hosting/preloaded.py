"""What the process imports that a host's workers are copies of, and no other process.

It takes a second that a host with many phones spends once. What these processes say on stderr
goes to a file of the agent's, which tells it in its own words.
"""

from __future__ import annotations

import os

from asymm_deploy.lab.joining.dask_settings import settle_dask, silence_asyncio
from asymm_deploy.signals import die_with_parent

ERRORS_VARIABLE = "ASYMM_DEPLOY_LAB_ERRORS"
"""The file's path: no option reaches a process that multiprocessing starts."""

if _path := os.environ.get(ERRORS_VARIABLE):
    die_with_parent()
    _file = os.open(_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.dup2(_file, 2)
    os.close(_file)
    settle_dask()
    silence_asyncio()
    from asymm_deploy.bench.phone import phone_device  # noqa: F401
    from asymm_deploy.lab import phone_calls, phone_worker  # noqa: F401
