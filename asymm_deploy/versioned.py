"""JSON that names its schema_version: a newer program's is refused, a damaged one is told."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from asymm_deploy.errors import UsageError

_Kind = TypeVar("_Kind")


class DamagedError(Exception):
    """The JSON is cut short, malformed or not of the kind expected; the text says how."""


def decode_json(raw: bytes, kind: type[_Kind], known: int, *, where: str, hint: str) -> _Kind:
    """Return the ``kind`` that ``raw`` holds.

    Raises UsageError if its schema_version is above ``known``: a newer asymm-deploy wrote it.
    ``where`` names the file and ``hint`` what else to try. Raises DamagedError for all else.
    """
    try:
        version = msgspec.json.decode(raw, type=_Versioned).schema_version
        if version > known:
            raise UsageError(
                f"{where} has schema_version {version}; this program knows {known}",
                f"update asymm-deploy, or {hint}",
            )
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(str(error)) from error


class _Versioned(msgspec.Struct):
    schema_version: int
