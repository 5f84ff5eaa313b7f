"""What went wrong with the Hugging Face hub, in our words, and whose fault it may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asymm_deploy.errors import DeployError, HarnessError, UsageError
from asymm_deploy.export.weights.hub_name import DEFAULT_BRANCH, HubFile
from asymm_deploy.files import is_full
from asymm_deploy.safe import excerpt, first_words

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_OVERLOADED = 429
_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_TOKEN = "run `hf auth login`, or set HF_TOKEN to a token that may read it"  # noqa: S105
_LATER = "try again later; HF_HUB_OFFLINE=1 uses what the cache has"


def told_of_hub(file: HubFile, error: Exception, *, fetching: bool = False) -> DeployError:
    """Return the failure to raise where huggingface_hub raised ``error`` about ``file``.

    ``fetching`` says that the hub had answered before, and the file was on its way.
    UsageError for what isn't there or may not be read or written, HarnessError for a network, a
    hub or a disk that fails.
    """
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return told_of_hub(file, error.__cause__, fetching=fetching)
    if isinstance(error, errors.HfHubHTTPError):
        return _answered(file, error, hub)
    if isinstance(error, OSError) and error.errno is not None:
        return _of_disk(file, error, constants.HF_HUB_CACHE)
    if isinstance(error, ValueError):  # HFValidationError, and headers that can't be sent
        return UsageError(
            f"{file.text} can't be asked for: {first_words(error)}",
            "check the name, and HF_TOKEN if it is set",
        )
    if fetching:
        return HarnessError(
            f"the download of {file.text} broke off, or was longer than announced; nothing of it "
            f"was kept: {first_words(error) or type(error).__name__}",
            "try again; HF_HUB_DOWNLOAD_TIMEOUT=60 has more patience with a slow network",
        )
    return HarnessError(
        f"can't reach {hub}: {first_words(error) or type(error).__name__}",
        f"check the network, HF_ENDPOINT and the proxy; or {_LATER}",
    )


def _answered(file: HubFile, error: HfHubHTTPError, hub: str) -> DeployError:
    """Return the failure where the hub answered, and not with the file."""
    from huggingface_hub import errors

    repository = file.repository
    if isinstance(error, errors.GatedRepoError):
        return UsageError(
            f"{repository} is gated: its owners decide who may read it",
            f"ask for access on {hub}/{repository}; then {_TOKEN}",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        asked = file.commit or file.revision or DEFAULT_BRANCH
        return UsageError(
            f"{repository} has no revision {excerpt(asked)}",
            f"see its branches and tags on {hub}/{repository}/tree/{DEFAULT_BRANCH}",
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return _no_repository(file, hub)
    return _refused(file, error.response.status_code, error, hub)


def _no_repository(file: HubFile, hub: str) -> UsageError:
    return UsageError(
        f"{hub} has no repository {file.repository} that may be read from here",
        f"check the name; if it is private, {_TOKEN}",
    )


def _refused(file: HubFile, status: int, error: Exception, hub: str) -> DeployError:
    if "Invalid credentials" in str(error):
        return UsageError(
            f"{hub} refuses the token that it was given",
            "renew it with `hf auth login`, or set HF_TOKEN to another, or unset it",
        )
    if status == _UNAUTHORISED:
        return _no_repository(file, hub)
    if status == _NOT_FOUND:
        return UsageError(
            f"{file.repository} has no file {excerpt(file.name)}"
            + (f" at {excerpt(file.revision)}" if file.revision else ""),
            f"see its files on {hub}/{file.repository}/tree/{file.revision or DEFAULT_BRANCH}",
        )
    if status == _FORBIDDEN:
        return UsageError(f"{hub} refuses to give {file.text} (403)", _TOKEN)
    if status == _OVERLOADED:
        return HarnessError(f"{hub} has had too many requests from here (429)", _LATER)
    return HarnessError(f"{hub} answers {file.text} with {status}", _LATER)


def _of_disk(file: HubFile, error: OSError, cache: str) -> DeployError:
    kind = HarnessError if is_full(error) else UsageError
    return kind(
        f"can't keep {file.text} in {cache}: {error.strerror or error}; nothing of it was kept",
        "free some space there, or set HF_HOME to a folder on another disk"
        if is_full(error)
        else "set HF_HOME to a folder that you may write to",
    )
