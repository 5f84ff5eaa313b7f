"""One launch on a phone: started detached, polled, and its result picked up whenever we can.

Nothing that happens to the connection touches the launch. It leaves its result in a folder of its
own, the exit code last and under its final name, so what is there is whole.
"""

from __future__ import annotations

import math
import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from asymm_deploy.bench import wire
from asymm_deploy.bench.phone import adb_text, phone_facts
from asymm_deploy.bench.phone.adb_text import Section
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.errors import HarnessError

_POLLS = ((50, 0.02), (20, 0.1))
"""How often one command looks for a launch's end, and its pauses in seconds: often at first, so
that a short launch's end is seen soon, and not for long, so that the command itself ends soon."""
_BIRTH_S = 15.0
_ATTEMPTS = 3
_SIGNALLED = 128
_KILLED = _SIGNALLED + 9
_STDERR_BYTES = 64 * 2**10
_BLOCK_BYTES = 512  # of ulimit -f
_FRESH_S = 1.0
"""What was read behind one launch so short a time ago stands for the state before the next."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a launch ended, and what was read around it."""

    stdout: bytes
    stderr: bytes
    returncode: int
    timed_out: bool
    flooded: bool
    before: dict[str, Section]
    after: dict[str, Section]


@dataclass(frozen=True, slots=True)
class _Result:
    """What has arrived of a launch's result."""

    said: dict[str, Section]
    out: bytes


@dataclass(slots=True)
class Launcher:
    """Starts programs on one phone."""

    link: Link
    base: PurePosixPath
    """Our folder on the phone."""
    claim: str
    """The command that fails where another benchmark has taken the phone."""
    readings: Mapping[str, str]
    """Commands whose output is wanted from before and after each launch."""
    policy_folder: str | None
    """Of the pinned core, for the time in each of its clocks."""
    politely: str
    """Goes before our own commands, so that they keep off the timed core."""
    rebooted: Callable[[], bool]
    """Says, once the phone was lost and is back, whether it was started anew meanwhile."""
    _last: tuple[float, dict[str, Section]] = (-math.inf, {})
    """When something was read last, and what."""

    def launch(self, argv: Sequence[str], number: str, timeout_s: float) -> Ended | None:
        """Run ``argv`` to its end; None if it vanished with its result, to be done again."""
        folder = self.base / "run" / number
        start = time.monotonic()
        before = self._last[1] if start - self._last[0] < _FRESH_S else None
        starting = {"claim": self.claim, "start": _start(folder, self._script(argv, folder))}
        ahead = starting if before is not None else {**self.readings, **starting}
        missed = attempts = 0
        while True:
            losses = self.link.losses
            said, result = self._ask(folder, ahead)
            if "start" in ahead:
                self._require_started(said["claim"], said["start"])
                before = before or said
            ahead = {}
            state = _last_word(said["state"])
            taken_s = time.monotonic() - start
            if state == "done":
                ended = _ended(result, before or {})
                if ended is not None:
                    self._last = (time.monotonic(), ended.after)
                    return ended
                if not _last_word(result.said["code"]):
                    # Made, but not written: the phone was full, or lost its power.
                    self._require_room(folder)
                    return None
                attempts += 1
                if attempts == _ATTEMPTS:
                    return _incomplete(result, before or {})
                continue
            if self.link.losses != losses and self.rebooted():
                return None
            unborn = state == "unborn" and taken_s > _BIRTH_S
            # It may have ended between our look for its code and our look for itself.
            missed = missed + 1 if state == "gone" or unborn else 0
            if missed > 1:
                self._require_room(folder)
                return None
            if taken_s > timeout_s:
                return self._end(folder, before or {})

    def _ask(
        self, folder: PurePosixPath, ahead: Mapping[str, str]
    ) -> tuple[dict[str, Section], _Result]:
        """Run ``ahead``, wait a little for the end, and bring the result if there is one by then.

        All in one command: over a cable, each further one costs more than it does.
        """
        mark, half, last = (secrets.token_hex(8) for _ in range(3))
        waits = "; ".join(
            f"i=0; while [ ! -e {folder}/code ] && [ $i -lt {count} ]; do "
            f"sleep {pause_s}; i=$((i+1)); done"
            for count, pause_s in _POLLS
        )
        state = (
            f"if [ -e {folder}/code ]; then echo done; "
            f"elif [ ! -e {folder}/pid ]; then echo unborn; "
            f"elif kill -0 $(cat {folder}/pid) 2>/dev/null; then echo running; else echo gone; fi"
        )
        result = {
            "size": f"wc -c <{folder}/out",
            "code": f"cat {folder}/code",
            "err": f"tail -c {_STDERR_BYTES} {folder}/err",
            "states_before": f"cat {folder}/before",
            "states_after": f"cat {folder}/after",
            **self.readings,
        }
        first = f"{phone_facts.marked(mark, ahead)}; " if ahead else ""
        command = (
            f"{self.politely}{first}{waits}; {phone_facts.marked(mark, {'state': state})}; "
            f"echo {half}; if [ -e {folder}/code ]; then {phone_facts.marked(mark, result)}; "
            f"echo {last}; cat {folder}/out; fi"
        )
        said = self.link.sure(command, most_bytes=2 * wire.MAX_STREAM_BYTES).stdout
        front, _, rest = said.partition(half.encode())
        behind, _, out = rest.partition(last.encode())
        return (
            phone_facts.in_sections(front, mark, (*ahead, "state")),
            _Result(phone_facts.in_sections(behind, mark, result), out),
        )

    def _script(self, argv: Sequence[str], folder: PurePosixPath) -> str:
        state = f"{self.policy_folder}/stats/time_in_state" if self.policy_folder else None
        before, after = (
            f"cat {state} >{folder}/{when}" if state else ":" for when in ("before", "after")
        )
        libraries = shlex.quote(str(PurePosixPath(argv[0]).parent))
        return "\n".join(
            (
                "trap '' HUP",  # adbd sends it when the connection is lost
                f"echo $$ >{folder}/pid",
                f"ulimit -f {wire.MAX_STREAM_BYTES // _BLOCK_BYTES + 1}",
                f"export LD_LIBRARY_PATH={libraries}",
                before,
                f"{shlex.join(argv)} >{folder}/out 2>{folder}/err",
                f"echo $? >{folder}/code.part",
                after,
                f"mv {folder}/code.part {folder}/code",
                "kill -9 0",  # what the program has started and left: all of our group
            )
        )

    def _require_started(self, claim: Section, start: Section) -> None:
        if claim.code != 0:
            raise HarnessError(
                f"another benchmark has taken {self.link.serial} meanwhile",
                "wait for it to end, then give the same command again: it goes on where it stopped",
            )
        if start.code != 0:
            raise HarnessError(
                f"{self.link.serial} can't begin a launch: {adb_text.shown(start.text)}",
                "make room on the phone, and see that the shell user may write to /data/local/tmp",
            )

    def _end(self, folder: PurePosixPath, before: dict[str, Section]) -> Ended:
        """Kill what takes too long; what it had printed may say why."""
        self.link.sure(
            f"{kill_all(self.base)}; [ -e {folder}/code ] || echo {_KILLED} >{folder}/code"
        )
        _said, result = self._ask(folder, {})
        ended = _ended(result, before) or _incomplete(result, before)
        return replace(ended, timed_out=True)

    def _require_room(self, folder: PurePosixPath) -> None:
        """Raise HarnessError where nothing can be written, which is why a result is missing."""
        probe = f"{folder.parent}/probe"
        said = self.link.sure(f"echo probe >{probe} && [ -s {probe} ] && rm {probe}")
        if said.code != 0:
            raise HarnessError(
                f"{self.link.serial} could not write down how a launch ended: {said.why}",
                "make room on the phone's /data, then give the same command again",
            )


def _start(folder: PurePosixPath, script: str) -> str:
    """Return the command that starts ``script``; a second time, after a loss, it does nothing."""
    return (
        f"if [ -d {folder} ]; then :; else rm -rf {folder.parent}/* && mkdir -p {folder} && "
        f"{{ setsid sh -c {shlex.quote(script)} >/dev/null 2>&1 </dev/null & }}; fi"
    )


def _ended(result: _Result, before: dict[str, Section]) -> Ended | None:
    """Return how a launch ended; None where not all of it has arrived."""
    said = result.said
    size = adb_text.number(_last_word(said["size"]))
    code = adb_text.number(_last_word(said["code"]))
    if code is None or size is None:
        return None
    flooded = size > wire.MAX_STREAM_BYTES
    out = b"" if flooded else _of_size(result.out, size)
    if out is None:
        return None
    return Ended(
        stdout=out,
        stderr=said["err"].text.encode(),
        returncode=_SIGNALLED - code if code > _SIGNALLED else code,
        timed_out=False,
        flooded=flooded,
        before=before,
        after=said,
    )


def _of_size(out: bytes, size: int) -> bytes | None:
    """Return what the runner printed, which has ``size`` bytes; None where it is something else.

    Before it stands the end of the mark's line. Some connections change the ends of all lines.
    """
    out = out.removeprefix(b"\r").removeprefix(b"\n")
    return next((each for each in (out, out.replace(b"\r\n", b"\n")) if len(each) == size), None)


def _incomplete(result: _Result, before: dict[str, Section]) -> Ended:
    size = adb_text.shown(_last_word(result.said["size"]), 20)
    said = f"{len(result.out)} bytes of its {size} arrived here"
    return Ended(b"", said.encode(), 1, False, False, before, result.said)


def _last_word(section: Section) -> str:
    """Return what ends a section: a warning of the system's may stand before it."""
    return next(iter(section.text.split()[-1:]), "")


def kill_all(base: PurePosixPath) -> str:
    """Return the command that ends every launch of a folder, with all that it started.

    A folder may be older than the phone's last start, and its number another program's by now.
    """
    return (
        f"for p in {base}/run/*/pid; do n=$(cat $p) && grep -q asymm-deploy /proc/$n/cmdline && "
        "kill -9 -$n; done 2>/dev/null"
    )
