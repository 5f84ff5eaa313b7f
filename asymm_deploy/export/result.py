"""What a worker process sends back; it can be read without importing what the worker imports."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.errors import DeployError
from asymm_deploy.export.manifest import Manifest


@dataclass(frozen=True)
class Result:
    """A manifest or the failure in its stead, and the remarks made on the way."""

    manifest: Manifest | None
    failure: DeployError | None
    notes: tuple[str, ...]
