"""``hf://ORG/REPO/FILE``: a file of weights on the Hugging Face hub, as people write its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import DamagedManifestError
from asymm_deploy.export.weights.checkpoint import WEIGHT_SUFFIXES
from asymm_deploy.safe import excerpt

HUB_PREFIX = "hf://"
DEFAULT_BRANCH = "main"
"""What the hub takes where no revision is named."""
_INERT_SUFFIXES = (".safetensors", ".params")
_SHOULD_BE = "write hf://ORG/REPO/FILE, or hf://ORG/REPO/FILE@REVISION for a branch, tag or commit"
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_SHARD = re.compile(r"-\d+-of-\d+\.[a-z]+\Z")
_OTHER_KINDS = ("datasets", "spaces", "kernels", "buckets")
_LONGEST_REPOSITORY = 96  # the hub's own limit
_INSTEAD = (
    (".onnx", "an .onnx file has its weights in it: download it, and give it as the model itself"),
    (
        ".json",
        "weights that are split in several files aren't joined: load the model in Python, and save "
        "its state_dict as one .safetensors file",
    ),
    (".gguf", "weights of llama.cpp are quantized: take the repository's .safetensors file"),
)


@dataclass(frozen=True)
class HubFile:
    """A file of a model repository on the hub."""

    text: str
    """As it was given."""
    repository: str
    """``ORG/REPO``."""
    name: str
    """The file's path in the repository."""
    revision: str | None = None
    """A branch, tag or commit, if one was named."""
    commit: str | None = None
    """The hash of the revision that is meant, once that is known."""
    local: Path | None = None
    """Where the file is in the cache, once that is known."""

    def __str__(self) -> str:
        return self.text

    @property
    def names_commit(self) -> bool:
        """Whether the text names a commit, which never becomes another file."""
        return self.revision is not None and _COMMIT.match(self.revision) is not None

    @property
    def pinned(self) -> str:
        """The same file as people have to write it to get this very commit."""
        return f"{HUB_PREFIX}{self.repository}/{self.name.replace('@', '%40')}@{self.commit}"

    @property
    def is_pickle(self) -> bool:
        """Whether a file of this name is usually a pickle, which could carry code."""
        return not self.name.lower().endswith(_INERT_SUFFIXES)

    def at(self, commit: str | None, local: Path | None = None) -> HubFile:
        """Return the file as it is at ``commit``."""
        return replace(self, commit=commit, local=local)


def is_hub_name(text: str) -> bool:
    """Whether somebody means the hub by ``text``, well written or not."""
    return re.match(r"hf:/", text, re.IGNORECASE) is not None


def parsed_weights(text: str) -> Path | HubFile:
    """Return what ``--weights TEXT`` means: a file here, or one on the hub.

    Raises UsageError for a name on the hub that can't be one, for a file there of a format that
    can't be loaded, and for a web address.
    """
    if re.match(r"https?://", text, re.IGNORECASE):
        raise UsageError(f"--weights {excerpt(text)} is a web address", _instead_of_address(text))
    return parsed_hub_name(text) if is_hub_name(text) else Path(text)


def parsed_hub_name(text: str) -> HubFile:
    """Return the file that ``hf://ORG/REPO/FILE`` means; raises UsageError if it means none."""
    if not text.startswith(HUB_PREFIX):
        raise UsageError(f"{excerpt(text)} does not begin with {HUB_PREFIX}", _SHOULD_BE)
    if not text.isprintable():
        raise UsageError(f"{excerpt(text)} has characters that no name has", _SHOULD_BE)
    parts = text.removeprefix(HUB_PREFIX).removeprefix("models/").split("/")
    if parts[0] in _OTHER_KINDS:
        raise UsageError(
            f"{excerpt(text)} is not in a repository of models", "give a file of one; " + _SHOULD_BE
        )
    if len(parts) < 3:
        raise UsageError(f"{excerpt(text)} names no file in a repository", _SHOULD_BE)
    organisation, repository, at_repository = parts[0], *parts[1].partition("@")[::2]
    if at_repository == "refs" and parts[2] in ("pr", "convert") and len(parts) > 4:
        at_repository = "/".join(("refs", *parts[2:4]))
        del parts[2:4]
    name, at_file, after = "/".join(parts[2:]).partition("@")
    if ("@" in parts[1] and at_file) or "@" in after:
        raise UsageError(
            f"{excerpt(text)} names two revisions",
            f"{_SHOULD_BE}; an @ in a file's name is written %40",
        )
    given = unquote(at_repository or after)
    if ("@" in parts[1] or at_file) and not given:
        raise UsageError(f"{excerpt(text)} names no revision after the @", _SHOULD_BE)
    _require_repository(text, organisation, repository)
    file = unquote(name)
    if any(part in ("", ".", "..") for part in file.split("/")) or "\\" in file or "\0" in file:
        raise UsageError(f"{excerpt(text)} names no file in a repository", _SHOULD_BE)
    found = HubFile(text, f"{organisation}/{repository}", file, given or None)
    _require_revision(found)
    _require_format(found)
    return found.at(found.revision) if found.names_commit else found


def recorded_weights(path: str | None, revision: str | None) -> Path | HubFile | None:
    """Return the weights that a manifest tells of; a revision means that they are of the hub.

    Raises DamagedManifestError if what it has can't be such a name.
    """
    if path is None or revision is None:
        return None if path is None else Path(path)
    try:
        return parsed_hub_name(path).at(revision)
    except UsageError as error:
        raise DamagedManifestError(error.what) from error


def _require_repository(text: str, organisation: str, repository: str) -> None:
    whole = f"{organisation}/{repository}"
    if (
        not (_PART.match(organisation) and _PART.match(repository))
        or len(whole) > _LONGEST_REPOSITORY
        or "--" in whole
        or ".." in whole
        or repository.endswith(".git")
    ):
        raise UsageError(
            f"{excerpt(text)}: {excerpt(whole)} can't be the name of a repository", _SHOULD_BE
        )


def _require_revision(file: HubFile) -> None:
    revision = file.revision
    if revision is not None and (
        any(part in ("", ".", "..") for part in revision.split("/"))
        or not re.fullmatch(r"[^\s\\~^:?*\[\x00]+", revision)
    ):
        raise UsageError(
            f"{excerpt(file.text)}: {excerpt(revision)} can't be a revision", _SHOULD_BE
        )


def _require_format(file: HubFile) -> None:
    """Refuse, before anything is fetched, what the loader can't read."""
    name = file.name.lower()
    if _SHARD.search(name):
        raise UsageError(f"{file.text} is one part of weights in several files", _INSTEAD[1][1])
    if name.endswith(WEIGHT_SUFFIXES):
        return
    hint = next((hint for suffix, hint in _INSTEAD if name.endswith(suffix)), None)
    raise UsageError(
        f"{file.text} is no file of weights that can be loaded; nothing was fetched",
        hint or f"give one that ends in {', '.join(WEIGHT_SUFFIXES)}",
    )


def _instead_of_address(address: str) -> str:
    """Return the name on the hub that a copied link to a file stands for, if it is such a link."""
    parts = urlsplit(address).path.strip("/").split("/")
    if len(parts) > 4 and parts[2] in ("resolve", "blob", "raw"):
        return f"write hf://{parts[0]}/{parts[1]}/{'/'.join(parts[4:])}@{parts[3]}"
    return "download the file, and give its path; of the Hugging Face hub, hf://ORG/REPO/FILE"
