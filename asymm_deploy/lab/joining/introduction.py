"""What every member of a lab says of itself first, so that only the same version works together.

It is part of Dask's handshake, whose other entries are Dask's own. The lab moves no code, but both
ends must mean the same by what they send.
"""

from __future__ import annotations

import msgspec

from asymm_deploy import __version__
from asymm_deploy.safe import excerpt

LAB_KEY = "asymm-deploy"
"""Our name, and the key of what is ours in Dask's own messages."""
LAB_PROTOCOL = 1
"""Changes with the messages between hosts, scheduler and clients."""


class Introduction(msgspec.Struct, frozen=True):
    """Who speaks."""

    program: str
    version: str
    lab_protocol: int
    dask: str
    """The version of ``distributed``: its messages differ from one to the next."""

    def text(self) -> str:
        """Return it in words, whatever a stranger has put into it."""
        return (
            f"{excerpt(self.program, 40)} {excerpt(self.version, 40)} "
            f"(lab protocol {self.lab_protocol}, distributed {excerpt(self.dask, 40)})"
        )


def introduction() -> Introduction:
    """Return our own; Dask must be settled before."""
    import distributed

    return Introduction(LAB_KEY, __version__, LAB_PROTOCOL, distributed.__version__)


def introduced(said: object) -> Introduction | None:
    """Return who a handshake says that it is; None for a stranger."""
    if not isinstance(said, dict):
        return None
    try:
        found = msgspec.convert(said.get(LAB_KEY), Introduction)
    except msgspec.ValidationError:
        return None
    return found if found.program == LAB_KEY else None
