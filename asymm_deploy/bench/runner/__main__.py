"""``python -I -m asymm_deploy.bench.runner``: pin, load, warm up, time, report.

Its arguments and the lines it prints are the protocol's (``asymm_deploy.bench.wire``). A bench
starts it a thousand times, so it imports little. It pins itself before it imports the engine.
"""

from __future__ import annotations

import gc
import math
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Mapping, Sequence

    from asymm_deploy.bench.runner.timing import Send
    from asymm_deploy.engines.tensors import TensorSpec

_GAVE_UP = 3
_MAX_RUNS = 1_000_000  # the limits of wire.py, these three, which takes long to import
_MAX_THREADS = 65535
_MAX_CORE = 65535
_MAX_PID = 2**31 - 1
_MOST_SECONDS = 86400
_MOST_EVERY_MS = 60000
_TYPES = (
    *("float16", "float32", "float64", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)


def main(argv: Sequence[str]) -> int:
    """Do one launch; return the exit code."""
    stream = _take_stdout()
    gc.disable()  # a launch is too short to need it, and imports are faster without
    _keep_blas_to_one_thread()
    import json

    from asymm_deploy.bench.runner.cores import RefusedError
    from asymm_deploy.engines.engine_error import EngineError

    def send(kind: str, fields: Mapping[str, object]) -> None:
        line = json.dumps({"type": kind, **fields}, separators=(",", ":")) + "\n"
        rest = memoryview(line.encode())
        while rest:
            rest = rest[os.write(stream, rest) :]

    try:
        _launch(_parse(argv), send)
    except (RefusedError, EngineError) as error:
        send("error", {"reason": str(error)})
        return _GAVE_UP
    except Exception as error:
        send("error", {"reason": f"{type(error).__name__}: {error}"})
        raise
    return 0


def _launch(options: Namespace, send: Send) -> None:
    from asymm_deploy.bench.runner import cores

    if options.die_with is not None:
        cores.die_with(options.die_with)
    if options.cpu:
        cores.pin(options.cpu)
    if options.second_model is not None:
        from asymm_deploy.bench.runner.turns import time_in_turns

        time_in_turns(options, send)
        return
    if options.by_operator:
        from asymm_deploy.bench.runner.watching import time_by_operator

        time_by_operator(options, send)
        return
    if options.cold:
        from asymm_deploy.bench.runner.cold_start import time_cold_start

        time_cold_start(options, send)
        return
    if options.for_seconds is not None:
        from asymm_deploy.bench.runner.by_second import time_by_second

        time_by_second(options, send)
        return
    from asymm_deploy.bench.runner.timing import time_model

    time_model(options, send)


def _keep_blas_to_one_thread() -> None:
    """Call it before anything imports numpy, as ``_parse`` does: BLAS reads these but once.

    The calibration measures one core, and BLAS's own threads would not be pinned.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["VECLIB_MAXIMUM_THREADS"] = "1"


def _take_stdout() -> int:
    """Keep stdout for the protocol: from now on, everything else that prints goes to stderr."""
    stream = os.dup(1)
    os.dup2(2, 1)
    return stream


def _parse(argv: Sequence[str]) -> Namespace:
    import argparse

    from asymm_deploy.bench.runner.cores import RefusedError

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise RefusedError(message)

    parser = Parser(prog="runner", allow_abbrev=False, add_help=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--engine", required=True, choices=("mnn", "onnxruntime"))
    parser.add_argument("--runs", required=True, type=_within(1, _MAX_RUNS))
    parser.add_argument("--warmup", required=True, type=_within(0, _MAX_RUNS))
    parser.add_argument("--threads", required=True, type=_within(1, _MAX_THREADS))
    parser.add_argument("--precision", required=True, choices=("fp32", "fp16"))
    parser.add_argument("--cpu", required=True, type=_cores)
    parser.add_argument("--input-seed", required=True, type=int)
    parser.add_argument("--input", action="append", default=[], type=_input)
    parser.add_argument("--inputs-file")
    parser.add_argument("--api", choices=("session", "module"), default="session")
    parser.add_argument("--output", action="append", default=[])
    parser.add_argument("--output-values", action="store_true")
    parser.add_argument("--die-with", type=_within(1, _MAX_PID))
    parser.add_argument("--backend", choices=("cpu", "opencl", "vulkan"), default="cpu")
    parser.add_argument("--by-operator", action="store_true")
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--stage-memory", action="store_true")
    parser.add_argument("--for-seconds", type=_up_to(_MOST_SECONDS))
    parser.add_argument("--every-ms", type=_up_to(_MOST_EVERY_MS))
    parser.add_argument("--second-model")
    parser.add_argument("--second-input", action="append", default=[], type=_input)
    parser.add_argument("--second-inputs-file")
    parser.add_argument("--second-api", choices=("session", "module"), default="session")
    parser.add_argument("--second-output", action="append", default=[])
    parser.add_argument("--starts", choices=("first", "second"), default="first")
    parser.add_argument("--most-seconds", type=_positive, default=math.inf)
    parser.add_argument("--least-runs", type=_within(1, _MAX_RUNS), default=1)
    options = parser.parse_args(argv)
    for api, outputs, name, an in (
        (options.api, options.output, "api", "an --output"),
        (options.second_api, options.second_output, "second-api", "a --second-output"),
    ):
        if api == "module" and options.engine != "mnn":
            parser.error(f"argument --{name}: only mnn has a module")
        if api == "module" and not outputs:
            parser.error(f"argument --{name}: a module needs {an} for each output of the model")
    if options.by_operator:
        _check_by_operator(parser, options)
    if options.backend != "cpu":
        _check_backend(parser, options)
    _check_cold(parser, options)
    _check_for_seconds(parser, options)
    return options


def _check_cold(parser: ArgumentParser, options: Namespace) -> None:
    if options.stage_memory and not options.cold:
        parser.error("argument --stage-memory: needs --cold")
    for name, is_there in (
        ("--second-model", options.second_model is not None),
        ("--by-operator", options.by_operator),
        ("--for-seconds", options.for_seconds is not None),
    ):
        if options.cold and is_there:
            parser.error(f"argument --cold: times the start of one model, and {name} is given")


def _check_for_seconds(parser: ArgumentParser, options: Namespace) -> None:
    if options.for_seconds is None:
        if options.every_ms is not None:
            parser.error("argument --every-ms: needs --for-seconds")
        return
    for name, is_there in (
        ("--second-model", options.second_model is not None),
        ("--by-operator", options.by_operator),
    ):
        if is_there:
            parser.error(
                f"argument --for-seconds: times one model, run by run, and {name} is given"
            )


def _check_by_operator(parser: ArgumentParser, options: Namespace) -> None:
    if options.engine != "mnn":
        parser.error("argument --by-operator: only mnn tells of its operators")
    if options.api == "module":
        parser.error(
            "argument --by-operator: MNN's Python package doesn't tell of a module's operators; "
            "the native runner does (`asymm-deploy runner build`, then --runner)"
        )
    if options.second_model is not None:
        parser.error("argument --by-operator: takes one model, and --second-model is given")


def _check_backend(parser: ArgumentParser, options: Namespace) -> None:
    """Refuse what runs on the CPU alone, in the words of the native runner."""
    asked = options.backend
    if options.engine != "mnn":
        parser.error("argument --backend: only mnn has others than the CPU")
    for name, is_there in (
        ("--second-model", options.second_model is not None),
        ("--by-operator", options.by_operator),
        ("--cold", options.cold),
        ("--for-seconds", options.for_seconds is not None),
    ):
        if is_there:
            parser.error(f"argument --backend: {asked} is for plain launches, and {name} is given")
    if options.api != "session":
        parser.error("argument --backend: MNN's Module API doesn't tell where its operators run")
    if options.threads != 1:
        parser.error(f"argument --backend: --threads is of the CPU, and has to be 1 on {asked}")


def _within(least: int, most: int) -> Callable[[str], int]:
    """Return what takes an integer in this range for the value of an argument."""

    def taken(text: str) -> int:
        from argparse import ArgumentTypeError

        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"invalid int value: {text!r}") from None
        if not least <= value <= most:
            raise ArgumentTypeError(f"not in {least}..{most}: {text!r}")
        return value

    return taken


def _positive(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"invalid float value: {text!r}") from None
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"not a positive finite number: {text!r}")
    return value


def _up_to(most: int) -> Callable[[str], float]:
    """Return what takes a number above 0, and no larger than this, for an argument's value."""

    def taken(text: str) -> float:
        from argparse import ArgumentTypeError

        value = _positive(text)
        if value > most:
            raise ArgumentTypeError(f"more than {most}: {text!r}")
        return value

    return taken


def _cores(text: str) -> tuple[int, ...]:
    return () if text == "none" else tuple(map(_within(0, _MAX_CORE), text.split(",")))


def _input(text: str) -> TensorSpec:
    import argparse

    from asymm_deploy.engines.tensors import TensorSpec

    try:
        dtype, shape, name = text.split(":", 2)
        axes = tuple(map(int, shape.split(","))) if shape else ()
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid input: {text!r}") from None
    if dtype not in _TYPES:
        raise argparse.ArgumentTypeError(f"unknown type: {dtype!r}")
    if min(axes, default=0) < 0:
        raise argparse.ArgumentTypeError(f"invalid input: {text!r}")
    return TensorSpec(name, axes, dtype)


def _leave(code: int) -> NoReturn:
    """Exit without tearing down numpy and the engine: that takes a tenth of a short launch."""
    import ctypes

    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)  # MNN prints through C's buffers
    os._exit(code)


if __name__ == "__main__":
    _leave(main(sys.argv[1:]))
