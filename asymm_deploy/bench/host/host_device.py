"""The machine that we run on as a ``Device``: Linux, and other systems without pinning."""

from __future__ import annotations

import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import asymm_deploy
from asymm_deploy.bench import wire
from asymm_deploy.bench.device import Completed, Runner
from asymm_deploy.bench.records import DeviceFacts, Engine
from asymm_deploy.errors import UsageError
from asymm_deploy.files import sha256_of

_PACKAGES = {"mnn": "MNN", "onnxruntime": "onnxruntime"}
_WATCH_S = 0.2
"""How long the cores are watched to find the least busy one: 20 kernel ticks."""
_POLL_S = 0.25
_STDERR_TAIL_BYTES = 64 * 2**10
_NOT_STARTED = 127  # a shell's code if there is no such program


class HostDevice:
    """The machine that we run on; see ``Device`` for what the methods promise."""

    def __init__(self, runner: Path | None = None) -> None:
        """Take a program to start instead of our own runner; UsageError if it can't be started."""
        self._runner = None if runner is None else _program(runner)
        # Asked once: while this process stays off a core, its own affinity is smaller.
        self._allowed = _affinity()
        self._running: set[subprocess.Popen[bytes]] = set()

    def facts(self, cpus: Sequence[int]) -> DeviceFacts:
        """Return what Linux's /proc and /sys or macOS's sysctl say."""
        return DeviceFacts(
            device=platform.node() or "host",
            soc=_processor(),
            cpu_max_khz=_max_khz(cpus[0]) if cpus else None,
            cores=os.cpu_count() or 1,
            abi=platform.machine(),
            os=f"{platform.system()} {platform.release()}",
        )

    def choose_cpus(
        self, wanted: int | None, threads: int, earlier: tuple[int, ...]
    ) -> tuple[int, ...]:
        """Choose the least busy cores; of equally busy ones the faster, then the higher number."""
        if self._allowed is None:
            if wanted is not None:
                raise UsageError(
                    f"can't pin to core {wanted}: this system has no core affinity",
                    "leave --cpu out; the rows are then flagged 'unpinned'",
                )
            return ()
        listed = ", ".join(map(str, sorted(self._allowed)))
        if wanted is not None and wanted not in self._allowed:
            raise UsageError(
                f"core {wanted} does not exist here, or may not be used",
                f"cores that may be used: {listed}",
            )
        if threads > len(self._allowed):
            raise UsageError(
                f"{threads} threads need as many cores, but only {len(self._allowed)} may be used",
                f"give --threads {len(self._allowed)} or fewer; cores that may be used: {listed}",
            )
        kept = len(earlier) == threads and set(earlier) <= self._allowed
        if kept and wanted in (None, *earlier[:1]):
            return earlier
        busy = _busy_shares(_WATCH_S) if threads < len(self._allowed) else {}
        # In steps of a tenth: one or two ticks out of 20 mean nothing.
        quietest = sorted(
            self._allowed - {wanted},
            key=lambda cpu: (round(10 * busy.get(cpu, 0.0)), -(_max_khz(cpu) or 0), -cpu),
        )
        first = () if wanted is None else (wanted,)
        return (*first, *quietest)[:threads]

    def runner(self, engine: Engine) -> Runner:
        """Return our Python runner, or the program given with ``--runner``."""
        # The runner must not outlive a bench that was killed: it would disturb the next one.
        tie = ("--die-with", str(os.getpid()))
        if self._runner is not None:
            return Runner((str(self._runner), *tie), f"{engine} by {sha256_of(self._runner)}")
        version = metadata.version(_PACKAGES[engine])
        return Runner(
            (sys.executable, "-I", "-m", "asymm_deploy.bench.runner", *tie),
            f"{engine} {version} by python {asymm_deploy.__version__}",
        )

    def put(self, source: Path) -> str:
        """Return the file's absolute path: it is on this machine already."""
        return str(source.resolve())

    @contextmanager
    def held(self, cpus: Sequence[int], files: Sequence[Path]) -> Iterator[None]:
        """Keep this process off ``cpus``, unless there is no other core."""
        del files  # they are on this machine already
        rest = (self._allowed or frozenset()) - set(cpus)
        if not rest:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, rest)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def cool_down(self, *, is_hot: bool) -> None:
        """Do nothing: a host reports no temperature, so this is never asked for."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Completed:
        """Run the program in its own session, so that Ctrl-C reaches it only through us."""
        start_ns = time.monotonic_ns()
        process: subprocess.Popen[bytes] | None = None
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            self._running.add(process)
            completed = _collect(process, start_ns / 1e9 + timeout_s)
            return replace(completed, elapsed_ns=time.monotonic_ns() - start_ns)
        except OSError as error:
            text = f"can't start {argv[0]}: {error.strerror}"
            return Completed(b"", text.encode(errors="replace"), _NOT_STARTED)
        finally:
            if process is not None:
                self._running.discard(process)
                _end(process)

    def end_all(self) -> None:
        """Kill what other threads run here; their ``run`` returns at once."""
        for process in tuple(self._running):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _collect(process: subprocess.Popen[bytes], deadline: float) -> Completed:
    """Read both streams until they end, the program is gone, time is up, or it printed too much."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = bytearray(), bytearray()
    timed_out = flooded = gone = False
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map() and not (timed_out or flooded or gone):
            # Before looking for output: all that a program has printed is there once it has ended.
            ended = process.poll() is not None
            ready = selector.select(min(_POLL_S, max(0.0, deadline - time.monotonic())))
            for key, _events in ready:
                chunk = os.read(key.fd, 2**20)
                key.data.extend(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
            del err[:-_STDERR_TAIL_BYTES]
            flooded = len(out) > wire.MAX_STREAM_BYTES
            timed_out = time.monotonic() >= deadline
            # A process that it started may keep the streams open after it has ended.
            gone = ended and not ready
    if not (timed_out or flooded):
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            timed_out = True
    _end(process)
    return Completed(
        bytes(out), bytes(err), process.returncode, timed_out=timed_out, flooded=flooded
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and everything it started; collect its exit code."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _program(path: Path) -> Path:
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise UsageError(
            f"{path} is not an executable program",
            "give --runner an executable file that speaks the runner's protocol",
        )
    return path.resolve()


def _affinity() -> frozenset[int] | None:
    if platform.system() == "Linux":
        return frozenset(os.sched_getaffinity(0))
    return None


def _processor() -> str | None:
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        return asked.stdout.strip() or None
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return None


def _max_khz(cpu: int) -> int | None:
    """Return the core's highest clock; most virtual machines hide it, which gives None."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq")
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _busy_shares(seconds: float) -> dict[int, float]:
    """Watch the cores for ``seconds``; return the share that each was busy, nothing if unknown."""
    before = _ticks()
    time.sleep(seconds)
    shares = {}
    for cpu, (busy, total) in _ticks().items():
        busy_before, total_before = before.get(cpu, (0, 0))
        shares[cpu] = (busy - busy_before) / max(1, total - total_before)
    return shares


def _ticks() -> dict[int, tuple[int, int]]:
    """Return each core's (busy, total) ticks since boot, from /proc/stat."""
    ticks = {}
    with suppress(OSError):
        for line in Path("/proc/stat").read_text().splitlines():
            name, *values = line.split()
            if name.startswith("cpu") and name != "cpu":
                # user nice system idle iowait irq softirq steal; user includes guest time
                counts = [int(value) for value in values[:8]]
                ticks[int(name[3:])] = (sum(counts) - counts[3] - counts[4], sum(counts))
    return ticks
