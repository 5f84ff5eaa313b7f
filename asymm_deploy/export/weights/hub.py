"""Weights from the Hugging Face hub: fetched into its own cache, and only where somebody asks.

``huggingface_hub`` does it, and is imported only then. It takes $HF_HOME, $HF_HUB_CACHE,
$HF_ENDPOINT, $HF_TOKEN and $HF_HUB_OFFLINE as it always does.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.export.weights.hub_failures import told_of_hub
from asymm_deploy.export.weights.hub_name import DEFAULT_BRANCH, HubFile
from asymm_deploy.files import sha256_of
from asymm_deploy.safe import excerpt, first_words

_CHUNK = 1 << 20
_NAMED_BY_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_NAMED_BY_GIT = re.compile(r"[0-9a-f]{40}\Z")


def fetched(file: HubFile, say: Callable[[str], None], *, ask: bool = True) -> HubFile:
    """Return ``file`` with its commit and its place in the cache, into which it is fetched.

    ``say`` gets what is fetched, from where and how large, or which copy is used instead. The
    network isn't asked where ``file`` has a commit that the cache has. With ``ask`` false, nothing
    is asked of which commit a branch is at: ``file`` must have its commit.

    Raises UsageError for what isn't there or may not be read, without the extra ``[hub]``, and for
    a cache that can't be written; HarnessError where the network, the hub or the disk fails, or
    where something else arrives than the hub has.
    """
    constants = _library()
    if file.commit is not None and (file.names_commit or not ask):
        kept = _in_cache(file, file.commit)
        if kept is not None:
            return _proven(file.at(file.commit, kept))
    if constants.HF_HUB_OFFLINE:
        return _kept(file, say, "HF_HUB_OFFLINE is set", constants)
    return _downloaded(file, say, constants)


def _place_in_cache(file: HubFile) -> Path:
    _library()
    kept = None if file.commit is None else _in_cache(file, file.commit)
    if kept is None:
        raise UsageError(
            f"the cache of the Hugging Face hub has {file.text} no more, at {file.commit}",
            f"fetch it again: asymm-deploy export MODEL --weights {file.pinned}",
        )
    return kept


def located(weights: Path | HubFile | None) -> Path | HubFile | None:
    """Return ``weights``, with its place in the cache if it is a file of the hub.

    Raises UsageError if the cache has it no more.
    """
    if not isinstance(weights, HubFile) or weights.local is not None:
        return weights
    return weights.at(weights.commit, place_of(weights))


def place_of(weights: Path | HubFile) -> Path:
    """Return where ``weights`` are on this machine, without asking the network.

    Raises UsageError if they are a file of the hub that its cache has no more.
    """
    if not isinstance(weights, HubFile):
        return weights
    return weights.local or _place_in_cache(weights)


def _library() -> Any:
    """Import huggingface_hub, quiet; return its settings. Raises UsageError where it can't be."""
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")  # one plain request, from one address
    try:
        from huggingface_hub import constants
        from huggingface_hub.utils import logging as hub_logging
    except ImportError as error:
        raise UsageError(
            "weights from hf:// need huggingface_hub, which is not installed",
            "pip install 'asymm-deploy[hub]'",
        ) from error
    except ValueError as error:  # numbers in its environment variables
        raise UsageError(
            f"huggingface_hub can't be used: {first_words(error)}",
            "look at the environment variables that begin with HF_",
        ) from error
    constants.HF_HUB_DISABLE_TELEMETRY = True  # somebody may have imported it before
    hub_logging.set_verbosity(logging.ERROR)
    _require_address(constants.ENDPOINT)
    return constants


def _require_address(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not endpoint.isprintable():
        raise UsageError(
            f"HF_ENDPOINT={excerpt(endpoint)} is no web address",
            "give one such as https://huggingface.co, or unset it",
        )


def _in_cache(file: HubFile, revision: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(file.repository, file.name, revision=revision)
    except OSError as error:
        raise told_of_hub(file, error) from error
    return Path(found).absolute() if isinstance(found, str) else None


def _kept(file: HubFile, say: Callable[[str], None], why: str, constants: Any) -> HubFile:
    """Return the copy that the cache has of ``file``; raises UsageError if it has none."""
    kept = _in_cache(file, file.commit or file.revision or DEFAULT_BRANCH)
    if kept is None:
        raise UsageError(
            f"{why}, and {constants.HF_HUB_CACHE} has no copy of {file.text}",
            "fetch it once with the network: unset HF_HUB_OFFLINE, or set HF_HUB_CACHE to the "
            "cache that has it",
        )
    found = file.at(_commit_of(file, kept), kept)
    say(f"{why}: {file.text} is as the cache has it, at revision {found.commit}")
    return _proven(found)


def _downloaded(file: HubFile, say: Callable[[str], None], constants: Any) -> HubFile:
    import huggingface_hub
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars

    asked = file.commit or file.revision or DEFAULT_BRANCH
    where = huggingface_hub.hf_hub_url(file.repository, file.name, revision=asked)
    timeout = constants.HF_HUB_ETAG_TIMEOUT
    try:
        about = huggingface_hub.get_hf_file_metadata(where, timeout=timeout)
    except Exception as error:
        failure = told_of_hub(file, error)
        if isinstance(failure, HarnessError) and _in_cache(file, asked) is not None:
            return _kept(file, say, failure.what, constants)
        raise failure from error
    if about.commit_hash is None or about.etag is None:
        raise UsageError(
            f"{constants.ENDPOINT} answers, but not as a hub does: it names no commit",
            "check HF_ENDPOINT, and whether a proxy or a login page answers in its place",
        )
    kept = _in_cache(file, about.commit_hash)
    if kept is not None:
        say(f"{file.text} is in the cache, at revision {about.commit_hash}")
        return _proven(file.at(about.commit_hash, kept))
    size = "of unknown size" if about.size is None else _megabytes(about.size)
    say(
        f"fetching {file.text} ({size}) from {constants.ENDPOINT} to {constants.HF_HUB_CACHE}, "
        f"revision {about.commit_hash}"
    )
    _require_room(file, about.size, Path(constants.HF_HUB_CACHE))
    if not sys.stderr.isatty() and not are_progress_bars_disabled():
        disable_progress_bars()
    with _without_traces(file, constants):
        try:
            path = huggingface_hub.hf_hub_download(file.repository, file.name, revision=asked)
        except Exception as error:
            raise told_of_hub(file, error, fetching=True) from error
        local = Path(path).absolute()
        found = file.at(_commit_of(file, local), local)
        same = found.commit == about.commit_hash  # else the branch has moved this very moment
        return _proven(found, arrived=True, named=about.etag if same else None)


@contextmanager
def _without_traces(file: HubFile, constants: Any) -> Iterator[None]:
    """Take away the branch's name that a download leaves before it has the file, if it fails.

    Else the cache would say that it knows the branch, and have nothing of it.
    """
    from huggingface_hub.file_download import repo_folder_name

    folder = repo_folder_name(repo_id=file.repository, repo_type="model")
    known = Path(constants.HF_HUB_CACHE) / folder / "refs" / (file.revision or DEFAULT_BRANCH)
    before = known.read_text() if known.is_file() else None
    try:
        yield
    except BaseException:
        if before is not None:
            known.write_text(before)
        elif known.is_file():
            known.unlink()
        raise


def _commit_of(file: HubFile, local: Path) -> str:
    """Return the commit of a file in the cache: .../snapshots/COMMIT/FILE."""
    return local.parts[-1 - len(Path(file.name).parts)]


def _proven(file: HubFile, *, arrived: bool = False, named: str | None = None) -> HubFile:
    """Return ``file`` if its bytes have the hash that it is ``named`` by, or the cache names it by.

    That is the SHA-256 of a large file, and git's own hash of a small one. What ``arrived`` with
    another hash is removed. Raises HarnessError.
    """
    assert file.local is not None
    try:
        blob = file.local.resolve()
        wanted = named or blob.name
        if _NAMED_BY_SHA256.match(wanted):
            good = sha256_of(blob) == wanted
        elif _NAMED_BY_GIT.match(wanted):
            good = _git_hash(blob) == wanted
        else:  # a cache without links, whose files have their own names
            good = True
        if good:
            return file
        if arrived:
            file.local.unlink()
            blob.unlink(missing_ok=True)  # it is the same in a cache without links
    except OSError as error:
        raise told_of_hub(file, error) from error
    if arrived:
        raise HarnessError(
            f"what came for {file.text} is not what the hub has: its hash is another; it was "
            "removed",
            "try again; if it stays so, something between here and the hub changes files",
        )
    raise HarnessError(
        f"the cache's copy of {file.text} is damaged: its hash is not that of the hub's file",
        f"remove {blob}, and repeat the command with the network",
    )


def _git_hash(path: Path) -> str:
    """Return git's hash of a file's content, which names it where it is not of LFS."""
    told = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            told.update(chunk)
    return told.hexdigest()


def _require_room(file: HubFile, size: int | None, cache: Path) -> None:
    folder = next((each for each in (cache, *cache.parents) if each.is_dir()), None)
    if size is None or folder is None:
        return
    usage = shutil.disk_usage(folder)
    if usage.total > 0 and usage.free < size:
        raise HarnessError(
            f"no room for {file.text} in {cache}: it has {_megabytes(size)}, and "
            f"{_megabytes(usage.free)} are free; nothing was fetched",
            "free some space, or set HF_HOME to a folder on another disk",
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
