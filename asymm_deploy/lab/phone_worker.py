"""The Dask worker of one phone: one process, one thread, and the phone's facts on its door."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import msgspec
from distributed import Worker

from asymm_deploy.lab.joining.introduction import LAB_KEY
from asymm_deploy.lab.roster import PhoneFacts
from asymm_deploy.lab.this_phone import ThisPhone, activity, become_phone, close_phone
from asymm_deploy.signals import die_with_parent


class PhoneWorker(Worker):  # type: ignore[misc]  # untyped
    """A worker that says which phone it has, and puts it back before it ends."""

    def __init__(self, *args: Any, facts: dict[str, Any], runner: str, **options: Any) -> None:
        """Take the phone's facts and the runner for it, as the host agent found them."""
        # The agent orders its workers to end; a terminal's Ctrl-C reaches all of them at once.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        die_with_parent()
        become_phone(ThisPhone(msgspec.convert(facts, PhoneFacts), Path(runner)))
        super().__init__(*args, **options)
        self.handlers["lab_in_use"] = lambda: activity() is not None
        self.startup_information[LAB_KEY] = lambda _worker: facts
        self.metrics[LAB_KEY] = lambda _worker: msgspec.to_builtins(activity())

    def start_http_server(self, *_args: object, **_options: object) -> None:
        """Serve no web pages."""

    async def close(self, *args: Any, **options: Any) -> Any:
        """End, once the phone is as it was found."""
        await asyncio.to_thread(close_phone)
        return await super().close(*args, **options)
