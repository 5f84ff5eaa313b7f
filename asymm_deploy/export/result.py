"""What a worker process sends back. Reading it imports none of the worker's heavy packages."""

from __future__ import annotations

from dataclasses import dataclass

from asymm_deploy.errors import DeployError
from asymm_deploy.export.manifest import Manifest


@dataclass(frozen=True)
class Result:
    """A manifest, or the failure instead of one, and remarks for the user."""

    manifest: Manifest | None
    failure: DeployError | None
    notes: tuple[str, ...]
