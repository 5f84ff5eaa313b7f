"""A connection to a lab for programs that use its phones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from asymm_deploy.errors import HarnessError
from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.dask_settings import settle_dask
from asymm_deploy.lab.joining.greeting import require_lab
from asymm_deploy.lab.joining.lab_address import LabAddress

if TYPE_CHECKING:
    from distributed import Client


@contextmanager
def lab_client(at: LabAddress, files: Certificates | None) -> Iterator[Client]:
    """Yield Dask's client of a lab of this version.

    Raises what ``require_lab`` does, within seconds, if there is none.
    """
    settle_dask()
    require_lab(at, files)
    from distributed import Client

    from asymm_deploy.lab.joining.lab_security import lab_security

    try:
        client = Client(
            str(at), security=lab_security(files), timeout=10, set_as_default=False, name="lab"
        )
    except (OSError, TimeoutError) as error:
        raise HarnessError(
            f"the scheduler at {at} has gone", "start it, then repeat the command"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=5)
