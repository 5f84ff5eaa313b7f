"""A newer program's file is refused with both numbers, and any damage is told as such."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.errors import UsageError
from asymm_deploy.versioned import DamagedError, decode_json


class Note(msgspec.Struct):
    schema_version: int
    text: str


def decode(raw: bytes, known: int = 2) -> Note:
    return decode_json(raw, Note, known, where="notes.json", hint="give another")


@pytest.mark.parametrize("version", [1, 2])
def test_this_version_and_an_older_one_are_read(version: int) -> None:
    raw = b'{"schema_version":%d,"text":"a"}' % version
    assert decode(raw) == Note(version, "a")


@pytest.mark.parametrize("rest", [b',"text":"a"', b',"text":3', b',"new":[]', b""])
def test_a_newer_one_is_refused_whatever_else_is_in_it(rest: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        decode(b'{"schema_version":3' + rest + b"}")
    assert refused.value.what == "notes.json has schema_version 3; this program knows 2"
    assert refused.value.hint == "update asymm-deploy, or give another"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"schema_version":"1","text":"a"}',
        b'{"schema_version":1}',
        b'{"schema_version":1,"text":3}',
        b'{"schema_version":1,"text":"a"',
        b'{"schema_version":1,"text":"\xff"}',
        b'{"schema_version":1,"text":' + b"[" * 100_000,
    ],
)
def test_damage_is_told(raw: bytes) -> None:
    with pytest.raises(DamagedError) as told:
        decode(raw)
    assert str(told.value)


@given(st.binary())
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    with pytest.raises(DamagedError):
        decode(raw)
