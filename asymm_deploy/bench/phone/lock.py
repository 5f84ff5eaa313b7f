"""One benchmark a phone: a lock on the phone itself, which no crashed benchmark leaves behind.

A folder on the phone is the lock, since making one is atomic. It names its owner, and while that
lives a command on the phone touches it every few seconds. That command hangs on a connection of
the owner's, so it ends with the owner, with the cable and with the phone. A lock that nobody has
touched for a while is nobody's; one whose owner was a process of this machine that has ended, too.
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

from asymm_deploy.bench.phone import adb_text, phone_facts
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.server import LostError, Tell
from asymm_deploy.errors import HarnessError

if TYPE_CHECKING:
    from adbutils import AdbConnection

FOLDER = "/data/local/tmp/asymm-deploy.lock"
_TOUCH_S = 3
LEASE_S = 15.0
"""A lock that was not touched for so long has no owner: five times the pause between touches."""
_LOOK_S = 1.0


class _Owner(msgspec.Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{0,32}$")]
    """Goes into commands."""
    host: str
    pid: int
    started: str
    """The process's start, which tells it from a later one of the same number."""


class Lock:
    """Held by one process at a time; see ``acquire``."""

    def __init__(self, link: Link, tell: Tell) -> None:
        self._link = link
        self._tell = tell
        self._owner = _Owner(secrets.token_hex(8), _host(), os.getpid(), _started(os.getpid()))
        self._kept = ExitStack()
        self._stream: AdbConnection | None = None
        self.politely = ""
        """Goes before the command that touches it, so that it keeps off the timed core."""

    def acquire(self) -> str | None:
        """Take the lock; return who has it instead, in words, if that one lives."""
        holder, touched, age_s = self._look()
        if holder is not None and not self._is_gone(holder) and age_s < LEASE_S:
            self._tell(f"{self._link.serial} is locked by {_named(holder)}; is that alive?")
            deadline = time.monotonic() + LEASE_S
            while holder is not None and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
                holder, now_touched, _age_s = self._look()
                if holder is not None and now_touched != touched:
                    return _named(holder)
        if holder is not None:
            # Renamed first, so that of two who see it only one removes it.
            aside = f"{FOLDER}.{self._owner.token}"
            unchanged = f"grep -q {holder.token} {FOLDER}/owner" if holder.token else "true"
            self._link.sure(f"{unchanged} && mv {FOLDER} {aside} && rm -rf {aside}")
        text = shlex.quote(msgspec.json.encode(self._owner).decode())
        # Of two who got here at once, only one makes the folder.
        made = self._link.sure(
            f"if mkdir {FOLDER}; then "
            f"echo {text} >{FOLDER}/owner || {{ rm -rf {FOLDER}; false; }}; fi"
        )
        holder, _touched, _age_s = self._look()
        if holder is None:
            raise HarnessError(
                f"{self._link.serial} can't be written to: {made.why}",
                "make room on the phone, and see that the shell user may write to /data/local/tmp",
            )
        if holder != self._owner:
            return _named(holder)
        self.keep()
        return None

    def keep(self) -> None:
        """Have it touched from now on, as long as our connection lasts."""
        self.let_go()
        # It prints, so that it ends where nothing but a closed pipe could end it.
        touched = f"touch -c {FOLDER}/owner && [ -e {FOLDER}/owner ] && echo"
        loop = f"{self.politely}while {touched}; do sleep {_TOUCH_S}; done"
        with suppress(LostError):  # noticed by ``is_kept``
            self._stream = self._kept.enter_context(self._link.streaming(loop))

    def is_kept(self) -> bool:
        """Whether it is still touched: that connection ends with the cable, and with the phone."""
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
    def claim(self) -> str:
        """The command on the phone that fails where somebody else has taken it."""
        return f"grep -q {self._owner.token} {FOLDER}/owner"

    def is_ours(self) -> bool:
        """Whether nobody has taken it, while the phone was away for example."""
        return self._look()[0] == self._owner

    def release(self) -> None:
        """Give it back, if it is ours. Raises LostError where the phone is gone: it expires."""
        self._link.once(f"{self.claim} && rm -rf {FOLDER}")

    def let_go(self) -> None:
        """Touch it no longer."""
        self._kept.close()
        self._stream = None

    def _look(self) -> tuple[_Owner | None, int | None, float]:
        """Return who has it, when it was touched by the phone's clock, and how long ago that is."""
        said = phone_facts.sections(
            self._link,
            {
                "there": f"[ -d {FOLDER} ]",
                "owner": f"cat {FOLDER}/owner",
                "touched": f"stat -c %Y {FOLDER}/owner || stat -c %Y {FOLDER}",
                "now": "date +%s",
            },
        )
        if said["there"].code != 0:
            return None, None, 0.0
        touched, now = (_last_number(said[name].text) for name in ("touched", "now"))
        age_s = float(now - touched) if now is not None and touched is not None else 0.0
        try:
            # Whatever the phone says first, ours is the line in braces.
            line = next((line for line in said["owner"].text.split("\n") if "{" in line), "")
            owner = msgspec.json.decode(line.strip(), type=_Owner)
        except msgspec.MsgspecError:
            # Its owner ended between making it and signing it, or is doing so this moment.
            owner = _Owner("", "an unknown machine", 0, "")
        return owner, touched, age_s

    @staticmethod
    def _is_gone(owner: _Owner) -> bool:
        return owner.host == _host() and owner.pid > 0 and _started(owner.pid) != owner.started


def _last_number(text: str) -> int | None:
    return adb_text.number(next(iter(text.split()[-1:]), ""))


def _named(owner: _Owner) -> str:
    return f"process {owner.pid} on {adb_text.shown(owner.host, 60)}"


def _host() -> str:
    """Return what no other machine has, no other boot of this one, and no other container on it."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        processes = Path("/proc/self/ns/pid").readlink().name
        return f"{platform.node()} ({boot[:8]} {processes})"
    return platform.node()


def _started(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks; empty if there is none."""
    try:
        # Behind the name in brackets, which may hold anything, it is the 20th field: proc(5).
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
