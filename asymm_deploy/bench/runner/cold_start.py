"""One cold launch: read the file, load it, run once, run again; then runs as in any launch.

Nothing is read from the clock, the system or the disk between two stages but what a stage is. With
``--stage-memory`` the memory is read after each of them, which takes longer than some stages do:
the times of such a launch are not used.
"""

from __future__ import annotations

import gc
import os
import resource
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from asymm_deploy.bench.runner import cores
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.page_cache import drop_from_cache
from asymm_deploy.bench.runner.timing import (
    CLOCK,
    Asked,
    Loaded,
    Send,
    engine,
    fed,
    greet,
    hash_of,
    model_fields,
    output_fields,
    require_unchanged,
    since,
    status_of,
    time_runs,
)
from asymm_deploy.files import opened_regular

if TYPE_CHECKING:
    from asymm_deploy.engines.session import Session


def time_cold_start(options: Namespace, send: Send) -> None:
    """Go through the stages, then warm up and time; the messages are those of the protocol.

    The model is hashed in the end: reading it before would bring it into memory.
    """
    asked = Asked(options.model, options.input, options.inputs_file, options.api, options.output)
    start = time.clock_gettime_ns(CLOCK)
    load = engine(options, asked)
    engine_ns = time.clock_gettime_ns(CLOCK) - start
    greet(options, send)
    before = status_of(asked.model)
    model, stages = _staged(options, asked, load)
    for _ in range(options.warmup):
        model.session.run()
    sha256 = hash_of(asked.model)
    require_unchanged(asked.model, before)
    send("model", model_fields(asked, model._replace(sha256=sha256)))
    send("stages", {"engine_ns": engine_ns, **stages})
    time_runs(options, model.session, send)
    send("output", output_fields(model.session, with_values=options.output_values))
    send("done", {"count": options.runs})


def _staged(
    options: Namespace, asked: Asked, load: Callable[[str], Session]
) -> tuple[Loaded, dict[str, object]]:
    """Return the model after two runs, and the fields of the stages' message but the engine's."""
    clock, cpu_clock = time.clock_gettime_ns, time.thread_time_ns
    watch = _MemoryWatch(reads=options.stage_memory)
    assert not gc.isenabled()  # a collection in a stage would be timed with it
    pages = drop_from_cache(asked.model)
    core = cores.core_now()
    waited, stolen, faults = cores.waited_ns(), cores.steal_ns(options.cpu), _major_faults()
    watch.note("engine")
    cpu_start = cpu_before = cpu_clock()
    wall_start = clock(CLOCK)
    content = _content(asked.model)
    read_ns = clock(CLOCK) - wall_start
    read_cpu_ns = cpu_clock() - cpu_before
    watch.note("read")
    del content  # the engine reads the file on its own
    cpu_before = cpu_clock()
    start = clock(CLOCK)
    session = load(asked.model)
    create_ns = clock(CLOCK) - start
    create_cpu_ns = cpu_clock() - cpu_before
    watch.note("created")
    specs = fed(options, asked, session)
    cpu_before = cpu_clock()
    start = clock(CLOCK)
    session.run()
    first_ns = clock(CLOCK) - start
    first_cpu_ns = cpu_clock() - cpu_before
    watch.note("first")
    cpu_before = cpu_clock()
    start = clock(CLOCK)
    session.run()
    end = clock(CLOCK)
    cpu_end = cpu_clock()
    watch.note("second")
    wall_ns = end - wall_start
    stages = {
        "read_ns": read_ns,
        "create_ns": create_ns,
        "first_ns": first_ns,
        "second_ns": end - start,
        "read_cpu_ns": read_cpu_ns,
        "create_cpu_ns": create_cpu_ns,
        "first_cpu_ns": first_cpu_ns,
        "second_cpu_ns": cpu_end - cpu_before,
        "wall_ns": wall_ns,
        "cpu_ns": cpu_end - cpu_start,
        "waited_ns": since(waited, cores.waited_ns()),
        "steal_ns": since(stolen, cores.steal_ns(options.cpu)),
        "core": core,
        "pages": pages.whole,
        "resident": pages.resident,
        "major_faults": _major_faults() - faults,
        **watch.fields(),
    }
    return Loaded(session, specs, "", create_ns), stages


def _content(path: str) -> bytes:
    """Return the file's bytes; raise RefusedError if it can't be read."""
    try:
        with opened_regular(Path(path)) as file:
            return file.read()
    except OSError as error:
        raise RefusedError(f"can't read the model: {error.strerror}") from error


def _major_faults() -> int:
    """Return how often this process waited for the disk to bring a page that it has mapped."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


class _MemoryWatch:
    """Notes the memory after each stage, if it ``reads`` at all."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self._noted: dict[str, dict[str, float | None]] = {}

    def note(self, stage: str) -> None:
        """Note what is in memory now."""
        if self._reads:
            shared = _kib_of("/proc/self/smaps_rollup", "Rss:", "Pss:")
            status = _kib_of("/proc/self/status", "VmRSS:", "VmHWM:")
            self._noted[stage] = {
                "rss_mb": _in_mb(shared.get("Rss:", status.get("VmRSS:"))),
                "pss_mb": _in_mb(shared.get("Pss:")),
                "peak_mb": _in_mb(status.get("VmHWM:")),
            }

    def fields(self) -> dict[str, object]:
        """Return what was noted, by stage; nothing of a launch that is timed."""
        return {"memory": self._noted} if self._reads else {}


def _kib_of(path: str, *names: str) -> dict[str, int]:
    """Return the named lines of one of the system's files, as far as it has them."""
    found: dict[str, int] = {}
    with suppress(OSError, ValueError, IndexError):
        file = os.open(path, os.O_RDONLY)
        try:
            text = os.read(file, 2**16).decode()
        finally:
            os.close(file)
        for line in text.splitlines():
            words = line.split()
            if words and words[0] in names:
                found[words[0]] = int(words[1])
    return found


def _in_mb(kib: int | None) -> float | None:
    return None if kib is None else kib / 1024
