"""One launch that goes on for minutes on a phone, detached: its file is read as it grows.

Nothing that happens to the connection, or to this machine, affects it. What was missed is read once
the phone is back: whoever reads knows up to which byte it has everything.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.judge.conditions import OF_POWER, reading_flags
from asymm_deploy.bench.phone.checks.other_benches import looking_for_others, saw_another
from asymm_deploy.bench.phone.lock import taken_error
from asymm_deploy.bench.phone.parse import dumpsys
from asymm_deploy.bench.phone.parse.sections import Section, compound_command, named_sections
from asymm_deploy.bench.phone.parse.text_lines import number
from asymm_deploy.bench.phone.phone_launch import OURS, Launcher, kill_all, now_ns, start_command
from asymm_deploy.bench.phone.readings import parse_reading
from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.following import KillAfter, LostLaunchError, require_heard
from asymm_deploy.errors import HarnessError

_POLL_S = 2.0
"""Between two looks at a phone."""
_SOON_S = 0.2
"""While it is being started, or has just ended."""
_SELDOM_S = 30.0
"""Between two looks at what needs a program of Java to be asked for, but with the last look."""
SELDOM = ("low_power", "screen")
_BIRTH_S = 15.0
"""A launch that has not begun by then never will."""
_PIECE_BYTES = 4 * 2**20
_STDERR_BYTES = 64 * 2**10
_SIGNALLED = 128
_KILLED = _SIGNALLED + 9
_ATTEMPTS = 3
_OUT = "out"


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look brought."""

    said: Mapping[str, Section]
    out: bytes
    """Whole lines that the runner has printed behind what is known."""
    is_last: bool
    """Nothing is behind them."""


class FollowedStep(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a launch has brought."""

    out: bytes = b""
    """Whole lines that the runner has printed behind what was known."""
    reading: CurveReading | None = None
    completed: Completed | None = None
    """How it ended, once it has."""
    lost: str = ""
    """How it was lost, if it was."""
    unreadable: str = ""
    """Why its output is none, where somebody else looks: otherwise WireError is raised."""
    is_shared: bool = False
    """Another bench uses the phone."""
    pause_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.0
    """Before the next look."""


class FollowedLaunch:
    """One launch, looked at again and again; ``start`` it, unless it goes on already."""

    def __init__(
        self, launcher: Launcher, folder: PurePosixPath, argv: Sequence[str], limits: KillAfter
    ) -> None:
        """Take where it leaves its result, and after how long it is killed."""
        self.known = 0
        """Bytes of its output that were taken."""
        self._launcher, self._folder, self._argv = launcher, folder, argv
        self._limits = limits
        self._asked_seldom = -_SELDOM_S  # never, also on a machine that was started just now
        self._others = looking_for_others(launcher.base, folder, launcher.check_lock)
        self._began = self._heard = time.monotonic()
        self._started_ns: int | None = None
        self._is_shared = False
        self._missed = self._stuck = 0
        self._failure: HarnessError | None = None
        """What the next look raises: the last one had brought something."""

    def look(self) -> FollowedStep:
        """Return what has come behind what is ``known``, which is more then, and what follows.

        Raises HarnessError if the phone fails, WireError for what is no stream.
        """
        if self._failure is not None:
            raise self._failure
        losses, asked = self._launcher.link.losses, time.monotonic()
        look = self._look()
        reading = None
        if look.out:
            told = _reading(look.said, runs=look.said["state"].last_word == "running")
            reading = told if look.is_last else None
        self._is_shared = self._is_shared or saw_another(look.said["others"])
        completed, lost, pause_s = None, "", 0.0
        try:
            completed, pause_s = self._what_follows(look, losses, asked)
        except LostLaunchError as error:
            lost = str(error)
        except HarnessError as failure:
            if not look.out:
                raise
            self._failure = failure
        return FollowedStep(
            out=look.out,
            reading=reading,
            completed=completed,
            lost=lost,
            is_shared=self._is_shared,
            pause_s=pause_s,
        )

    def _what_follows(
        self, look: _Look, losses: int, asked: float
    ) -> tuple[Completed | None, float]:
        """Return how it ended, if it has, or else the pause before the next look.

        ``asked`` is when the look began.
        """
        launcher = self._launcher
        state = look.said["state"].last_word
        self._stuck = 0 if look.out else self._stuck + 1
        self._heard = time.monotonic() if look.out else self._heard
        if state == "done":
            if look.is_last:
                return self._completed(look), 0.0
            if self._stuck > _ATTEMPTS:
                raise LostLaunchError("a part of its output does not arrive")
            return None, 0.0
        if not look.is_last:
            return None, 0.0
        if launcher.link.losses != losses and launcher.rebooted():
            raise LostLaunchError("the phone has restarted")
        taken_s = time.monotonic() - self._began
        # It may have ended after we looked for its code and before we looked for the process.
        gone = state == "gone" or (state == "unborn" and taken_s > _BIRTH_S)
        self._missed = self._missed + 1 if gone else 0
        if self._missed > 1:
            launcher.require_room(self._folder)
            raise LostLaunchError("it ended without a result")
        if taken_s > self._limits.total_s:
            launcher.link.run_with_retries(kill_all(launcher.base))
            return Completed(b"", b"", _KILLED, timed_out=True), 0.0
        if not gone:  # by its file: what a lost connection keeps from us is none of its silence
            require_heard(asked - self._heard, self._limits)
        return None, _POLL_S if state == "running" else _SOON_S

    def start(self) -> None:
        """Start it; raise HarnessError where the phone is another bench's, or can't."""
        launcher = self._launcher
        self._started_ns = now_ns()
        if launcher.watch is not None:
            launcher.watch.learn(self._argv)
        said = launcher.link.run_sections(
            {
                "off": f"{launcher.off_core_prefix}true",
                "lock": launcher.claim,
                "others": self._others,
                "start": start_command(self._folder, launcher.script(self._argv, self._folder)),
            }
        )
        launcher.require_started(said["lock"], said["start"])
        self._is_shared = saw_another(said["others"])

    def _look(self) -> _Look:
        """Ask for its state, for readings, and for what it has printed since the last look.

        All in one command, from other cores than the timed ones.
        """
        launcher, folder = self._launcher, self._folder
        mark, behind = secrets.token_hex(8), secrets.token_hex(8)
        watch = launcher.watch
        commands = {
            # Before the output: all that it has printed is there once it has ended.
            "state": (
                f"if [ -e {folder}/code ]; then echo done; "
                f"elif [ ! -e {folder}/pid ]; then echo unborn; "
                f"elif {alive_command(folder)}; then echo running; else echo gone; fi"
            ),
            "size": f"wc -c <{folder}/{_OUT}",
            "code": f"cat {folder}/code",
            "err": f"tail -c {_STDERR_BYTES} {folder}/err",
            "lock": launcher.claim,
            "others": self._others,
            **({} if watch is None else {"files": watch.command(self._argv)}),
            **self._readings(),
        }
        command = (
            f"{compound_command(mark, commands)}; echo {behind}; "
            f"tail -c +{self.known + 1} {folder}/{_OUT} | head -c {_PIECE_BYTES}"
        )
        # Short: a phone from before Android 7 takes 4 KB at most.
        command = f"{launcher.off_core_prefix}F={folder}; {command.replace(str(folder), '$F')}"
        printed = launcher.link.run_with_retries(command, most_bytes=2 * _PIECE_BYTES).stdout
        front, _, out = printed.partition(behind.encode())
        said = named_sections(front, mark, commands)
        if said["lock"].code != 0:
            raise taken_error(launcher.link.serial)
        # Some connections turn all line ends into CRLF; the mark's own comes first.
        fetched = out.replace(b"\r\n", b"\n").removeprefix(b"\n")
        lines = fetched[: fetched.rfind(b"\n") + 1]
        if said["state"].last_word != "done":
            if len(fetched) >= _PIECE_BYTES and not lines:
                raise wire.WireError("the runner printed a line without end")
            self.known += len(lines)
            return _Look(said, lines, is_last=len(fetched) < _PIECE_BYTES)
        size = number(said["size"].last_word) or 0
        is_last = self.known + len(fetched) >= size
        taken = fetched if is_last else lines  # the last line may have no end
        self.known += len(taken)
        return _Look(said, taken, is_last)

    def _readings(self) -> dict[str, str]:
        readings = dict(self._launcher.readings)
        if time.monotonic() - self._asked_seldom < _SELDOM_S:
            at_end = f"[ -e {self._folder}/code ] && "
            return readings | {name: at_end + readings[name] for name in SELDOM if name in readings}
        self._asked_seldom = time.monotonic()
        return readings

    def _completed(self, look: _Look) -> Completed:
        watch = self._launcher.watch
        if watch is not None:
            watch.require_same(look.said["files"], self._argv)
        code = number(look.said["code"].last_word)
        if code is None:  # the file is there and empty: the phone was full, or lost its power
            self._launcher.require_room(self._folder)
            raise LostLaunchError("it left no result")
        if code == _KILLED:
            raise LostLaunchError("it was killed on the phone")
        return Completed(
            b"",
            look.said["err"].text.encode(),
            _SIGNALLED - code if code > _SIGNALLED else code,
            elapsed_ns=None if self._started_ns is None else now_ns() - self._started_ns,
            # No second may be left that this reading could stand beside.
            flags=tuple({*reading_flags(parse_reading(look.said), None)} & {*OF_POWER}),
        )


def alive_command(folder: PurePosixPath) -> str:
    """Return the command that tells whether a launch runs: another program may have its number."""
    return f"n=$(cat {folder}/pid 2>/dev/null) && grep -q {OURS} /proc/$n/cmdline 2>/dev/null"


def _reading(said: Mapping[str, Section], *, runs: bool) -> CurveReading:
    """Return what a phone said of itself; where nothing ``runs`` any more, its clock is idle."""
    found = parse_reading(said)
    thermal = said["thermal"].text if "thermal" in said and said["thermal"].code == 0 else ""
    sensors = {
        name: celsius
        for name, celsius in dumpsys.temperatures(thermal).items()
        if name.lower() != "battery"
    }
    hottest = max(sensors, key=lambda name: sensors[name], default=None)
    told = CurveReading(
        hottest_c=None if hottest is None else sensors[hottest],
        hottest=hottest,
        **{
            name: value
            for name, value in msgspec.structs.asdict(found).items()
            if name in CurveReading.__struct_fields__
        },
    )
    return told if runs else msgspec.structs.replace(told, clock_khz=None)
