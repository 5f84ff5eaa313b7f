"""adb's shells: a command, its streams, its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.phone.transport import ClosedError, Stream

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN, WINDOW_SIZE = range(6)
_HEAD = struct.Struct("<BI")
_MAX_PACKET = 2**20

Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Shell:
    """How a service wants its command run."""

    command: str
    protocol: bool
    """Version 2: packets that tell stdout from stderr, and an exit code."""
    terminal: bool
    """A pseudo-terminal, which merges the streams and turns ``\\n`` into ``\\r\\n``."""


def shell_of(service: str, features: frozenset[str]) -> Shell | None:
    """Return what a service's name asks for; None if it is no shell that this phone has."""
    name, colon, command = service.partition(":")
    kind, *arguments = name.split(",")
    if not colon or kind not in {"shell", "exec"}:
        return None
    if kind == "exec":
        return None if arguments else Shell(command, protocol=False, terminal=False)
    if "shell_v2" not in features:
        # Before Android 7 every shell had a terminal.
        return None if arguments else Shell(command, protocol=False, terminal=True)
    terminal = "pty" in arguments or ("raw" not in arguments and not command)
    return Shell(command, protocol="v2" in arguments, terminal=terminal)


class Outward:
    """Removes the path of the phone's folder from a stream that comes in pieces."""

    def __init__(self, root: bytes) -> None:
        self._root = root
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is certain so far: the folder's path may begin at the end of ``data``."""
        whole = self._replace(self._held + data)
        longest = min(len(whole), len(self._root))
        keep = next(
            (n for n in range(longest, 0, -1) if self._root.startswith(whole[-n:])),
            0,
        )
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def rest(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, b""
        return b"/" if held == self._root else held

    def _replace(self, data: bytes) -> bytes:
        if self._root not in data:
            return data
        head, *parts = data.split(self._root)
        out = bytearray(head)
        for index, part in enumerate(parts):
            if not part and index == len(parts) - 1:
                out += self._root  # the next piece decides
            elif not part.startswith(b"/"):
                out += b"/" + part  # the root itself
            else:
                out += part
        return bytes(out)


@dataclass(eq=False)
class Program:
    """A running command and its streams."""

    process: subprocess.Popen[bytes]
    out: asyncio.StreamReader
    err: asyncio.StreamReader | None
    stdin: asyncio.WriteTransport | None
    exited: asyncio.Event
    transports: list[asyncio.BaseTransport] = field(default_factory=list)

    def hang_up(self) -> None:
        """Do what adbd does to a command whose transport is gone.

        Only the shell is hung up, and only in version 2: closing a terminal hangs up by itself, and
        without packets the stream is the command's own, which it notices when it prints next.
        """
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGHUP)

    def release(self) -> None:
        """Close our ends of the streams."""
        for transport in self.transports:
            if not transport.is_closing():
                transport.close()


class _Ending(asyncio.StreamReaderProtocol):
    """Ends well: a terminal ends with EIO, and the reader would then drop what it holds."""

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        super().connection_lost(None)


async def start(
    text: str, shell: Shell, *, program: Path, env: Mapping[str, str], cwd: Path
) -> Program:
    """Start the phone's sh on ``text``, in a session of its own."""
    loop = asyncio.get_running_loop()
    argv = ["/system/bin/sh", "-c", text] if text else ["/system/bin/sh"]
    ours: list[int] = []
    theirs: list[int] = []
    try:
        if shell.terminal:
            master, slave = os.openpty()
            ours = [master]
            theirs = [slave] * 3
            argv = ["setsid", "-c", str(program), *argv[1:]]
            executable = None
        else:
            pipes = [os.pipe() for _ in range(3 if shell.protocol else 2)]
            (stdin, stdin_end), *outs = pipes
            ours = [outs[0][0], stdin_end, *(pair[0] for pair in outs[1:])]
            theirs = [stdin, outs[0][1], outs[-1][1]]
            executable = str(program)
        process = subprocess.Popen(
            argv,
            executable=executable,
            stdin=theirs[0],
            stdout=theirs[1],
            stderr=theirs[2],
            env=env,
            cwd=cwd,
            start_new_session=not shell.terminal,
        )
    except OSError:
        for end in ours:
            os.close(end)
        raise
    finally:
        for end in set(theirs):
            os.close(end)
    exited = asyncio.Event()
    _watch(process, exited)
    transports: list[asyncio.BaseTransport] = []

    async def reader(end: int) -> asyncio.StreamReader:
        stream = asyncio.StreamReader(2**20)
        pipe = os.fdopen(end, "rb", 0)
        transport, _protocol = await loop.connect_read_pipe(lambda: _Ending(stream), pipe)
        transports.append(transport)
        return stream

    if shell.terminal:
        inward = os.fdopen(os.dup(ours[0]), "wb", 0)
        ends = [ours[0]]
    else:
        inward = os.fdopen(ours[1], "wb", 0)
        ends = [ours[0], *ours[2:]]
    readers = [await reader(end) for end in ends]
    writer, _protocol = await loop.connect_write_pipe(asyncio.Protocol, inward)
    transports.append(writer)
    err = readers[1] if len(readers) > 1 else None
    return Program(process, readers[0], err, writer, exited, transports)


def _watch(process: subprocess.Popen[bytes], exited: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    pidfd = os.pidfd_open(process.pid)

    def gone() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        process.wait()
        exited.set()

    loop.add_reader(pidfd, gone)


async def converse(
    program: Program, stream: Stream, shell: Shell, root: Path, edit: Callable[[bytes], bytes]
) -> None:
    """Carry a command's streams until the command or the transport ends."""

    def framed(kind: int) -> Send:
        async def send(data: bytes) -> None:
            for start_at in range(0, len(data), _MAX_PACKET):
                part = data[start_at : start_at + _MAX_PACKET]
                await stream.write(_HEAD.pack(kind, len(part)) + part)

        return send if shell.protocol else stream.write

    async def pump(reader: asyncio.StreamReader, send: Send) -> None:
        outward = Outward(str(root).encode())
        while data := await reader.read(2**16):
            if whole := edit(outward.feed(data)):
                await send(whole)
        if rest := edit(outward.rest()):
            await send(rest)

    async def outputs() -> None:
        pumps = [pump(program.out, framed(STDOUT))]
        if program.err is not None:
            pumps.append(pump(program.err, framed(STDERR)))
        # Like adbd, wait until both streams end: a child in the background keeps the command open.
        await asyncio.gather(*pumps)
        await program.exited.wait()

    feeding = asyncio.create_task(_feed(program, stream, shell))
    running = asyncio.create_task(outputs())
    gone = asyncio.create_task(stream.closed.wait())
    try:
        await asyncio.wait({running, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done() or running.exception() is not None:
            if shell.protocol:
                program.hang_up()
            return
        if shell.protocol:
            await stream.write(_HEAD.pack(EXIT, 1) + bytes([_code(program.process.returncode)]))
    finally:
        tasks = (feeding, running, gone)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        program.release()


async def say(stream: Stream, shell: Shell, text: bytes) -> None:
    """Print on stdout."""
    head = _HEAD.pack(STDOUT, len(text)) if shell.protocol else b""
    await stream.write(head + text)


async def _feed(program: Program, stream: Stream, shell: Shell) -> None:
    """Pass on what the other side types."""
    assert program.stdin is not None
    with suppress(ClosedError):
        if not shell.protocol:
            while data := await stream.read():
                program.stdin.write(data)
            return
        while True:
            kind, length = _HEAD.unpack(await stream.read_exactly(_HEAD.size))
            if length > _MAX_PACKET:
                raise ClosedError
            data = await stream.read_exactly(length)
            if kind == STDIN:
                program.stdin.write(data)
            elif kind == CLOSE_STDIN:
                program.stdin.close()


def _code(returncode: int) -> int:
    """Return the code as a shell does: 128 plus the number of a signal."""
    return returncode if returncode >= 0 else 128 - returncode
