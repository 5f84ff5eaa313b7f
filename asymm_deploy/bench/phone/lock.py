"""One benchmark a phone: a lock on the phone itself, which a crash does not leave behind.

The lock is a folder on the phone, since making one is atomic. It names its owner, and while the
owner lives a command on the phone touches it every few seconds. That command hangs on a connection
of the owner's, so it ends with the owner, with the cable and with the phone. A lock that nobody
touches while we watch is free, and so is one whose owner was a process of this machine that has
ended. One whose owner is a process of this machine that lives is not. When it was last touched does
not count: a phone's clock jumps.
"""

from __future__ import annotations

import os
import platform
import secrets
import shlex
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from asymm_deploy.bench.device import Tell
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

FOLDER = "/data/local/tmp/asymm-deploy.lock"
_TOUCH_S = 3
LEASE_S = 15.0
"""A lock untouched while we watch it this long has no owner: five times the pause in between."""
_LOOK_S = 1.0
_ENDED = ("Z", "X")
"""States of a process that does nothing any more: proc(5)."""
_held: set[str] = set()
"""Tokens of the locks that this process has: an earlier one of its own is nobody's any more."""


class _Owner(msgspec.Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{0,32}\Z")]
    """Random; it goes into shell commands, so it holds nothing that a shell would interpret."""
    host: str
    pid: int
    started: str
    """When the process started, which tells it from a later one with the same number."""


class Lock:
    """A phone's lock, which one process at a time can ``acquire``."""

    def __init__(self, link: Link, tell: Tell) -> None:
        self._link = link
        self._tell = tell
        self._owner = _Owner(secrets.token_hex(8), _host(), os.getpid(), _started(os.getpid()))
        self._connection = ExitStack()
        self._stream: AdbConnection | None = None
        self.off_core_prefix = ""
        """Goes before the command that touches the lock, to keep it off the timed core."""

    def acquire(self) -> str | None:
        """Take the lock; return None, or the living owner who has it already, in words."""
        holder, touched = self._inspect()
        if holder is not None and not self._is_gone(holder):
            if self._is_alive(holder):
                return _named(holder)
            self._tell(
                f"{self._link.serial} is locked by {_named(holder)}; "
                "checking whether it is still running"
            )
            deadline = time.monotonic() + LEASE_S
            while holder is not None and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
                holder, now_touched = self._inspect()
                if holder is not None and now_touched != touched:
                    return _named(holder)
        if holder is not None:
            # Renamed first, so that only one of two who find it stale removes it.
            aside = f"{FOLDER}.{self._owner.token}"
            unchanged = f"grep -q {holder.token} {FOLDER}/owner" if holder.token else "true"
            self._link.run_with_retries(f"{unchanged} && mv {FOLDER} {aside} && rm -rf {aside}")
        text = shlex.quote(msgspec.json.encode(self._owner).decode())
        # Of two who get here at once, only one makes the folder.
        made = self._link.run_with_retries(
            f"if mkdir {FOLDER}; then "
            f"echo {text} >{FOLDER}/owner || {{ rm -rf {FOLDER}; false; }}; fi"
        )
        holder, _touched = self._inspect()
        if holder is None:
            raise HarnessError(
                f"{self._link.serial} can't be written to: {made.why}",
                "make room on it, and make sure that the shell user may write to /data/local/tmp",
            )
        if holder != self._owner:
            return _named(holder)
        _held.add(self._owner.token)
        self.keep_touched()
        return None

    def keep_touched(self) -> None:
        """Have the phone touch the lock from now on, as long as our connection lasts."""
        self._end_touching()
        # The loop prints, so that a closed pipe ends it where nothing else would.
        touched = f"touch -c {FOLDER}/owner && [ -e {FOLDER}/owner ] && echo"
        loop = f"{self.off_core_prefix}while {touched}; do sleep {_TOUCH_S}; done"
        with suppress(LostError):  # ``is_touched`` will tell
            self._stream = self._connection.enter_context(self._link.streaming(loop))

    def is_touched(self) -> bool:
        """Whether the lock is still touched: that ends with the cable and with the phone."""
        if self._stream is None:
            return False
        self._stream.conn.settimeout(0)
        try:
            while self._stream.conn.recv(2**16):
                pass
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    @property
    def check_command(self) -> str:
        """The shell command that fails where somebody else has taken the lock."""
        return f"grep -q {self._owner.token} {FOLDER}/owner"

    def is_ours(self) -> bool:
        """Whether we still have the lock: another may take it while the phone is away."""
        return self._inspect()[0] == self._owner

    def release(self) -> None:
        """Give the lock back, if it is ours. Raises LostError without a phone; it expires then."""
        self._link.run_once(f"{self.check_command} && rm -rf {FOLDER}")

    def stop_touching(self) -> None:
        """End the command that touches the lock: we don't need it any more."""
        _held.discard(self._owner.token)
        self._end_touching()

    def _end_touching(self) -> None:
        self._connection.close()
        self._stream = None

    def _inspect(self) -> tuple[_Owner | None, str]:
        """Return its owner, and what changes with every touch.

        The owner's file is one line::

            {"token":"0123456789abcdef","host":"elsewhere","pid":1,"started":"1"}

        and what changes is a time by the phone's clock:
        ``2022-10-05 08:12:31.120000000 2022-10-05 08:12:31.120000000``.
        """
        said = self._link.run_sections(
            {
                "there": f"[ -d {FOLDER} ]",
                "owner": f"cat {FOLDER}/owner",
                "touched": f"stat -c '%y %z' {FOLDER}/owner || stat -c '%y %z' {FOLDER}",
            }
        )
        if said["there"].code != 0:
            return None, ""
        try:
            # Whatever the phone prints first, ours is the line in braces.
            line = next((line for line in said["owner"].text.split("\n") if "{" in line), "")
            owner = msgspec.json.decode(line.strip(), type=_Owner)
        except (msgspec.MsgspecError, RecursionError):
            # Its owner ended between making and signing it, or is just about to sign it.
            owner = _Owner("", "an unknown machine", 0, "")
        return owner, said["touched"].text

    @staticmethod
    def _is_gone(owner: _Owner) -> bool:
        if owner.host != _host() or owner.pid <= 0:
            return False
        if owner.pid == os.getpid() and owner.token not in _held:
            return True
        now = _started(owner.pid)
        return now != owner.started if now else not _exists(owner.pid)

    @staticmethod
    def _is_alive(owner: _Owner) -> bool:
        """Whether it is a process of this machine for certain: not all systems tell."""
        return (
            owner.host == _host() and owner.started != "" and _started(owner.pid) == owner.started
        )


class PhoneTakenError(HarnessError):
    """Another benchmark has the phone: it may be free later."""


def taken_error(serial: str) -> PhoneTakenError:
    """Return the error for a phone whose lock another benchmark has taken from us."""
    return PhoneTakenError(
        f"another benchmark has taken {serial} meanwhile",
        "wait for it to end, then run the same command again: it resumes where it stopped",
    )


def _named(owner: _Owner) -> str:
    return f"process {owner.pid} on {excerpt(owner.host, 60)}"


def _host() -> str:
    """Return a name that no other machine has, no other boot of it and no other container on it."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        processes = Path("/proc/self/ns/pid").readlink().name
        return f"{platform.node()} ({boot[:8]} {processes})"
    return platform.node()


def _started(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks.

    Empty if there is none, if it has ended and its parent has not asked how, and where other users'
    processes are hidden. Parses ``4321 (python3) S 1 4321 4321 ... 8213 ...`` of /proc/PID/stat.
    """
    try:
        # It is the 20th field behind the name in brackets, which may hold anything: proc(5).
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if words[0] in _ENDED else words[19]
    except (OSError, IndexError):
        return ""


def _exists(pid: int) -> bool:
    """Whether there is a process of this number, seen or hidden."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # there is, and it is somebody else's
        return True
    except (OSError, OverflowError):
        return False
    return True
