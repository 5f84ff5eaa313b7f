"""One launch that lasts: run after run, or a run for each frame, told of second by second."""

from __future__ import annotations

import gc
import time
from argparse import Namespace
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

from asymm_deploy.bench.runner import cores
from asymm_deploy.bench.runner.calibration import Multiplier
from asymm_deploy.bench.runner.timing import (
    CLOCK,
    Asked,
    Send,
    engine,
    greet,
    loaded,
    model_fields,
    output_fields,
    since,
)

MOST_KEPT = 2**18
"""Runs of one line: memory for them is there before the loop. With more, the line ends early."""
MOST_SHOWN = 1000
"""Of a second with more runs, the line has what they come to, and not each."""
_SECOND_NS = 10**9


def time_by_second(options: Namespace, send: Send) -> None:
    """Load, warm up, and run for as long as asked; a line for each second is sent between runs."""
    asked = Asked(options.model, options.input, options.inputs_file, options.api, options.output)
    load = engine(options, asked)
    greet(options, send)
    model = loaded(options, asked, load)
    for _ in range(options.warmup):
        model.session.run()
    send("model", model_fields(asked, model))
    multiplier = Multiplier()
    rate_before = multiplier.mac_per_s()
    core_before = cores.core_now()
    loop = Loop(options.cpu, send)
    totals = loop.go(
        model.session.run,
        round(options.for_seconds * 1e9),
        None if options.every_ms is None else round(options.every_ms * 1e6),
    )
    core_after = cores.core_now()
    rate_after = multiplier.mac_per_s()
    send("cpu", {"asked": options.cpu, "before": core_before, "after": core_after})
    send("calibration", {"before_mac_per_s": rate_before, "after_mac_per_s": rate_after})
    send("sustained", totals)
    send("output", output_fields(model.session, with_values=options.output_values))
    send("done", {"count": totals["runs"]})


class _Frames:
    """Counts of frames."""

    def __init__(self) -> None:
        self.late = self.skipped = self.late_by_waking = 0

    def add(self, more: _Frames) -> None:
        self.late += more.late
        self.skipped += more.skipped
        self.late_by_waking += more.late_by_waking

    def fields(self) -> dict[str, int]:
        return {
            "late": self.late,
            "skipped": self.skipped,
            "late_by_waking": self.late_by_waking,
        }


class Loop:
    """Runs for a time and sends ``second``; nothing is allocated or written within a run."""

    def __init__(
        self,
        cpus: Sequence[int],
        send: Send,
        *,
        clock: Callable[[], int] = lambda: time.clock_gettime_ns(CLOCK),
        thread_clock: Callable[[], int] = time.thread_time_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the cores, what sends a message, and the clocks (in ns) and pauses (in s)."""
        self._cpus = cpus
        self._send = send
        self._clock, self._thread_clock, self._sleep = clock, thread_clock, sleep
        self._samples = array("q", bytes(8 * MOST_KEPT))
        first = next(iter(cpus), None)
        place = f"/sys/devices/system/cpu/cpu{first}/cpufreq/scaling_cur_freq"
        self._clock_file = None if first is None else Path(place)
        self._waited: int | None = None
        self._stolen: int | None = None

    def go(self, run: Callable[[], None], for_ns: int, every_ns: int | None) -> dict[str, object]:
        """Run until ``for_ns`` are over, once at least; return the fields of ``sustained``.

        With ``every_ns``, frame k comes at k times that. A run takes the newest frame that has
        come; while it takes too long, the next one starts at once, and older frames are skipped.
        ``prompt_end`` is when a run would have ended if this one and those before it had each begun
        as soon as it could: what is late by then is late by the runs themselves.
        """
        samples, clock, thread_clock = self._samples, self._clock, self._thread_clock
        assert not gc.isenabled()  # a collection in the loop would be timed with it
        waited, stolen = cores.waited_ns(), cores.steal_ns(self._cpus)
        self._waited, self._stolen = waited, stolen
        runs = cpu_ns = frame = prompt_end = 0
        at = count = own_cpu_ns = 0
        frames, own_frames = _Frames(), _Frames()
        start = clock()
        while True:
            if every_ns is not None:
                self._wait(start + frame * every_ns)
            cpu_before = thread_clock()
            began = clock()
            run()
            ended = clock()
            own_cpu_ns += thread_clock() - cpu_before
            samples[count] = ended - began
            count += 1
            now = ended - start
            next_at = now
            if every_ns is not None:
                prompt_end = max(prompt_end, frame * every_ns) + ended - began
                frame += 1
                missed = max(0, -(-now // every_ns) - frame)  # came while it ran
                own_frames.late += missed
                own_frames.skipped += max(0, missed - 1)
                own_frames.late_by_waking += missed - max(0, -(-prompt_end // every_ns) - frame)
                frame += max(0, missed - 1)
                next_at = max(now, frame * every_ns)
            over = next_at >= for_ns
            if over or now // _SECOND_NS != at // _SECOND_NS or count == MOST_KEPT:
                self._tell(at, now - at, count, own_cpu_ns, own_frames)
                runs, cpu_ns = runs + count, cpu_ns + own_cpu_ns
                frames.add(own_frames)
                at, count, own_cpu_ns, own_frames = now, 0, 0, _Frames()
            if over:
                break
        return {
            "runs": runs,
            "wall_ns": clock() - start,
            "cpu_ns": cpu_ns,
            "waited_ns": since(waited, cores.waited_ns()),
            "steal_ns": since(stolen, cores.steal_ns(self._cpus)),
            **frames.fields(),
        }

    def _wait(self, due: int) -> None:
        while (left := due - self._clock()) > 0:
            self._sleep(left / 1e9)

    def _tell(self, at_ns: int, wall_ns: int, count: int, cpu_ns: int, frames: _Frames) -> None:
        """Send the line of some runs."""
        waited, stolen = cores.waited_ns(), cores.steal_ns(self._cpus)
        of_it = self._samples[:count]
        ranked = sorted(of_it)

        def ranking(percent: int) -> int:
            return ranked[(percent * count + 99) // 100 - 1]

        self._send(
            "second",
            {
                "at_ns": at_ns,
                "wall_ns": wall_ns,
                "runs": count,
                "mean_ns": sum(of_it) // count,
                "median_ns": ranking(50),
                "p90_ns": ranking(90),
                "p99_ns": ranking(99),
                "min_ns": ranked[0],
                "max_ns": ranked[-1],
                "cpu_ns": cpu_ns,
                "waited_ns": since(self._waited, waited),
                "steal_ns": since(self._stolen, stolen),
                **frames.fields(),
                "core": cores.core_now(),
                "khz": self.khz(),
                "ns": of_it.tolist() if count <= MOST_SHOWN else None,
            },
        )
        self._waited, self._stolen = waited, stolen

    def khz(self) -> int | None:
        """Return the first core's clock; None where the system doesn't tell."""
        if self._clock_file is None:
            return None
        try:
            return int(self._clock_file.read_text()) or None
        except (OSError, ValueError):
            return None
