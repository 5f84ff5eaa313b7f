"""Questions to a lab's scheduler from programs that use no phone: who is there, and stop."""

from __future__ import annotations

import asyncio
from typing import Any

from asymm_deploy.errors import HarnessError
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.dask_settings import settle_dask, silence_asyncio
from asymm_deploy.lab.joining.greeting import require_lab
from asymm_deploy.lab.joining.lab_address import LabAddress
from asymm_deploy.lab.roster import Roster, read_roster

_ANSWER_S = 10.0
_STOP_S = 60.0
"""The scheduler waits for half of that."""


def asked_roster(at: LabAddress, files: Certificates | None) -> Roster:
    """Return who is in the lab; raise what ``require_lab`` does, or HarnessError if it goes."""
    return read_roster(_asked(at, files, "lab_roster", _ANSWER_S))


def stop_lab(at: LabAddress, files: Certificates | None) -> list[str]:
    """End hosts and scheduler; return the hosts that had not put their phones back in time."""
    left: list[str] = _asked(at, files, "lab_stop", _STOP_S)
    return left


def _asked(at: LabAddress, files: Certificates | None, question: str, limit_s: float) -> Any:
    settle_dask()
    silence_asyncio()
    require_lab(at, files)
    try:
        return asyncio.run(asyncio.wait_for(_answer(at, files, question), limit_s))
    except (OSError, TimeoutError) as error:
        raise HarnessError(
            f"the scheduler at {at} went away", "see whether it still runs, then try again"
        ) from error


async def _answer(at: LabAddress, files: Certificates | None, question: str) -> Any:
    from distributed.core import rpc

    from asymm_deploy.lab.joining.lab_security import lab_security

    arguments = lab_security(files).get_connection_args("client")
    async with rpc(str(at), connection_args=arguments) as scheduler:
        return await getattr(scheduler, question)()
