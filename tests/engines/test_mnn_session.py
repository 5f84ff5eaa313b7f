"""What MNN alone has: fp16 on some processors, Winograd's tiles, and loops that it can't run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_session import MnnSession, precision_in_force
from asymm_deploy.engines.ort_session import OrtSession

CONV = "g (float[1,16,32,32] x) => (float[1,16,32,32] y) { y = Conv<pads=[1,1,1,1]>(x, w) }"


@pytest.mark.parametrize(
    ("backend", "machine", "expected"),
    [
        (0, "aarch64", "fp32"),
        (0, "x86_64", "fp32"),
        (13, "aarch64", "fp16"),
        (13, "arm64", "fp16"),
        (13, "x86_64", "fp32"),
        (3, "aarch64", "backend 3"),
    ],
)
def test_the_cpu_extension_is_fp16_on_arm_alone(backend: int, machine: str, expected: str) -> None:
    assert precision_in_force(backend, machine) == expected


def test_winograds_larger_tiles_cost_digits_and_can_be_left_out(
    make_files: Callable[..., Path],
) -> None:
    rng = np.random.default_rng(0)
    path = make_files(CONV, w=rng.normal(size=(16, 16, 3, 3)).astype(np.float32))
    x = rng.normal(size=(1, 16, 32, 32)).astype(np.float32)
    exact = OrtSession(str(path))
    exact.feed({"x": x})
    exact.run()
    wanted = exact.outputs()["y"].astype(np.float64)

    errors = []
    for winograd in (True, False):
        session = MnnSession(str(path.with_suffix(".mnn")), winograd=winograd)
        session.feed({"x": x})
        session.run()
        errors.append(
            np.abs(session.outputs()["y"].astype(np.float64) - wanted).max() / wanted.std()
        )
    with_tiles, without = errors
    assert without < with_tiles < 1e-3


def test_a_loop_ends_with_an_error_and_no_output(make_files: Callable[..., Path]) -> None:
    """MNN writes a GRU as a loop, which its Interpreter loads and can't run."""
    weights = np.random.default_rng(0).normal(size=(1, 12, 4)).astype(np.float32)
    path = make_files(
        "g (float[3,1,4] x) => (float[3,1,1,4] y) { y = GRU<hidden_size=4>(x, w, r) }",
        w=weights,
        r=weights,
    )
    session = MnnSession(str(path.with_suffix(".mnn")))
    session.feed({"x": np.ones((3, 1, 4))})

    with pytest.raises(EngineError, match=r"^MNN's session stopped with error \d+$"):
        session.run()
