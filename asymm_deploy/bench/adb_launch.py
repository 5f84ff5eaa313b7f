"""One launch on a phone: started detached, polled, and its result picked up whenever we can.

Nothing that happens to the connection touches the launch. It leaves its result in a folder of its
own, the exit code last and under its final name, so what is there is whole.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from asymm_deploy.bench import adb_phone, adb_text, wire
from asymm_deploy.bench.adb_files import BASE
from asymm_deploy.bench.adb_link import Link
from asymm_deploy.bench.adb_text import Section
from asymm_deploy.errors import HarnessError

RUNS = BASE / "run"
_POLL_S = 0.05
_POLLS = 40
"""In one command, so that a launch's end is seen soon and a command ends soon, too."""
_BIRTH_S = 15.0
_SIGNALLED = 128
_STDERR_BYTES = 64 * 2**10
_BLOCK_BYTES = 512  # of ulimit -f


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
class Launcher:
    """Starts programs on one phone."""

    link: Link
    readings: Mapping[str, str]
    """Commands whose output is wanted from before and after each launch."""
    policy_folder: str | None
    """Of the pinned core, for the time in each of its clocks."""
    polling_mask: str | None
    """Cores for our own commands, as taskset takes them: never the pinned one."""
    rebooted: Callable[[], bool]
    """Says, once the phone was lost and is back, whether it was started anew meanwhile."""

    def launch(self, argv: Sequence[str], number: str, timeout_s: float) -> Ended | None:
        """Run ``argv`` to its end; None if it vanished with its result, to be done again."""
        folder = f"{RUNS}/{number}"
        try:
            before = self._start(argv, folder)
            timed_out = not self._wait(folder, timeout_s)
            if timed_out:
                self.link.sure(kill_all())
            return self._collect(folder, before, timed_out=timed_out)
        except _VanishedError:
            return None

    def _start(self, argv: Sequence[str], folder: str) -> dict[str, Section]:
        script = self._script(argv, folder)
        # A second start of the same launch, after the answer to the first was lost, does nothing.
        start = (
            f"if [ -d {folder} ]; then :; else rm -rf {RUNS}/* && mkdir -p {folder} && "
            f"{{ setsid nohup sh -c {shlex.quote(script)} >/dev/null 2>&1 </dev/null & }}; fi"
        )
        said = adb_phone.sections(self.link, {**self.readings, "start": start})
        if said["start"].code != 0:
            why = adb_text.shown(said["start"].text)
            raise HarnessError(
                f"{self.link.serial} can't begin a launch: {why}",
                "make room on the phone, and see that the shell user may write to /data/local/tmp",
            )
        return said

    def _script(self, argv: Sequence[str], folder: str) -> str:
        state = f"{self.policy_folder}/stats/time_in_state" if self.policy_folder else None
        before, after = (
            (f"cat {state} >{folder}/{when}" if state else ":") for when in ("before", "after")
        )
        return "\n".join(
            (
                f"echo $$ >{folder}/pid",
                f"ulimit -f {wire.MAX_STREAM_BYTES // _BLOCK_BYTES + 1}",
                before,
                f"{shlex.join(argv)} >{folder}/out 2>{folder}/err",
                f"echo $? >{folder}/code.part",
                after,
                f"mv {folder}/code.part {folder}/code",
            )
        )

    def _wait(self, folder: str, timeout_s: float) -> bool:
        """Return whether the launch ended in time; _VanishedError if it left no trace."""
        poll = (
            f"{self._politely()}i=0; "
            f"while [ ! -e {folder}/code ] && [ $i -lt {_POLLS} ]; do "
            f"sleep {_POLL_S}; i=$((i+1)); done; "
            f"if [ -e {folder}/code ]; then echo done; "
            f"elif [ ! -e {folder}/pid ]; then echo unborn; "
            f"elif kill -0 $(cat {folder}/pid) 2>/dev/null; then echo running; else echo gone; fi"
        )
        start = time.monotonic()
        missed = 0
        while True:
            losses = self.link.losses
            state = self.link.sure(poll).last_word
            if state == "done":
                return True
            if self.link.losses != losses and self.rebooted():
                raise _VanishedError
            taken_s = time.monotonic() - start
            unborn = state == "unborn" and taken_s > _BIRTH_S
            # It may have ended between our look for its code and our look for itself.
            missed = missed + 1 if state == "gone" or unborn else 0
            if missed > 1:
                self._explain_if_full()
                raise _VanishedError
            if taken_s > timeout_s:
                return False

    def _explain_if_full(self) -> None:
        free = adb_text.free_kb(self.link.sure(f"df -k {BASE}").text)
        if free is not None and free < 1024:
            raise HarnessError(
                f"{self.link.serial} has no space left for a launch's result",
                "make room on the phone's /data, then give the same command again",
            )

    def _collect(self, folder: str, before: dict[str, Section], *, timed_out: bool) -> Ended:
        said = adb_phone.sections(
            self.link,
            {
                "polite": self._politely() + ":",
                "size": f"wc -c <{folder}/out",
                "code": f"cat {folder}/code",
                "err": f"tail -c {_STDERR_BYTES} {folder}/err",
                "states_before": f"cat {folder}/before",
                "states_after": f"cat {folder}/after",
                **self.readings,
            },
        )
        size = adb_text.number(said["size"].text.strip())
        code = adb_text.number(said["code"].text.strip())
        flooded = size is not None and size > wire.MAX_STREAM_BYTES
        out = b"" if flooded or timed_out else self._whole_output(folder, size)
        if code is None and not timed_out:
            raise _VanishedError
        code = 0 if code is None else code
        return Ended(
            stdout=out,
            stderr=said["err"].text.encode(),
            returncode=_SIGNALLED - code if code > _SIGNALLED else code,
            timed_out=timed_out,
            flooded=flooded,
            before=before,
            after=said,
        )

    def _whole_output(self, folder: str, size: int | None) -> bytes:
        mark = secrets.token_hex(8)
        command = f"echo {mark}; cat {folder}/out"
        for _ in range(3):
            said = self.link.sure(command, most_bytes=2 * wire.MAX_STREAM_BYTES).stdout
            # Some shells say something first, and some connections change the ends of lines.
            out = said.replace(b"\r\n", b"\n").partition(f"{mark}\n".encode())[2]
            if len(out) == size:
                return out
        raise HarnessError(
            f"{self.link.serial} sends {len(out)} bytes of a result that has {size}",
            "try another cable or port, then give the same command again",
        )

    def _politely(self) -> str:
        if self.polling_mask is None:
            return ""
        return f"taskset -p {self.polling_mask} $$ >/dev/null 2>&1; "


def kill_all() -> str:
    """Return the command that ends every launch on the phone, with all that it started.

    A folder may be older than the phone's last start, and its number another program's by now.
    """
    return (
        f"for p in {RUNS}/*/pid; do n=$(cat $p) && grep -q asymm-deploy /proc/$n/cmdline && "
        "kill -9 -$n; done 2>/dev/null"
    )


class _VanishedError(Exception):
    """The launch is over, and what became of it can't be known."""
