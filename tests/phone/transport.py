"""adb's transport: packets on a connection, and streams within it.

A packet is 24 bytes, little-endian (command, two arguments, length, checksum, the command's bits
turned round), and its payload. A stream sends one WRTE and waits for the OKAY before the next.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

_HEADER = struct.Struct("<4sIIIII")
VERSION = 0x01000001
VERSION_WITH_CHECKSUMS = 0x01000000
MAX_PAYLOAD = 0x100000
_HUSH_S = 0.02
_AUTH_TOKEN, _AUTH_PUBLIC_KEY = 1, 3


class ClosedError(Exception):
    """The other side has closed the stream, or the connection is gone."""


@dataclass(frozen=True)
class Packet:
    """One message between adb's server and the phone."""

    command: bytes
    arg0: int
    arg1: int
    payload: bytes = b""

    def encode(self, version: int = VERSION) -> bytes:
        magic = int.from_bytes(self.command, "little") ^ 0xFFFFFFFF
        checksum = sum(self.payload) & 0xFFFFFFFF if version == VERSION_WITH_CHECKSUMS else 0
        length = len(self.payload)
        header = _HEADER.pack(self.command, self.arg0, self.arg1, length, checksum, magic)
        return header + self.payload


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """Return the next packet; raise IncompleteReadError at the end, ValueError on nonsense."""
    head = await reader.readexactly(_HEADER.size)
    command, arg0, arg1, length, _checksum, magic = _HEADER.unpack(head)
    if magic != int.from_bytes(command, "little") ^ 0xFFFFFFFF or length > MAX_PAYLOAD:
        raise ValueError(f"no packet of adb's: {head.hex()}")
    return Packet(command, arg0, arg1, await reader.readexactly(length))


@dataclass
class Traffic:
    """How fast a link is: seconds before each packet, and bytes a second."""

    latency_s: float = 0.0
    bytes_per_s: float | None = None
    hushes: int = 0
    """While there are any, nothing gets through in either direction, and nothing is refused."""

    async def carry(self, length: int) -> None:
        while self.hushes:
            await asyncio.sleep(_HUSH_S)
        delay_s = self.latency_s + (length / self.bytes_per_s if self.bytes_per_s else 0.0)
        if delay_s:
            await asyncio.sleep(delay_s)


class Stream:
    """One service's two-way stream of bytes."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self._connection = connection
        self._local, self._remote = local, remote
        self._incoming: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._buffer, self._at = b"", 0
        self._acknowledged = asyncio.Event()
        self._writing = asyncio.Lock()
        self.closed = asyncio.Event()

    async def accept(self) -> None:
        await self._connection.send(Packet(b"OKAY", self._local, self._remote))

    async def write(self, data: bytes) -> None:
        """Send all of ``data``; raise ClosedError if nobody wants it any more."""
        async with self._writing:
            for start in range(0, len(data), self._connection.max_payload):
                if self.closed.is_set():
                    raise ClosedError
                self._acknowledged.clear()
                part = data[start : start + self._connection.max_payload]
                await self._connection.send(Packet(b"WRTE", self._local, self._remote, part))
                await self._acknowledged.wait()
        if self.closed.is_set():
            raise ClosedError

    async def read(self) -> bytes:
        """Return the next piece; empty at the end."""
        if self._at == len(self._buffer):
            await self._fill()
        data, self._at = self._buffer[self._at :], len(self._buffer)
        return data

    async def read_exactly(self, length: int) -> bytes:
        """Return the next ``length`` bytes; raise ClosedError if the stream ends first."""
        data = bytearray()
        while len(data) < length:
            if self._at == len(self._buffer) and not await self._fill():
                raise ClosedError
            part = self._buffer[self._at : self._at + length - len(data)]
            self._at += len(part)
            data += part
        return bytes(data)

    async def _fill(self) -> bool:
        """Take the next piece; False at the end."""
        if self.closed.is_set() and self._incoming.empty():
            data = None
        else:
            data = await self._incoming.get()
        self._buffer, self._at = data or b"", 0
        if data:  # it is out of the queue, so there is room for more
            with suppress(ClosedError):
                await self.accept()
        return bool(data)

    async def close(self) -> None:
        """Tell the other side that nothing more comes from here."""
        if not self.closed.is_set():
            self.end()
            with suppress(ClosedError):
                await self._connection.send(Packet(b"CLSE", self._local, self._remote))

    def take(self, data: bytes) -> None:
        self._incoming.put_nowait(data)

    def acknowledge(self) -> None:
        self._acknowledged.set()

    def end(self) -> None:
        """Wake whatever waits for the other side."""
        self.closed.set()
        self._acknowledged.set()
        self._incoming.put_nowait(None)


Serve = Callable[[str, Stream], Awaitable[None]]
"""Runs a service, given its name, on a stream that has been accepted."""


@dataclass
class Greeting:
    """How a connection begins."""

    banner: str
    version: int
    max_payload: int
    knows: Callable[[str], bool]
    """Whether a service of this name exists."""
    authorized: Callable[[], bool]
    silent: Callable[[], bool]
    """Say nothing at all: adb then calls the phone offline."""


@dataclass(eq=False)
class Connection:
    """One transport, from CNXN to its end."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: Greeting
    serve: Serve
    traffic: Traffic
    _streams: dict[int, Stream] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _next: int = 0
    _greeted: bool = False
    max_payload: int = 0
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Serve until the other side goes, or ``cut`` is called."""
        try:
            while True:
                packet = await read_packet(self.reader)
                await self.traffic.carry(len(packet.payload))
                await self._handle(packet)
        except (asyncio.IncompleteReadError, ConnectionError, ClosedError, ValueError):
            pass
        finally:
            self.cut()
            for stream in self._streams.values():
                stream.end()
            if self._tasks:
                await asyncio.wait(self._tasks)
            with suppress(ConnectionError):
                await self.writer.wait_closed()

    def cut(self) -> None:
        """End the transport at once, as pulling the cable does."""
        transport = self.writer.transport
        if not transport.is_closing():
            transport.abort()

    async def send(self, packet: Packet) -> None:
        async with self._sending:
            if self.writer.transport.is_closing():
                raise ClosedError
            await self.traffic.carry(len(packet.payload))
            try:
                self.writer.write(packet.encode(self.greeting.version))
                await self.writer.drain()
            except ConnectionError as error:
                raise ClosedError from error

    async def greet(self) -> None:
        """Say CNXN once, which makes the phone's state ``device``."""
        if self._greeted:
            return
        self._greeted = True
        banner = self.greeting.banner.encode()
        await self.send(Packet(b"CNXN", self.greeting.version, self.greeting.max_payload, banner))

    async def _handle(self, packet: Packet) -> None:
        if packet.command in {b"CNXN", b"AUTH"}:
            await self._begin(packet)
        elif packet.command == b"OPEN":
            await self._open(packet)
        elif stream := self._streams.get(packet.arg1):
            if packet.command == b"WRTE":
                stream.take(packet.payload)
            elif packet.command == b"OKAY":
                stream.acknowledge()
            elif packet.command == b"CLSE":
                stream.end()

    async def _begin(self, packet: Packet) -> None:
        if packet.command == b"CNXN":
            self.max_payload = min(self.greeting.max_payload, packet.arg1)
        if self.greeting.silent():
            return
        if self.greeting.authorized():
            await self.greet()
        elif packet.arg0 != _AUTH_PUBLIC_KEY or packet.command == b"CNXN":
            # Each signature is refused with a new token, until the host sends its public key.
            await self.send(Packet(b"AUTH", _AUTH_TOKEN, 0, os.urandom(20)))

    async def _open(self, packet: Packet) -> None:
        service = packet.payload.rstrip(b"\0").decode(errors="surrogateescape")
        if not self._greeted or not self.greeting.knows(service):
            await self.send(Packet(b"CLSE", 0, packet.arg0))
            return
        self._next += 1
        stream = Stream(self, self._next, packet.arg0)
        self._streams[self._next] = stream
        await stream.accept()
        task = asyncio.create_task(self._serve(service, stream, self._next))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, service: str, stream: Stream, local: int) -> None:
        try:
            await self.serve(service, stream)
        finally:
            await stream.close()
            self._streams.pop(local, None)
