"""One launch: load the model, warm up, time the runs, send the messages."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from argparse import Namespace
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

import asymm_deploy
from asymm_deploy.bench.protocol import PROTOCOL
from asymm_deploy.bench.runner import cores
from asymm_deploy.bench.runner.calibration import Multiplier
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.recorded import read_recorded
from asymm_deploy.engines.feeding import in_32_bits
from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.export.inputs import bench_inputs
from asymm_deploy.files import opened_regular

if TYPE_CHECKING:
    from asymm_deploy.engines.session import Session

# NTP slews CLOCK_MONOTONIC by up to 0.05 %, but not the raw clock.
CLOCK: int = getattr(time, "CLOCK_MONOTONIC_RAW", time.CLOCK_MONOTONIC)


Send: TypeAlias = Callable[[str, Mapping[str, object]], None]
"""Writes a message, given its type and its other fields."""


class Asked(NamedTuple):
    """What a launch is to load; the options of the runner that are about one model."""

    model: str
    inputs: Sequence[TensorSpec]
    inputs_file: str | None
    api: str
    outputs: Sequence[str]


def time_model(options: Namespace, send: Send) -> None:
    """Load, warm up and time the model; send each message when it can't disturb the timing.

    The messages have the fields of ``asymm_deploy.bench.wire``. Its definitions aren't imported:
    that would take longer than a run of a small model.
    """
    asked = Asked(options.model, options.input, options.inputs_file, options.api, options.output)
    load = engine(options, asked)
    greet(options, send)
    model = loaded(options, asked, load)
    for _ in range(options.warmup):
        model.session.run()
    send("model", model_fields(asked, model))
    time_runs(options, model.session, send)
    if options.backend != "cpu":
        from asymm_deploy.bench.runner.elsewhere import backends_fields

        send("backends", backends_fields(options, model.session))
    send("output", output_fields(model.session, with_values=options.output_values))
    send("done", {"count": options.runs})


def time_runs(options: Namespace, session: Session, send: Send) -> None:
    """Time the runs between two calibrations; send ``cpu``, ``calibration`` and ``samples``."""
    multiplier = Multiplier()
    rate_before = multiplier.mac_per_s()
    core_before = cores.core_now()
    samples = _timed(session, options.runs, options.cpu)
    core_after = cores.core_now()
    rate_after = multiplier.mac_per_s()
    send("cpu", {"asked": options.cpu, "before": core_before, "after": core_after})
    send("calibration", {"before_mac_per_s": rate_before, "after_mac_per_s": rate_after})
    send("samples", samples)


def greet(options: Namespace, send: Send) -> None:
    """Send hello; the engine has been imported."""
    if options.engine == "mnn":
        from asymm_deploy.engines.mnn_session import MNN_VERSION as VERSION
    else:
        from asymm_deploy.engines.ort_session import ORT_VERSION as VERSION
    send(
        "hello",
        {
            "protocol": PROTOCOL,
            "runner": "python",
            "runner_version": asymm_deploy.__version__,
            "engine": options.engine,
            "engine_version": VERSION,
            "abi": os.uname().machine,
            "pid": os.getpid(),
        },
    )


class Loaded(NamedTuple):
    """A model that is ready to run on its inputs."""

    session: Session
    specs: Sequence[TensorSpec]
    """The inputs, in the order in which they were asked for."""
    sha256: str
    init_ns: int


def engine(options: Namespace, asked: Asked) -> Callable[[str], Session]:
    """Import the engine; return a function that loads the model."""
    precision: str = options.precision
    threads: int = options.threads
    if asked.api == "module":
        from asymm_deploy.engines.mnn_module import MnnModule

        return lambda path: MnnModule(
            path, asked.inputs, asked.outputs, precision=precision, threads=threads
        )
    if options.engine == "mnn":
        from asymm_deploy.engines.mnn_session import MnnSession

        return lambda path: MnnSession(
            path,
            precision=precision,
            threads=threads,
            watchable=options.by_operator,
            backend=options.backend,
        )
    from asymm_deploy.engines.ort_session import OrtSession

    return lambda path: OrtSession(path, threads=threads)


def loaded(options: Namespace, asked: Asked, load: Callable[[str], Session]) -> Loaded:
    """Load the model and feed it; raise RefusedError if it is not as asked for."""
    session, sha256, init_ns = _load(asked.model, load)
    return Loaded(session, fed(options, asked, session), sha256, init_ns)


def fed(options: Namespace, asked: Asked, session: Session) -> Sequence[TensorSpec]:
    """Feed a session that was loaded; return its inputs, in the order in which they are asked for.

    Raises RefusedError if the model is not as asked for.
    """
    specs = tuple(asked.inputs) or session.inputs
    _check_inputs(asked.inputs, session.inputs)
    session.feed(_inputs(options, asked, specs))
    return specs


def model_fields(asked: Asked, model: Loaded) -> dict[str, object]:
    """Return the fields of the model's message; sent after the warm-up."""
    return {
        "sha256": model.sha256,
        "input_shape": model.specs[0].shape if model.specs else (),
        "init_ns": model.init_ns,
        "memory_mb": cores.peak_memory_mb(),
        "precision": model.session.precision,
        "threads": model.session.threads,
        "api": asked.api,
    }


def _load(path: str, load: Callable[[str], Session]) -> tuple[Session, str, int]:
    """Hash the model and load it; return the session, the SHA-256, and how long it took in ns.

    Raises RefusedError if the file changed in between.
    """
    before = status_of(path)
    sha256 = hash_of(path)
    start = time.clock_gettime_ns(CLOCK)
    session = load(path)
    init_ns = time.clock_gettime_ns(CLOCK) - start
    require_unchanged(path, before)
    return session, sha256, init_ns


def status_of(path: str) -> os.stat_result:
    """Return what the system says of the model file; raise RefusedError if it can't be read."""
    try:
        return Path(path).stat()
    except OSError as error:
        raise RefusedError(f"can't read the model: {error.strerror}") from error


def hash_of(path: str) -> str:
    """Return the model file's SHA-256; raise RefusedError if it can't be read."""
    try:
        with opened_regular(Path(path)) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise RefusedError(f"can't read the model: {error.strerror}") from error


def require_unchanged(path: str, before: os.stat_result) -> None:
    """Raise RefusedError if the model file is another one than ``before`` it was loaded."""
    after = status_of(path)
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    ):
        raise RefusedError("the model file changed while it was loaded")


def _inputs(options: Namespace, asked: Asked, specs: Sequence[TensorSpec]) -> Arrays:
    """Return the values to run on; those of an export were proven in MNN's 32 bits."""
    if asked.inputs_file is None:
        return bench_inputs(specs, options.input_seed)
    recorded = read_recorded(asked.inputs_file, asked.inputs)
    if options.engine != "mnn":
        return recorded
    return {name: in_32_bits(array) for name, array in recorded.items()}


def _check_inputs(asked: Sequence[TensorSpec], found: Sequence[TensorSpec]) -> None:
    """Raise RefusedError unless the model has the inputs asked for, if any, all of fixed shapes.

    Engines may add and drop axes of length one.
    """
    wanted = {spec.name: spec.shape for spec in asked}
    there = {spec.name: spec.shape for spec in found}
    for name, shape in there.items():
        # An axis of length 0 that was asked for is one.
        if min(shape, default=1) < 1 and wanted.get(name) != shape:
            raise RefusedError(f"the model's input {name!r} has no fixed shape")
    if wanted and _without_ones(wanted) != _without_ones(there):
        raise RefusedError(f"the model's inputs are {there}, not {wanted}")


def _without_ones(shapes: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    return {name: [size for size in shape if size != 1] for name, shape in shapes.items()}


def _timed(session: Session, runs: int, cpus: Sequence[int]) -> dict[str, object]:
    """Time ``runs`` runs one by one, with nothing else in the loop."""
    samples = [0] * runs
    run, clock = session.run, time.clock_gettime_ns
    assert not gc.isenabled()  # a collection in the loop would be timed with it
    waited, stolen = cores.waited_ns(), cores.steal_ns(cpus)
    cpu_start = time.thread_time_ns()
    wall_start = clock(CLOCK)
    for index in range(runs):
        start = clock(CLOCK)
        run()
        samples[index] = clock(CLOCK) - start
    wall_ns = clock(CLOCK) - wall_start
    cpu_ns = time.thread_time_ns() - cpu_start
    return {
        "ns": samples,
        "wall_ns": wall_ns,
        "cpu_ns": cpu_ns,
        "waited_ns": since(waited, cores.waited_ns()),
        "steal_ns": since(stolen, cores.steal_ns(cpus)),
    }


def since(before: int | None, after: int | None) -> int | None:
    """Return how much a counter went up, 0 if it went back; None if it is unknown."""
    if before is None or after is None:
        return None
    return max(0, after - before)


def output_fields(session: Session, *, with_values: bool) -> dict[str, object]:
    """Return the fields of the output's message: what the last run computed."""
    outputs = session.outputs()
    values = {
        name: np.ascontiguousarray(outputs[name], "<f4").tobytes()
        for name in sorted(outputs, key=str.encode)
    }
    digest = hashlib.sha256()
    for value in values.values():
        digest.update(value)
    if not with_values:
        return {"sha256": digest.hexdigest()}
    encoded = {name: b64encode(value).decode() for name, value in values.items()}
    return {"sha256": digest.hexdigest(), "values": encoded}
