"""One launch of two models: load both, warm up, time them in turns, run by run."""

from __future__ import annotations

import gc
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
from asymm_deploy.engines.engine_error import EngineError

_WHICH = ("first", "second")


def time_in_turns(options: Namespace, send: Send) -> None:
    """Load both models in order, warm up and time them; the messages are those of the protocol."""
    both = (
        Asked(options.model, options.input, options.inputs_file, options.api, options.output),
        Asked(
            options.second_model,
            options.second_input,
            options.second_inputs_file,
            options.second_api,
            options.second_output,
        ),
    )
    loaders = [engine(options, asked) for asked in both]
    greet(options, send)
    models = []
    for which, asked, load in zip(_WHICH, both, loaders, strict=True):
        with _said_of(which):
            models.append(loaded(options, asked, load))
    first, second = (model.session for model in models)
    turns = _Turns(first.run, second.run, swapped=options.starts == "second")
    most_ns = min(options.most_seconds, 1e9) * 1e9
    turns.run(options.warmup, 1, most_ns)
    for asked, model in zip(both, models, strict=True):
        send("model", model_fields(asked, model))
    multiplier = Multiplier()
    rate_before = multiplier.mac_per_s()
    core_before = cores.core_now()
    waited, stolen = cores.waited_ns(), cores.steal_ns(options.cpu)
    loop = turns.run(options.runs, options.least_runs, most_ns)
    loop["waited_ns"] = since(waited, cores.waited_ns())
    loop["steal_ns"] = since(stolen, cores.steal_ns(options.cpu))
    core_after = cores.core_now()
    rate_after = multiplier.mac_per_s()
    send("cpu", {"asked": options.cpu, "before": core_before, "after": core_after})
    send("calibration", {"before_mac_per_s": rate_before, "after_mac_per_s": rate_after})
    send("pairs", loop)
    for which, session in zip(_WHICH, (first, second), strict=True):
        with _said_of(which):
            output = output_fields(session, with_values=options.output_values)
        send("output", output)
    send("done", {"count": turns.count})


@contextmanager
def _said_of(which: str) -> Iterator[None]:
    """Say of which model an error is."""
    try:
        yield
    except (EngineError, cores.RefusedError) as error:
        raise cores.RefusedError(f"the {which} model: {error}") from error


class _Turns:
    """Runs two models in turns; ``swapped`` if the second one runs first in each pair."""

    def __init__(
        self, first: Callable[[], None], second: Callable[[], None], *, swapped: bool
    ) -> None:
        self._early, self._late = (second, first) if swapped else (first, second)
        self._swapped = swapped
        self.count = 0
        """Pairs of the last loop."""

    def run(self, most: int, least: int, most_ns: float) -> dict[str, object]:
        """Run up to ``most`` pairs, at least ``least``, and no more once ``most_ns`` are over.

        Returns the fields of the pairs' message, but what the system counts. Raises RefusedError
        where a run fails, and says of which model.
        """
        early, late = self._early, self._late
        clock, cpu_clock = time.clock_gettime_ns, time.thread_time_ns
        early_ns, early_cpu_ns, early_start_ns = [0] * most, [0] * most, [0] * most
        late_ns, late_cpu_ns, late_start_ns = [0] * most, [0] * most, [0] * most
        count = 0
        assert not gc.isenabled()  # a collection in the loop would be timed with it
        cpu_start = cpu_clock()
        wall_start = clock(CLOCK)
        running = early
        try:
            for index in range(most):
                running = early
                cpu_before = cpu_clock()
                start = clock(CLOCK)
                early()
                end = clock(CLOCK)
                early_cpu_ns[index] = cpu_clock() - cpu_before
                early_ns[index] = end - start
                early_start_ns[index] = start - wall_start
                running = late
                cpu_before = cpu_clock()
                start = clock(CLOCK)
                late()
                end = clock(CLOCK)
                late_cpu_ns[index] = cpu_clock() - cpu_before
                late_ns[index] = end - start
                late_start_ns[index] = start - wall_start
                count = index + 1
                if end - wall_start > most_ns and count >= least:
                    break
        except EngineError as error:
            which = _WHICH[(running is late) != self._swapped]
            raise cores.RefusedError(f"the {which} model: {error}") from error
        wall_ns = clock(CLOCK) - wall_start
        cpu_ns = cpu_clock() - cpu_start
        self.count = count

        def of(ns: list[int], cpu_ns: list[int], start_ns: list[int]) -> dict[str, list[int]]:
            return {"ns": ns[:count], "cpu_ns": cpu_ns[:count], "start_ns": start_ns[:count]}

        sides = [
            of(early_ns, early_cpu_ns, early_start_ns),
            of(late_ns, late_cpu_ns, late_start_ns),
        ]
        first, second = reversed(sides) if self._swapped else sides
        return {"first": first, "second": second, "wall_ns": wall_ns, "cpu_ns": cpu_ns}
