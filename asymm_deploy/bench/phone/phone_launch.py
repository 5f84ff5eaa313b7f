"""One launch on a phone: started detached, polled, and its result fetched once it is there.

Nothing that happens to the connection affects the launch. It leaves its result in a folder of its
own; the exit code is written last and then renamed, so once it is there the result is complete.
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
from asymm_deploy.bench.native.own_libc import LOADER
from asymm_deploy.bench.phone.checks.other_benches import looking_for_others, saw_another
from asymm_deploy.bench.phone.checks.swapped_files import FileWatch
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.lock import taken_error
from asymm_deploy.bench.phone.parse.sections import Section, compound_command, named_sections
from asymm_deploy.bench.phone.parse.text_lines import number
from asymm_deploy.errors import HarnessError
from asymm_deploy.safe import excerpt

_POLLS = ((50, 0.02), (20, 0.1))
"""How often one command looks for the end of a launch, and the pauses in seconds. Often at first,
so that the end of a short launch is seen at once; not for long, so that the command itself ends."""
_BIRTH_S = 15.0
"""A launch that has not begun by then never will."""
OURS = "asymm-deploy"
"""By this word in its command line a launch is known as ours."""
_OTHERS, _FILES, _READ = "others", "files", "readings"
"""Names of functions in our commands; the first two also of the sections with what they print."""
_ATTEMPTS = 3
_SIGNALLED = 128
_KILLED = _SIGNALLED + 9
_STDERR_BYTES = 64 * 2**10
_BLOCK_BYTES = 512  # of ulimit -f
_FRESH_S = 1.0
"""What was read after one launch, if no longer ago, counts as read before the next."""


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
    is_shared: bool = False
    """Another benchmark used the phone meanwhile."""
    elapsed_ns: int | None = None
    """From before it was started until its result was seen, by our own clock."""


@dataclass(frozen=True, slots=True)
class _Result:
    """The part of a launch's result that has arrived."""

    said: dict[str, Section]
    out: bytes


@dataclass(slots=True)
class Launcher:
    """Starts programs on one phone."""

    link: Link
    base: PurePosixPath
    """Our folder on the phone."""
    check_lock: str
    """The command that fails where another benchmark has taken the phone."""
    may_share: bool
    """Whether a launch may start all the same."""
    readings: Mapping[str, str]
    """Commands to run before and after each launch, for their output."""
    policy_folder: str | None
    """Of the pinned core; it says how long the core ran at each clock."""
    off_core_prefix: str
    """Goes before our own commands, to keep them off the timed core."""
    rebooted: Callable[[], bool]
    """Called once the phone was lost and is back: tells whether it has restarted meanwhile."""
    watch: FileWatch | None = None
    """Notices files of ours that something has replaced; None: nobody does."""
    _last: tuple[float, dict[str, Section]] = (-math.inf, {})
    """When readings were last taken, and what they were."""
    _look: str = "true"
    """The command that looks at the launch's files."""

    @property
    def claim(self) -> str:
        """The command that fails where no launch may start."""
        return "true" if self.may_share else self.check_lock

    def launch(self, argv: Sequence[str], number: str, timeout_s: float) -> Ended | None:
        """Run ``argv`` to its end; None if it vanished without a result and must be repeated."""
        folder = self.base / "run" / number
        if self.watch is not None:
            self.watch.learn(argv)
            self._look = self.watch.command(argv)
        start, start_ns = time.monotonic(), now_ns()
        before = self._last[1] if start - self._last[0] < _FRESH_S else None
        starting = {
            "lock": self.claim,
            "others": _OTHERS,
            "files": _FILES,
            "start": start_command(folder, self.script(argv, folder)),
        }
        ahead = starting if before is not None else {**self.readings, **starting}
        is_shared = False
        missed = attempts = 0
        while True:
            losses = self.link.losses
            said, result = self._ask(folder, ahead)
            if "start" in ahead:
                self.require_started(said["lock"], said["start"])
                before = before or said
                is_shared = saw_another(said["others"])
                if self.watch is not None:
                    self.watch.require_same(said["files"], argv)
            ahead = {}
            state = said["state"].last_word
            taken_s = time.monotonic() - start
            if state == "done":
                ended = _ended(result, before or {})
                if ended is not None:
                    self._last = (time.monotonic(), ended.after)
                    if self.watch is not None:
                        self.watch.require_same(ended.after["files"], argv)
                    is_shared = is_shared or saw_another(ended.after["others"])
                    return replace(ended, is_shared=is_shared, elapsed_ns=now_ns() - start_ns)
                if not result.said["code"].last_word:
                    # The file exists and is empty: the phone was full, or lost its power.
                    self.require_room(folder)
                    return None
                attempts += 1
                if attempts == _ATTEMPTS:
                    return _incomplete(result, before or {})
                continue
            if self.link.losses != losses and self.rebooted():
                return None
            unborn = state == "unborn" and taken_s > _BIRTH_S
            # It may have ended after we looked for its code and before we looked for the process.
            missed = missed + 1 if state == "gone" or unborn else 0
            if missed > 1:
                self.require_room(folder)
                return None
            if taken_s > timeout_s:
                return self._end(folder, before or {})

    def _ask(
        self, folder: PurePosixPath, ahead: Mapping[str, str]
    ) -> tuple[dict[str, Section], _Result]:
        """Run ``ahead``, wait a little for the end, and fetch the result if there is one by then.

        All in one command: over a cable, each further one costs more than what it does. It prints
        sections, a mark, more sections, another mark, and what the runner printed::

            4f1c9a start 0
            done
            4f1c9a state 0
            77e0b1
            26801
            4f1c9a size 0
            0
            4f1c9a code 0
            c05d22
            {"type":"hello","protocol":1,"runner":"native","runner_version":"0.1.0"
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
            "others": _OTHERS,
            "files": _FILES,
        }
        # Named, since they come twice: a phone from before Android 7 takes 4 KB at most.
        others = looking_for_others(self.base, folder, self.check_lock)
        readings = compound_command(mark, self.readings)
        read = self.readings.keys() & ahead.keys()
        others_ahead = {name: command for name, command in ahead.items() if name not in read}
        first = f"{_READ}; " if read else ""
        first += f"{compound_command(mark, others_ahead)}; " if others_ahead else ""
        look = compound_command(mark, {"state": state})
        fetch = compound_command(mark, result)
        command = (
            f"{_OTHERS}() {{ {others}; }}; {_FILES}() {{ {self._look}; }}; "
            f"{_READ}() {{ {readings}; }}; {first}{waits}; {look}; "
            f"echo {half}; if [ -e {folder}/code ]; then {fetch}; {_READ}; "
            f"echo {last}; cat {folder}/out; fi"
        )
        # The launch's own script sees the variable, too.
        command = command.replace(str(folder), "$F")
        command = f"{self.off_core_prefix}export F={folder}; {command}"
        said = self.link.run_with_retries(command, most_bytes=2 * wire.MAX_STREAM_BYTES).stdout
        front, _, rest = said.partition(half.encode())
        behind, _, out = rest.partition(last.encode())
        return (
            named_sections(front, mark, (*ahead, "state")),
            _Result(named_sections(behind, mark, (*result, *self.readings)), out),
        )

    def script(self, argv: Sequence[str], folder: PurePosixPath) -> str:
        """Return what runs ``argv``, detached, and leaves its result in ``folder``."""
        state = f"{self.policy_folder}/stats/time_in_state" if self.policy_folder else None
        before, after = (
            f"cat {state} >{folder}/{when}" if state else ":" for when in ("before", "after")
        )
        program = PurePosixPath(argv[0])  # a loader has an option for it, and our own commands none
        libraries = "" if program.name == LOADER else str(program.parent)
        return "\n".join(
            (
                f": {OURS}",
                "trap '' HUP",  # adbd sends it when the connection is lost
                f"echo $$ >{folder}/pid",
                f"ulimit -f {wire.MAX_STREAM_BYTES // _BLOCK_BYTES + 1}",
                f"export LD_LIBRARY_PATH={shlex.quote(libraries)}",
                before,
                f"{shlex.join(argv)} >{folder}/out 2>{folder}/err",
                f"echo $? >{folder}/code.part",
                after,
                f"mv {folder}/code.part {folder}/code",
                "kill -9 0",  # our process group, with all that the program started and left behind
            )
        )

    def require_started(self, lock: Section, start: Section) -> None:
        """Raise HarnessError where the phone is another bench's, or can't start a launch."""
        if lock.code != 0:
            raise taken_error(self.link.serial)
        if start.code != 0:
            raise HarnessError(
                f"{self.link.serial} can't start a launch: {excerpt(start.text)}",
                "make room on it, and make sure that the shell user may write to /data/local/tmp",
            )

    def _end(self, folder: PurePosixPath, before: dict[str, Section]) -> Ended:
        """Kill a launch that takes too long; what it has printed may say why."""
        self.link.run_with_retries(
            f"{kill_all(self.base)}; [ -e {folder}/code ] || echo {_KILLED} >{folder}/code"
        )
        _said, result = self._ask(folder, {})
        ended = _ended(result, before) or _incomplete(result, before)
        return replace(ended, timed_out=True)

    def require_room(self, folder: PurePosixPath) -> None:
        """Raise HarnessError where a result is missing for a reason that another try won't mend.

        Another benchmark has taken the phone, and has killed the launch; or nothing can be written.
        """
        probe = f"{folder.parent}/probe"
        said = self.link.run_sections(
            {
                "lock": self.claim,
                "probe": f"echo probe >{probe} && [ -s {probe} ] && rm {probe}",
            }
        )
        if said["lock"].code != 0:
            raise taken_error(self.link.serial)
        if said["probe"].code != 0:
            last = said["probe"].text.strip().splitlines()[-1:]
            why = excerpt(last[0] if last else "no reason given")
            raise HarnessError(
                f"{self.link.serial} could not record how a launch ended: {why}",
                "make room on the phone's /data, then run the same command again",
            )


def now_ns() -> int:
    """Return the time by a clock that goes on while this machine sleeps: the phone goes on, too."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def start_command(folder: PurePosixPath, script: str) -> str:
    """Return the command that starts ``script``; run again, after a loss, it does nothing."""
    return (
        f"if [ -d {folder} ]; then :; else rm -rf {folder.parent}/* && mkdir -p {folder} && "
        f"{{ setsid sh -c {shlex.quote(script)} >/dev/null 2>&1 </dev/null & }}; fi"
    )


def _ended(result: _Result, before: dict[str, Section]) -> Ended | None:
    """Return how a launch ended; None where its result has not arrived completely."""
    said = result.said
    size = number(said["size"].last_word)
    code = number(said["code"].last_word)
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
    r"""Return what the runner printed if that has ``size`` bytes, else None.

    It begins with the end of the mark's line: ``\n{"type":"hello",...``. Some connections turn all
    line ends into CRLF.
    """
    out = out.removeprefix(b"\r").removeprefix(b"\n")
    return next((each for each in (out, out.replace(b"\r\n", b"\n")) if len(each) == size), None)


def _incomplete(result: _Result, before: dict[str, Section]) -> Ended:
    size = excerpt(result.said["size"].last_word, 20)
    said = f"only {len(result.out)} of its {size} bytes of output arrived"
    return Ended(b"", said.encode(), 1, False, False, before, result.said)


def kill_all(base: PurePosixPath, but: str | None = None) -> str:
    """Return the command that kills every launch of a folder ``but`` one, with all it started.

    A folder may be older than the phone's last restart, so its process number may by now belong to
    another program.
    """
    passed = "" if but is None else f"[ $p = {base}/run/{but}/pid ] && continue; "
    return (
        f"for p in {base}/run/*/pid; do {passed}n=$(cat $p) && grep -q {OURS} /proc/$n/cmdline && "
        "kill -9 -$n; done 2>/dev/null"
    )
