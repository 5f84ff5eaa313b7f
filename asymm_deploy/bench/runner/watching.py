"""One launch by operator: plain runs, and in turns with them runs whose operators are timed."""

from __future__ import annotations

import gc
import time
from argparse import Namespace
from typing import Any

import numpy as np
import numpy.typing as npt

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
from asymm_deploy.engines.mnn_session import MnnSession

MOST_TIMES = 2**22
"""How many times are kept in memory at most, over all runs and operators."""


def time_by_operator(options: Namespace, send: Send) -> None:
    """Load, warm up and time the model by operator; the messages are those of the protocol.

    All runs are of one session, one for debugging. Its plain runs take as long as those of one for
    release; two sessions would find each other's weights in the caches, which cost a small network
    half as much again.
    """
    asked = Asked(options.model, options.input, options.inputs_file, options.api, options.output)
    load = engine(options, asked)
    greet(options, send)
    model = loaded(options, asked, load)
    session = model.session
    assert isinstance(session, MnnSession)
    for _ in range(options.warmup):
        session.run()
    watch = _Watch(session)
    most = MOST_TIMES // watch.count
    if options.runs > most:
        raise cores.RefusedError(
            f"argument --runs: at most {most} by operator, of which the model has {watch.count}"
        )
    send("model", model_fields(asked, model))
    multiplier = Multiplier()
    rate_before = multiplier.mac_per_s()
    core_before = cores.core_now()
    waited, stolen = cores.waited_ns(), cores.steal_ns(options.cpu)
    loop = watch.in_turns(options.runs)
    loop["waited_ns"] = since(waited, cores.waited_ns())
    loop["steal_ns"] = since(stolen, cores.steal_ns(options.cpu))
    core_after = cores.core_now()
    rate_after = multiplier.mac_per_s()
    send("cpu", {"asked": options.cpu, "before": core_before, "after": core_after})
    send("calibration", {"before_mac_per_s": rate_before, "after_mac_per_s": rate_after})
    send("samples", loop)
    send("operators", watch.fields())
    send("output", output_fields(session, with_values=options.output_values))
    send("done", {"count": options.runs})


class _Watch:
    """Times a session's operators; making one runs the session once to see what they are."""

    def __init__(self, session: MnnSession) -> None:
        self._session = session
        self._names: list[str] = []
        self._types: list[str] = []
        self._flops_m: list[float] = []
        self._shapes: list[list[list[int]]] = []
        session.run_by_operator(self._noted, self._shaped)
        self.count = len(self._names)
        if self.count == 0:
            raise cores.RefusedError("MNN runs no operator in this model: there is nothing to time")
        self._marks: npt.NDArray[np.int64] = np.zeros((0, 0), np.int64)
        self._watched_ns: list[int] = []

    def _noted(self, _inputs: Any, info: Any) -> bool:
        self._names.append(info.getName())
        self._types.append(info.getType())
        self._flops_m.append(info.getFlops())
        return True

    def _shaped(self, outputs: Any, _info: Any) -> bool:
        self._shapes.append([list(tensor.getShape()) for tensor in outputs])
        return True

    def in_turns(self, runs: int) -> dict[str, object]:
        """Do ``runs`` turns; return the fields of ``samples``, but what the system counts.

        A turn is a plain run that isn't timed, one that is, and one that is watched: a plain run
        has to find the caches as a plain run leaves them.
        """
        session, clock = self._session, time.clock_gettime_ns
        plain_ns, watched_ns = [0] * runs, [0] * runs
        marks = np.zeros((runs, 2 * self.count + 2), np.int64)
        row = [0] * (2 * self.count + 2)
        at = 0

        def tick(_tensors: Any, _info: Any) -> bool:
            nonlocal at
            at += 1
            row[at] = clock(CLOCK)
            return True

        assert not gc.isenabled()  # a collection in the loop would be timed with it
        cpu_start = time.thread_time_ns()
        wall_start = clock(CLOCK)
        for index in range(runs):
            session.run()
            start = clock(CLOCK)
            session.run()
            plain_ns[index] = clock(CLOCK) - start
            at = 0
            row[0] = clock(CLOCK)
            session.run_by_operator(tick, tick)
            row[-1] = clock(CLOCK)
            watched_ns[index] = row[-1] - row[0]
            marks[index] = row
            if at != 2 * self.count:
                raise cores.RefusedError("MNN ran fewer operators than in the run before")
        wall_ns = clock(CLOCK) - wall_start
        cpu_ns = time.thread_time_ns() - cpu_start
        self._marks, self._watched_ns = marks, watched_ns
        return {"ns": plain_ns, "wall_ns": wall_ns, "cpu_ns": cpu_ns}

    def fields(self) -> dict[str, object]:
        """Return the fields of the message ``operators``."""
        between = np.diff(self._marks, axis=1)
        inside, outside = between[:, 1::2], between[:, 0::2]
        return {
            "names": self._names,
            "types": self._types,
            "shapes": self._shapes,
            "flops_m": self._flops_m,
            "least_ns": inside.min(axis=0).tolist(),
            "median_ns": np.sort(inside, axis=0)[(len(inside) - 1) // 2].tolist(),
            "gap_ns": outside.min(axis=0).tolist(),
            "watched_ns": self._watched_ns,
        }
