"""A phone over adb as a ``Device``, which says what each method promises."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asymm_deploy.bench.device import Completed, Runner, Tell
from asymm_deploy.bench.judge.conditions import PhoneProblem, condition_flags
from asymm_deploy.bench.phone import cpufreq
from asymm_deploy.bench.phone.checks.fitness import phone_problems, unfit
from asymm_deploy.bench.phone.checks.prime_core import core_problem
from asymm_deploy.bench.phone.checks.program_abi import refuse_foreign_programs
from asymm_deploy.bench.phone.checks.required_tools import tools_error
from asymm_deploy.bench.phone.checks.swapped_files import FileWatch
from asymm_deploy.bench.phone.link import DEVICE, Link
from asymm_deploy.bench.phone.lock import Lock, PhoneTakenError, taken_error
from asymm_deploy.bench.phone.options import PhoneOptions, require_phones_engine
from asymm_deploy.bench.phone.phone_facts import Phone, read_phone
from asymm_deploy.bench.phone.phone_launch import Ended, Launcher, kill_all
from asymm_deploy.bench.phone.pushed_files import BASE, Program, PushedFiles
from asymm_deploy.bench.phone.readings import parse_reading, reading_commands
from asymm_deploy.bench.phone.screen import keep_awake, restore
from asymm_deploy.bench.phone.server import LostError, Server
from asymm_deploy.bench.phone.states import not_ready
from asymm_deploy.bench.records import Conditions, DeviceFacts, Engine
from asymm_deploy.errors import HarnessError, UsageError
from asymm_deploy.signals import ignoring_signals

_RETRIES = 2
"""Of a launch that was lost with the phone, or killed by somebody else."""
_KILLED = -9
_NOT_FOUND = 127  # a shell's code where there is no such program
_LOOK_S = 1.0
_PUT_BACK_S = 15.0
"""Of silence: the user is waiting for the prompt."""
_SHORT_PAUSE_S = 5.0
"""Pause where only the calibration was slower: no sensor shows heat that needs longer to go."""
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class AdbDevice:
    """A phone. Nothing is sent to it until something is asked of it."""

    def __init__(
        self, server: Server, serial: str, runner: Path, options: PhoneOptions, tell: Tell
    ) -> None:
        """Take a phone's serial number, and the runner to push to it."""
        self.link = Link(server, serial, patience_s=options.patience_s, tell=tell)
        self._program = _program(runner, options.allow)
        self._options = options
        self._tell = tell
        self._token = secrets.token_hex(4)
        shared = "busy" in options.allow
        base = BASE.with_name(f"{BASE.name}-{self._token}") if shared else BASE
        self._files = PushedFiles(self.link, base)
        self._lock = Lock(self.link, tell)
        self._phone: Phone | None = None
        self._boot = ""
        self._boots = 0
        """How often it has restarted meanwhile."""
        self.launcher: Launcher | None = None
        """What starts programs on it, while it is held."""
        self._top_khz: int | None = None
        self._core_was_asked_for = True
        self._allowed_problems: tuple[str, ...] = ()
        """What is wrong with the phone for the whole bench, and is allowed."""
        self.spared: str | None = None
        """A launch of an earlier command that goes on: it isn't ended, and the phone may be hot."""
        self._count = 0
        self._losses_seen = 0

    @property
    def phone(self) -> Phone:
        """What the phone is; asked only once."""
        if self._phone is None:
            self._require_ready()
            phone = read_phone(self.link)
            if phone.missing_tools:
                raise tools_error(phone.serial, phone.missing_tools)
            self._phone = phone
        return self._phone

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what the phone's properties and cpufreq policies say."""
        return self.phone.facts(next(iter(cpus), None))

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Choose the prime core and, for more threads, the fastest of the others."""
        del earlier  # the choice is the same every time
        self._core_was_asked_for = wanted is not None
        phone = self.phone
        usable = ", ".join(map(str, phone.cores)) or "unknown"
        if wanted is not None and wanted not in phone.cores:
            raise UsageError(
                f"core {wanted} does not exist on {phone.serial}, or may not be used",
                f"cores that may be used: {usable}",
            )
        if threads > len(phone.cores):
            raise UsageError(
                f"{threads} threads need as many cores, but {phone.serial} lets us use only "
                f"{len(phone.cores)}",
                f"give fewer --threads; cores that may be used: {usable}",
            )
        first = phone.best_core if wanted is None else wanted
        assert first is not None  # there are at least as many cores as threads

        def clock(core: int) -> int:
            policy = phone.policy_of(core)
            return (policy.max_khz or 0) if policy else 0

        rest = sorted((core for core in phone.cores if core != first), key=clock, reverse=True)
        return (first, *rest)[:threads]

    def runner(self, engine: Engine) -> Runner:
        """Return how to start the pushed runner."""
        require_phones_engine(engine)
        return Runner(self._files.command_of(self._program), f"{engine} by {self._program.sha256}")

    def put(self, source: Path) -> str:
        """Push a file unless it is there already."""
        try:
            return self._files.put(source)
        except HarnessError:
            if "busy" not in self._options.allow and not self._lock.is_ours():
                raise taken_error(self.link.serial) from None
            raise

    @contextmanager
    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> Iterator[None]:
        """Have the phone to ourselves, awake and fit to be timed; leave it as it was found."""
        self._require_ready()
        self._lock.off_core_prefix = self._off_core_prefix(cpus)
        self._take_lock()
        is_changed = False
        try:
            self._boot = self.link.run_with_retries(_BOOT_ID).last_word
            self.launcher = self._launcher_for(cpus)
            self._files.find_existing()
            if self.spared is None:
                self._require_fit(cpus, files)
            is_changed = True
            self.link.run_with_retries(kill_all(self._files.base, self.spared))
            self._stay_awake()
            self._files.put_program(self._program)
            self._files.remove_stale(self._program)
            yield
        finally:
            with ignoring_signals():
                self._put_back(is_changed=is_changed)

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run it detached from us; a launch that is lost on the phone is repeated."""
        assert self.launcher is not None
        self.reclaim_if_lost()
        for retry in range(_RETRIES + 1):
            self._count += 1
            ended = self.launcher.launch(argv, f"{self._token}-{self._count}", timeout_s)
            lost = ended is None or (ended.returncode == _KILLED and not ended.timed_out)
            if ended is not None and (not lost or retry == _RETRIES):
                return self._completed(ended, retry)
            why = "was killed" if ended is not None else "was lost"
            self._tell(f"{self.link.serial}: the launch {why} on the phone; repeating it")
        why = "does the phone keep restarting?" if self._boots else "it ended without a result"
        return Completed(b"", f"the launch was lost on the phone every time: {why}".encode(), 1)

    def cool_down(self, *, is_hot: bool) -> None:
        """Wait as long as a phone that has slowed itself down needs."""
        pause_s = self._options.cool_down_s
        end = time.monotonic() + (pause_s if is_hot else min(pause_s, _SHORT_PAUSE_S))
        while (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            self.reclaim_if_lost()

    def reclaim_if_lost(self) -> None:
        """Take the phone over again if it was away since we last used it."""
        shared = "busy" in self._options.allow
        if self.link.losses != self._losses_seen or not (shared or self._lock.is_touched()):
            self._reclaim()

    def _completed(self, ended: Ended, retries: int) -> Completed:
        states_before = cpufreq.time_in_state(ended.after["states_before"].text) or None
        states_after = cpufreq.time_in_state(ended.after["states_after"].text) or None
        top = self._top_khz
        share = None
        if states_before and states_after and top is not None:
            share = cpufreq.share_at_top(states_before, states_after, top)
        around = Conditions(
            before=parse_reading(ended.before),
            after=parse_reading(ended.after),
            time_in_state_before=states_before,
            time_in_state_after=states_after,
            share_at_top_clock=share,
            retries=retries,
        )
        return Completed(
            ended.stdout,
            ended.stderr,
            ended.returncode,
            timed_out=ended.timed_out,
            flooded=ended.flooded,
            elapsed_ns=ended.elapsed_ns,
            flags=(
                *condition_flags(around, top),
                *self._allowed_problems,
                *(["busy"] if ended.is_shared else []),
            ),
            conditions=around,
        )

    def _launcher_for(self, cpus: Sequence[int]) -> Launcher:
        phone = self.phone
        policy = phone.policy_of(next(iter(cpus), None))
        folder = phone.policy_folder(next(iter(cpus), None))
        self._top_khz = policy.max_khz if policy else None
        return Launcher(
            self.link,
            self._files.base,
            self._lock.check_command,
            "busy" in self._options.allow,
            reading_commands(folder),
            folder,
            self._off_core_prefix(cpus),
            self._reclaim,
            FileWatch(self.link, self._files, self._program),
        )

    def _off_core_prefix(self, cpus: Sequence[int]) -> str:
        """Return what keeps a command of ours off ``cpus``; empty if there are no other cores."""
        others = sum(1 << core for core in self.phone.cores if core not in cpus)
        return f"taskset -p {others:x} $$ >/dev/null 2>&1; " if others else ""

    def _require_ready(self) -> None:
        try:
            state = self.link.state(reconnect=True)
        except LostError as lost:
            raise HarnessError(
                f"{self.link.serial} can't be reached: {lost}",
                "plug it in again, or turn USB debugging off and on",
            ) from lost
        if state != DEVICE and "not-ready" not in self._options.allow:
            raise not_ready(self.link.serial, state)

    def _take_lock(self) -> None:
        """Have the phone to ourselves, unless sharing it is allowed."""
        other = self._lock.acquire()
        if other is None:
            return
        problem = PhoneProblem(
            "busy", f"another benchmark is running on it, {other}", "wait for it to end"
        )
        if "busy" not in self._options.allow:
            found = unfit(self.link.serial, [problem])
            raise PhoneTakenError(found.what, found.hint)

    def _require_fit(self, cpus: Sequence[int], files: Sequence[Path]) -> None:
        """Raise HarnessError naming all that should be put right first and is not allowed."""
        needed = self._files.missing_bytes([*files, *self._program.files])
        core = next(iter(cpus), None)
        found = phone_problems(self.link, self.phone, core, needed)
        slower = None if self._core_was_asked_for else core_problem(self.phone, core)
        if slower is not None:
            found.append(slower)
            self._allowed_problems = (slower.name,)
        found = [problem for problem in found if problem.name not in self._options.allow]
        if found:
            raise unfit(self.link.serial, found)

    def _stay_awake(self) -> None:
        """Keep the screen on; the setting of before is saved on the phone, to be put back."""
        self.link.run_with_retries(keep_awake(self._files.base))

    def _put_back(self, *, is_changed: bool) -> None:
        """Undo all that we did to the phone. Without a connection the next bench will do so."""
        base = self._files.base
        keep_files = self._options.keep and base == BASE
        # We have changed nothing, so what earlier benches have kept stays.
        leave = f"rmdir {base}/files {base} 2>/dev/null; true"
        try:
            command = restore(base, keep_files=keep_files) if is_changed else leave
            self.link.run_once(command, timeout_s=_PUT_BACK_S)
            self._lock.release()
        except HarnessError as error:
            self._tell(
                f"{self.link.serial} could not be restored ({error}): its screen may stay on "
                "while it is plugged in, until the next bench or restart"
            )
        finally:
            self._lock.stop_touching()

    def _reclaim(self) -> bool:
        """Take the phone over again; return whether it has restarted meanwhile."""
        self._require_same()
        boot = self.link.run_with_retries(_BOOT_ID).last_word
        rebooted = boot != self._boot
        if rebooted:
            self._boots += 1
            self._wait_for_boot()
            self._boot = boot
        if self._lock.is_ours():
            self._lock.keep_touched()
        elif "busy" not in self._options.allow:
            raise taken_error(self.link.serial)  # and whoever took it has removed our files
        if rebooted:
            self._stay_awake()
        self._losses_seen = self.link.losses
        return rebooted

    def _require_same(self) -> None:
        """Raise HarnessError where another phone answers in place of the one that was lost."""
        now = read_phone(self.link)
        if (now.product, now.fingerprint) != (self.phone.product, self.phone.fingerprint):
            raise HarnessError(
                f"another phone now answers as {self.link.serial}: {now.product or 'unknown'}",
                "run the same command again to time that one",
            )

    def _wait_for_boot(self) -> None:
        """Wait until Android is up: until then its services don't answer and every core is busy."""
        self._tell(f"{self.link.serial} has restarted; waiting until it is up")
        deadline = time.monotonic() + self._options.patience_s
        while True:
            said = self.link.run_with_retries("getprop sys.boot_completed")
            if said.last_word == "1" or said.code == _NOT_FOUND:
                return
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{self.link.serial} has restarted and does not come up",
                    "look at its screen, then run the same command again",
                )
            time.sleep(min(1.0, self._options.patience_s / 10))


def _program(path: Path, allow: tuple[str, ...]) -> Program:
    try:
        found = Program.at(path)
        refuse_foreign_programs(found.files, allow)
    except OSError as error:
        raise UsageError(
            f"can't read the runner {path}: {error.strerror}",
            "give --runner the native runner, or build it: `asymm-deploy runner build`",
        ) from error
    return found
