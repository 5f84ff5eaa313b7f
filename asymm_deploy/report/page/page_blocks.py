"""The data inside a page: named blocks of bytes, compressed, and the manifest with their hashes.

A block is a script element that no browser runs. Its text is base64, so nothing in it can end the
element; what is JSON in the page has ``<``, ``>`` and ``&`` escaped for the same reason.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import html
import re
import zlib
from collections.abc import Mapping
from typing import Literal

import msgspec

from asymm_deploy.errors import UsageError
from asymm_deploy.versioned import DamagedError, decode_json

PAGE_SCHEMA_VERSION = 1
"""Newest version of a page's manifest. Incremented when older readers would misread it."""
MANIFEST_ID = "manifest"
_MOST_AFTER = 2**16
"""Characters behind a page's end that are looked through for it."""
LARGEST_BLOCK = 2**29
"""Bytes: what unpacks to more was not written by us."""

DataKind = Literal["source", "table", "pictures", "library"]

_BLOCK = re.compile(
    r'<script type="application/gzip" data-name="([^"]*)" data-kind="([a-z]+)">'
    r"([A-Za-z0-9+/=\n]*)</script>"
)
_MANIFEST = re.compile(
    rf'(<script type="application/json" id="{MANIFEST_ID}">)(.*?)(</script>)', re.DOTALL
)
_ESCAPED = {
    "<": "\\u003c",
    ">": "\\u003e",
    "&": "\\u0026",
    "\u2028": "\\u2028",
    "\u2029": "\\u2029",
}


class BlockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says of a block."""

    name: str
    """Of the file that it was, or is saved as."""
    kind: DataKind
    """``source``: a file of the results folder as it was. The others are made from those."""
    bytes: int
    sha256: str


class PageManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a page says of itself."""

    schema_version: int = PAGE_SCHEMA_VERSION
    program: str
    """``asymm-deploy`` and its version."""
    made_with: tuple[str, ...]
    """Packages that had a part in figures and pictures, and their versions."""
    folder: str
    """Name of the results folder."""
    other: str | None
    """Name of the folder it is compared with."""
    device: str | None
    engine: str | None
    precision: str | None
    threads: int | None
    backend: str | None = None
    """What rows were asked for; None accepts any."""
    written_at: str
    """ISO 8601, UTC."""
    blocks: tuple[BlockFacts, ...]
    text_sha256: str
    """Of the page without this manifest and the blocks' contents."""


class PageParts(msgspec.Struct, frozen=True, kw_only=True):
    """A page taken apart."""

    manifest: PageManifest
    blocks: Mapping[str, bytes]
    damaged: tuple[str, ...]
    """Names of blocks that can't be unpacked."""
    text: str
    """The page without the manifest and the blocks' contents."""


def sha256_hex(content: bytes) -> str:
    """Return the hex SHA-256."""
    return hashlib.sha256(content).hexdigest()


def script_hash(text: str) -> str:
    """Return what a Content-Security-Policy calls a script that may run."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def block_element(name: str, kind: DataKind, content: bytes) -> str:
    """Return the element that holds a block."""
    packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return (
        f'<script type="application/gzip" data-name="{html.escape(name)}" '
        f'data-kind="{kind}">{packed}</script>'
    )


def json_text(value: object) -> str:
    """Return JSON that can stand in an element of HTML."""
    text = msgspec.json.encode(value).decode()
    return re.sub("[<>&\u2028\u2029]", lambda found: _ESCAPED[found[0]], text)


def with_manifest(text: str, facts: PageManifest) -> str:
    """Return a page whose manifest, empty so far, is filled; its text's hash is added."""
    bare = _bare(text)
    whole = msgspec.structs.replace(facts, text_sha256=sha256_hex(bare.encode()))
    return _MANIFEST.sub(lambda found: f"{found[1]}{json_text(whole)}{found[3]}", text, count=1)


def taken_apart(page: bytes, where: str) -> PageParts:
    """Return the parts of a page; raise UsageError if it is no page of ours, or cut short."""
    hint = "give a file that `asymm-deploy report --page` wrote, as it was written"
    try:
        text = page.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is no page of results: it is not text", hint) from error
    begins = 'name="generator" content="asymm-deploy' in text[:2000]
    if not begins:
        raise UsageError(f"{where} is no page of results that asymm-deploy wrote", hint)
    if not text.rstrip().endswith("</html>"):
        after = "</html>" in text[-_MOST_AFTER:]
        raise UsageError(
            f"{where} was changed: there is text behind its end"
            if after
            else f"{where} is cut short: its end is missing",
            hint,
        )
    found = _MANIFEST.search(text)
    if found is None:
        raise UsageError(f"{where} has lost its manifest, the list of what is inside", hint)
    try:
        manifest = decode_json(
            found[2].encode(),
            PageManifest,
            PAGE_SCHEMA_VERSION,
            where=f"the manifest of {where}",
            hint="have it verified by the version that wrote it",
        )
    except DamagedError as error:
        raise UsageError(f"the manifest of {where} is damaged: {error}", hint) from error
    blocks: dict[str, bytes] = {}
    damaged = []
    for match in _BLOCK.finditer(text):
        name = html.unescape(match[1])
        content = _unpacked(match[3])
        if content is None:
            damaged.append(name)
        else:
            blocks[name] = content
    return PageParts(manifest=manifest, blocks=blocks, damaged=tuple(damaged), text=_bare(text))


def _bare(text: str) -> str:
    """Return a page without what its manifest and its blocks hold."""
    without = _BLOCK.sub(
        lambda found: f"{found[0][: found.start(3) - found.start()]}</script>", text
    )
    return _MANIFEST.sub(lambda found: f"{found[1]}{found[3]}", without, count=1)


def _unpacked(packed: str) -> bytes | None:
    try:
        unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
        content = unpack.decompress(base64.b64decode(packed, validate=True), LARGEST_BLOCK)
    except (binascii.Error, ValueError, zlib.error):
        return None
    return content if unpack.eof and not unpack.unused_data else None
