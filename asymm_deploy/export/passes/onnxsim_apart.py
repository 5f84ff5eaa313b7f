"""onnxsim in a copy of this process: where it crashes, the model is not lost with it."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import time
import warnings
from collections.abc import Mapping, Sequence

import onnx

TIMEOUT_S = 300
"""onnxsim takes a second for large graphs. One that takes five minutes is in a loop."""


class OnnxsimError(Exception):
    """onnxsim failed, crashed or did not come to an end; the text is the reason."""


def run_onnxsim(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    """Return ``model`` with constants and BatchNorm folded; raise OnnxsimError."""
    import onnxsim

    overwritten = {name: list(shape) for name, shape in shapes.items()}
    try:
        simplified, _ = onnxsim.simplify(model, overwrite_input_shapes=overwritten)
    except Exception as error:
        raise OnnxsimError(str(error) or type(error).__name__) from error
    made: onnx.ModelProto = simplified
    return made


def run_onnxsim_apart(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]
) -> onnx.ModelProto:
    """Return what ``run_onnxsim`` does, in a forked process; raise OnnxsimError for a crash too.

    A fork costs 45 ms with torch loaded, where a new process would import for seconds. On macOS,
    whose libraries don't survive a fork, it runs in this process.
    """
    if sys.platform == "darwin":
        return run_onnxsim(model, shapes)
    import onnxsim  # noqa: F401  loaded before the fork

    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads: the child starts none
        child = os.fork()
    if child == 0:
        os.close(read_end)
        _work_and_exit(write_end, model, shapes)
    os.close(write_end)
    try:
        answer = _read_all(read_end, child)
    finally:
        os.close(read_end)
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if answer is None:
        raise OnnxsimError(f"it did not finish within {TIMEOUT_S} s")
    if code < 0:
        raise OnnxsimError(f"it died of {signal.Signals(-code).name}")
    if code != 0 or not answer:
        raise OnnxsimError(answer.decode(errors="replace") or f"it ended with code {code}")
    return onnx.load_model_from_string(answer)


def _work_and_exit(
    write_end: int, model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]
) -> None:
    code = 1
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  what it prints is for its developers
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    try:
        answer = run_onnxsim(model, shapes).SerializeToString()
        code = 0
    except BaseException as error:
        answer = str(error).encode()
    try:
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(code)


def _read_all(read_end: int, child: int) -> bytes | None:
    """Return what the child writes until it ends, or None after killing it for taking too long."""
    deadline = time.monotonic() + TIMEOUT_S
    parts: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(read_end, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                os.kill(child, signal.SIGKILL)
                return None
            part = os.read(read_end, 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
