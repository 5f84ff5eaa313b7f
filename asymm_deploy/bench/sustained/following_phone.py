"""A runner that goes on for minutes on a phone, detached: its file is read as it grows.

Nothing that happens to the connection, or to this machine, affects it. What was missed is read once
the phone is back: the reader knows up to which byte it has everything.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed
from asymm_deploy.bench.judge.conditions import reading_flags
from asymm_deploy.bench.phone.checks.other_benches import looking_for_others, saw_another
from asymm_deploy.bench.phone.lock import taken_error
from asymm_deploy.bench.phone.parse import dumpsys
from asymm_deploy.bench.phone.parse.sections import Section, compound_command, named_sections
from asymm_deploy.bench.phone.parse.text_lines import number
from asymm_deploy.bench.phone.phone_device import AdbDevice
from asymm_deploy.bench.phone.phone_launch import OURS, Launcher, kill_all, now_ns, start_command
from asymm_deploy.bench.phone.pushed_files import BASE
from asymm_deploy.bench.phone.readings import parse_reading
from asymm_deploy.bench.sustained.curve_records import CurveReading
from asymm_deploy.bench.sustained.curve_verdict import OF_HEAT
from asymm_deploy.bench.sustained.following import LostLaunchError, Take

_POLL_S = 2.0
"""Between two looks at a phone."""
_SOON_S = 0.2
"""While it is being started, or has just ended."""
_SELDOM_S = 30.0
"""Between two looks at what needs a program of Java to be asked for."""
_SELDOM = ("low_power", "screen")
_BIRTH_S = 15.0
"""A launch that has not begun by then never will."""
_PIECE_BYTES = 4 * 2**20
_STDERR_BYTES = 64 * 2**10
_SIGNALLED = 128
_KILLED = _SIGNALLED + 9
_ATTEMPTS = 3
_MOST_REST_S = 1800.0
_OUT = "out"


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look brought."""

    said: Mapping[str, Section]
    out: bytes
    """Whole lines that the runner has printed behind what is known."""
    is_last: bool
    """Nothing is behind them."""


class PhoneFollower:
    """On a phone a runner goes on without us."""

    def __init__(self, device: AdbDevice) -> None:
        """Take a phone."""
        self.device = device
        self.cpus: Sequence[int] = ()

    def goes_on(self, name: str) -> bool:
        """Whether it runs, or has left its result; if so, the phone is told to leave it alone."""
        folder = BASE / "run" / name
        said = self.device.link.run_with_retries(
            f"if [ -e {folder}/code ]; then echo yes; else {_alive(folder)} && echo yes; fi"
        )
        there = said.last_word == "yes"
        self.device.spared = name if there else None
        return there

    @property
    def can_rest(self) -> bool:
        """Return True."""
        return True

    def rest(self) -> None:
        """Pause, and again and again while it is still hot, for half an hour at most."""
        launcher = self.device.launcher
        assert launcher is not None
        deadline = time.monotonic() + _MOST_REST_S
        while True:
            self.device.cool_down(is_hot=True)
            said = launcher.link.run_sections(
                {name: what for name, what in launcher.readings.items() if name not in _SELDOM}
            )
            top_khz = self.device.facts(self.cpus).cpu_max_khz
            told = reading_flags(parse_reading(said), top_khz)
            if not {*OF_HEAT}.intersection(told) or time.monotonic() > deadline:
                return

    def follow(self, argv: Sequence[str], name: str, *, timeout_s: float, take: Take) -> Completed:
        """Start it, unless it goes on already, and look at it every two seconds."""
        launcher = self.device.launcher
        assert launcher is not None
        self.device.reclaim_if_lost()
        if self.device.spared not in (None, name):
            self.device.spared = None
        taken_up = self.device.spared == name
        following = _Following(launcher, launcher.base / "run" / name, argv, timeout_s, take)
        try:
            return following.to_the_end(is_new=not taken_up)
        except wire.WireError:
            launcher.link.run_with_retries(kill_all(launcher.base))
            raise
        finally:
            self.device.spared = None


class _Following:
    """One launch."""

    def __init__(
        self,
        launcher: Launcher,
        folder: PurePosixPath,
        argv: Sequence[str],
        timeout_s: float,
        take: Take,
    ) -> None:
        self._launcher, self._folder, self._argv = launcher, folder, argv
        self._timeout_s, self._take = timeout_s, take
        self._known = 0
        """Bytes of its output that were taken."""
        self._asked_seldom = 0.0
        self._others = looking_for_others(launcher.base, folder, launcher.check_lock)

    def to_the_end(self, *, is_new: bool) -> Completed:
        """Look until it has ended; return how."""
        start, start_ns = time.monotonic(), now_ns()
        launcher, link = self._launcher, self._launcher.link
        is_shared = False
        missed = stuck = 0
        if is_new:
            is_shared = self._start()
        while True:
            losses = link.losses
            look = self._look()
            state = look.said["state"].last_word
            if look.out:
                reading = _reading(look.said, runs=state == "running")
                self._take(look.out, reading if look.is_last else None)
            is_shared = is_shared or saw_another(look.said["others"])
            stuck = 0 if look.out else stuck + 1
            if state == "done":
                if look.is_last:
                    elapsed_ns = now_ns() - start_ns if is_new else None
                    return self._completed(look, is_shared=is_shared, elapsed_ns=elapsed_ns)
                if stuck > _ATTEMPTS:
                    raise LostLaunchError("a part of its output does not arrive")
                continue
            if not look.is_last:
                continue
            if link.losses != losses and launcher.rebooted():
                raise LostLaunchError("the phone has restarted")
            taken_s = time.monotonic() - start
            # It may have ended after we looked for its code and before we looked for the process.
            gone = state == "gone" or (state == "unborn" and taken_s > _BIRTH_S)
            missed = missed + 1 if gone else 0
            if missed > 1:
                launcher.require_room(self._folder)
                raise LostLaunchError("it ended without a result")
            if taken_s > self._timeout_s:
                link.run_with_retries(kill_all(launcher.base))
                return Completed(b"", b"", _KILLED, timed_out=True)
            time.sleep(_POLL_S if state == "running" else _SOON_S)

    def _start(self) -> bool:
        """Start it; return whether another bench uses the phone."""
        launcher = self._launcher
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
        return saw_another(said["others"])

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
                f"elif {_alive(folder)}; then echo running; else echo gone; fi"
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
            f"tail -c +{self._known + 1} {folder}/{_OUT} | head -c {_PIECE_BYTES}"
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
            self._known += len(lines)
            return _Look(said, lines, is_last=len(fetched) < _PIECE_BYTES)
        size = number(said["size"].last_word) or 0
        is_last = self._known + len(fetched) >= size
        taken = fetched if is_last else lines  # the last line may have no end
        self._known += len(taken)
        return _Look(said, taken, is_last)

    def _readings(self) -> dict[str, str]:
        readings = dict(self._launcher.readings)
        if time.monotonic() - self._asked_seldom < _SELDOM_S:
            return {name: command for name, command in readings.items() if name not in _SELDOM}
        self._asked_seldom = time.monotonic()
        return readings

    def _completed(self, look: _Look, *, is_shared: bool, elapsed_ns: int | None) -> Completed:
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
            elapsed_ns=elapsed_ns,
            flags=("busy",) if is_shared else (),
        )


def _alive(folder: PurePosixPath) -> str:
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
