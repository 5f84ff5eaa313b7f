"""onnxsim fails, crashes and hangs in a process of its own."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import onnx
import onnx.parser
import onnxsim
import pytest

from asymm_deploy.export.passes import onnxsim_apart
from asymm_deploy.export.passes.onnxsim_apart import OnnxsimError, run_onnxsim, run_onnxsim_apart

TEXT = """<ir_version: 8, opset_import: ["" : 17]>
    g (float[n,2] x) => (float[n,2] y) <float[2] k = {1, 2}> { m = Neg(k) y = Mul(x, m) }"""
MODEL: onnx.ModelProto = onnx.parser.parse_model(TEXT)
SHAPES = {"x": (3, 2)}

forks = pytest.mark.skipif(sys.platform == "darwin", reason="it runs in this process there")


def test_the_result_is_the_same_as_in_this_process() -> None:
    made = run_onnxsim_apart(MODEL, SHAPES)

    assert made == run_onnxsim(MODEL, SHAPES)
    assert [node.op_type for node in made.graph.node] == ["Mul"]


def failing(*_: object, **__: object) -> Any:
    raise RuntimeError("Nodes must be topologically sorted")


def crashing(*_: object, **__: object) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def exiting(*_: object, **__: object) -> Any:
    os._exit(3)


def hanging(*_: object, **__: object) -> Any:
    time.sleep(60)


@forks
@pytest.mark.parametrize(
    ("does", "reason"),
    [
        (failing, "Nodes must be topologically sorted"),
        (crashing, "it died of SIGSEGV"),
        (exiting, "it ended with code 3"),
        (hanging, "it did not finish within 1 s"),
    ],
)
def test_whatever_happens_there_has_a_reason_here(
    does: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxsim, "simplify", does)
    monkeypatch.setattr(onnxsim_apart, "TIMEOUT_S", 1)
    with pytest.raises(OnnxsimError, match=f"^{reason}$"):
        run_onnxsim_apart(MODEL, SHAPES)


def test_a_failure_in_this_process_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxsim, "simplify", failing)
    with pytest.raises(OnnxsimError, match="topologically sorted"):
        run_onnxsim(MODEL, SHAPES)
