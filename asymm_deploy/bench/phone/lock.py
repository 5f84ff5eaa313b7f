"""One benchmark a phone: a lock on the phone itself, which a crash does not leave behind.

The lock is a folder on the phone, since making one is atomic. It names its owner, and while the
owner lives a command on the phone touches it every few seconds. That command hangs on a connection
of the owner's, so it ends with the owner, with the cable and with the phone. A lock that nobody has
touched for a while is free, and so is one whose owner was a process of this machine that has ended.
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
from asymm_deploy.bench.phone.parse.sections import Section
from asymm_deploy.bench.phone.parse.text_lines import number
from asymm_deploy.bench.phone.server import LostError
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

if TYPE_CHECKING:
    from adbutils import AdbConnection

FOLDER = "/data/local/tmp/asymm-deploy.lock"
_TOUCH_S = 3
LEASE_S = 15.0
"""A lock untouched for this long has no owner; it is five times the pause between touches."""
_LOOK_S = 1.0


class _Owner(msgspec.Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{0,32}$")]
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
        holder, touched, age_s = self._inspect()
        if holder is not None and not self._is_gone(holder) and age_s < LEASE_S:
            self._tell(
                f"{self._link.serial} is locked by {_named(holder)}; "
                "checking whether it is still running"
            )
            deadline = time.monotonic() + LEASE_S
            while holder is not None and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
                holder, now_touched, _age_s = self._inspect()
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
        holder, _touched, _age_s = self._inspect()
        if holder is None:
            raise HarnessError(
                f"{self._link.serial} can't be written to: {made.why}",
                "make room on it, and make sure that the shell user may write to /data/local/tmp",
            )
        if holder != self._owner:
            return _named(holder)
        self.keep_touched()
        return None

    def keep_touched(self) -> None:
        """Have the phone touch the lock from now on, as long as our connection lasts."""
        self.stop_touching()
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
        """End the command that touches the lock."""
        self._connection.close()
        self._stream = None

    def _inspect(self) -> tuple[_Owner | None, int | None, float]:
        """Return its owner, when it was last touched, by the phone's clock, and how long ago.

        The owner's file is one line::

            {"token":"0123456789abcdef","host":"elsewhere","pid":1,"started":"1"}

        and the times are numbers of seconds: 1664582400.
        """
        said = self._link.run_sections(
            {
                "there": f"[ -d {FOLDER} ]",
                "owner": f"cat {FOLDER}/owner",
                "touched": f"stat -c %Y {FOLDER}/owner || stat -c %Y {FOLDER}",
                "now": "date +%s",
            }
        )
        if said["there"].code != 0:
            return None, None, 0.0
        touched, now = (_last_number(said[name]) for name in ("touched", "now"))
        age_s = float(now - touched) if now is not None and touched is not None else 0.0
        try:
            # Whatever the phone prints first, ours is the line in braces.
            line = next((line for line in said["owner"].text.split("\n") if "{" in line), "")
            owner = msgspec.json.decode(line.strip(), type=_Owner)
        except msgspec.MsgspecError:
            # Its owner ended between making and signing it, or is just about to sign it.
            owner = _Owner("", "an unknown machine", 0, "")
        return owner, touched, age_s

    @staticmethod
    def _is_gone(owner: _Owner) -> bool:
        return owner.host == _host() and owner.pid > 0 and _started(owner.pid) != owner.started


def _last_number(section: Section) -> int | None:
    return number(section.last_word)


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
    """Return when a process was started, in the kernel's ticks; empty if there is none.

    Parses ``4321 (python3) S 1 4321 4321 ... 8213 ...`` of /proc/PID/stat.
    """
    try:
        # It is the 20th field behind the name in brackets, which may hold anything: proc(5).
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
