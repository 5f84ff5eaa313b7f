"""An export with weights from the Hugging Face hub: which revision is meant, and where it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import DamagedManifestError, Manifest, load_manifest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.export.weights.hub import fetched
from asymm_deploy.export.weights.hub_name import HubFile, recorded_weights


def with_weights_here(
    request: ExportRequest, say: Callable[[str], None], *, force: bool
) -> ExportRequest:
    """Return the request with the commit of its weights on the hub, and with the file itself.

    A branch or tag that was exported before means the commit that it meant then, unless ``force``:
    then nothing is asked of the network, nor fetched if the export is as it was. Requests without
    such weights are returned as they are. ``say`` gets what is done. Raises as ``hub.fetched``.
    """
    file = request.weights
    if not isinstance(file, HubFile):
        return request
    recorded = None if force else _recorded(request, file)
    if recorded is not None:
        file = file.at(recorded.weights_revision)
        known = replace(request, weights=file, weights_sha256=recorded.weights_sha256)
        if not file.names_commit:
            say(
                f"{file.text} is taken at revision {file.commit}, as it was exported before; "
                "--force asks the hub for a newer one"
            )
        if known.fresh_manifest() is not None:
            return known
    found = fetched(file, say, ask=recorded is None)
    if found.is_pickle:
        say(f"{file.text} may be a pickle: no code in it is run")
    return replace(request, weights=found)


def _recorded(request: ExportRequest, file: HubFile) -> Manifest | None:
    """Return the manifest of the last export if its weights were ``file``."""
    with suppress(OSError, DamagedManifestError, UsageError):
        found = load_manifest(request.folder)
        last = recorded_weights(found.weights_path, found.weights_revision)
        if isinstance(last, HubFile) and _place(last) == _place(file):
            return found
    return None


def _place(file: HubFile) -> tuple[str, str, str | None]:
    return file.repository, file.name, file.revision
