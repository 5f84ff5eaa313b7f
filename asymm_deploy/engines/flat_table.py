"""A table of a flatbuffer, with every position checked: the file may be damaged.

The flatbuffers package was tried: it reads beyond a table's end, takes negative positions and has
no types, and what would be used of it is what stands here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec


class DamagedTableError(ValueError):
    """A position, a length or a text of the flatbuffer can't be."""


class Span(msgspec.Struct, frozen=True):
    """Where the values of a vector lie in the file."""

    start: int
    """In bytes from the beginning of the file."""
    count: int
    """Values, not bytes."""


class FlatTable:
    """A table at a position of ``data``; its fields are named by their place in the schema.

    Every method raises DamagedTableError where the file can't be right.
    """

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self.position = position
        vtable = position - self._read("<i", position)
        size = self._read("<H", vtable)
        self._slots = tuple(self._read("<H", at) for at in range(vtable + 4, vtable + size - 1, 2))

    def place(self, slot: int) -> int | None:
        """Return where the field's value lies in the file; None if it has its default."""
        offset = self._slots[slot] if slot < len(self._slots) else 0
        return self.position + offset if offset else None

    def integer(self, slot: int, default: int = 0) -> int:
        """Return an int field."""
        return self._scalar("<i", slot, default)

    def byte(self, slot: int, default: int = 0) -> int:
        """Return a field of one byte: a bool, a small enum, the type of a union."""
        return self._scalar("<B", slot, default)

    def signed_byte(self, slot: int, default: int = 0) -> int:
        """Return a field of one byte that may be negative."""
        return self._scalar("<b", slot, default)

    def real(self, slot: int) -> float:
        """Return a field in float32; 0 if it has its default."""
        at = self.place(slot)
        return 0.0 if at is None else self._unpacked("<f", at)

    def table(self, slot: int) -> FlatTable | None:
        """Return the table that a field points to."""
        at = self.place(slot)
        return None if at is None else FlatTable(self._data, self._followed(at))

    def text(self, slot: int) -> str:
        """Return a string field; empty if there is none."""
        at = self.place(slot)
        return "" if at is None else self._text(at)

    def span(self, slot: int, width: int) -> Span | None:
        """Return where the values of a vector lie, each of ``width`` bytes."""
        at = self.place(slot)
        if at is None:
            return None
        start = self._followed(at)
        count = self._read("<I", start)
        if start + 4 + count * width > len(self._data):
            raise DamagedTableError("a vector ends beyond the file")
        return Span(start + 4, count)

    def integers(self, slot: int) -> tuple[int, ...]:
        """Return a vector of int."""
        span = self.span(slot, 4)
        if span is None:
            return ()
        return struct.unpack_from(f"<{span.count}i", self._data, span.start)

    def texts(self, slot: int) -> tuple[str, ...]:
        """Return a vector of strings."""
        return tuple(map(self._text, self._items(slot)))

    def tables(self, slot: int) -> tuple[FlatTable, ...]:
        """Return a vector of tables."""
        return tuple(FlatTable(self._data, self._followed(at)) for at in self._items(slot))

    def _items(self, slot: int) -> Iterator[int]:
        span = self.span(slot, 4)
        if span is not None:
            yield from range(span.start, span.start + 4 * span.count, 4)

    def _text(self, at: int) -> str:
        start = self._followed(at)
        end = start + 4 + self._read("<I", start)
        if end > len(self._data):
            raise DamagedTableError("a text ends beyond the file")
        return self._data[start + 4 : end].decode(errors="replace")

    def _scalar(self, layout: str, slot: int, default: int) -> int:
        at = self.place(slot)
        return default if at is None else self._read(layout, at)

    def _followed(self, at: int) -> int:
        return at + self._read("<I", at)

    def _read(self, layout: str, at: int) -> int:
        value: int = self._unpacked(layout, at)
        return value

    def _unpacked(self, layout: str, at: int) -> Any:
        if not 0 <= at <= len(self._data) - struct.calcsize(layout):
            raise DamagedTableError("a position is outside the file")
        return struct.unpack_from(layout, self._data, at)[0]


def root_table(data: bytes) -> FlatTable:
    """Return the table that a flatbuffer begins with; raise DamagedTableError if it has none."""
    if len(data) < 4:
        raise DamagedTableError("the file is too short")
    return FlatTable(data, struct.unpack_from("<I", data)[0])
