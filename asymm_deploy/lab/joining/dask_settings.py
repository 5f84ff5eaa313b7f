"""Dask as the lab needs it, whatever the user has set up for Dask elsewhere.

A user's ``~/.config/dask``, an administrator's ``/etc/dask`` and ``DASK_`` variables belong to
other work: none of them changes what a lab does. Nor does Dask write to the terminal: what matters
is said in words of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.safe import excerpt, first_words

SETTINGS: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,  # whoever asked decides whether to ask again
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.http.routes": [],
    "distributed.scheduler.worker-ttl": "30s",  # of silence: a host without network
    "distributed.scheduler.events-cleanup-delay": "1m",
    "distributed.worker.http.routes": [],
    # A process that has imported everything once; workers are copies of it.
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "20s",
    "distributed.comm.retry.count": 0,
    "distributed.admin.tick.limit": "60s",
    "distributed.diagnostics.nvml": False,
    "distributed.diagnostics.cudf": False,
}
"""Where the lab differs from Dask's own defaults, which hold for all the rest."""

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "bokeh", "tornado")
_TORNADO = ("tornado.application", "tornado.access", "tornado.general")
_NEVER = logging.CRITICAL + 1
_settled: list[bool] = []


def settle_dask() -> None:
    """Import Dask, once, with our settings and no others.

    Raises UsageError where the extra is not installed.
    """
    if _settled:
        return
    if importlib.util.find_spec("distributed") is None:
        raise UsageError(
            "a lab needs distributed, which is not installed", "pip install 'asymm-deploy[lab]'"
        )
    try:
        with _without_settings_of_others():
            config = importlib.import_module("dask.config")
            importlib.import_module("distributed")
    except Exception as error:  # YAML of others that even Dask can't read, a broken installation
        raise HarnessError(
            f"Dask can't be loaded: {excerpt(first_words(error))}",
            "repair what it names, or install it again: pip install 'asymm-deploy[lab]'",
        ) from error
    config.paths.clear()  # workers read them again, by the default of a parameter
    config.refresh(env={})
    config.set(SETTINGS)
    for name in (*_LOGGERS, *_TORNADO):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(_NEVER)
    # Packages of other versions on other machines, say: those that matter are compared by us.
    warnings.filterwarnings("ignore", module=r"distributed(\.|$)")
    _settled.append(True)


def silence_asyncio() -> None:
    """Have asyncio write nothing to the terminal; for processes of ours alone."""
    logging.getLogger("asyncio").setLevel(_NEVER)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


@contextmanager
def _without_settings_of_others() -> Iterator[None]:
    """Hide where Dask looks for settings while it is imported, when it reads them."""
    hidden = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("DASK_") or name == "HOME"
    }
    for name in hidden:
        del os.environ[name]
    try:
        with tempfile.TemporaryDirectory(prefix="asymm-deploy-") as empty:
            os.environ |= {"HOME": empty, "DASK_ROOT_CONFIG": empty}
            yield
    finally:
        os.environ.pop("HOME", None)
        os.environ.pop("DASK_ROOT_CONFIG", None)
        os.environ |= hidden
