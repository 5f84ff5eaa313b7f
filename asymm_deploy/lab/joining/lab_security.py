"""Dask's own security, with our introduction in each connection that is made."""

from __future__ import annotations

from typing import Any

import msgspec
from distributed.security import Security

from asymm_deploy.lab.joining.certificates import Certificates
from asymm_deploy.lab.joining.introduction import LAB_KEY, introduction


class LabSecurity(Security):  # type: ignore[misc]  # untyped
    """What Dask's scheduler, workers and clients are given. Can be pickled."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """Return what connections of a role are made with."""
        made: dict[str, Any] = super().get_connection_args(role)
        return made | {"handshake_overrides": {LAB_KEY: msgspec.to_builtins(introduction())}}


def lab_security(files: Certificates | None) -> LabSecurity:
    """Return the security of a lab: TLS and nothing else with certificates, none without."""
    if files is None:
        return LabSecurity(require_encryption=False)
    own = {
        f"tls_{role}_{part}": str(path.absolute())
        for role in ("scheduler", "worker", "client")
        for part, path in (("cert", files.certificate), ("key", files.key))
    }
    return LabSecurity(require_encryption=True, tls_ca_file=str(files.authority.absolute()), **own)
