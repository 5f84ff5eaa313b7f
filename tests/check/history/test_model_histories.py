"""Histories of one model are told apart, and mixtures are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.check.findings import GateReport
from asymm_deploy.errors import UsageError

Write = Callable[..., list[Path]]
Judged = Callable[..., GateReport]


def commit(number: int) -> str:
    return f"abc{number:05x}"


def noise(count: int, seed: int) -> np.ndarray:
    return np.exp(np.random.default_rng(seed).normal(0, NOISE, count))


NOISE = 0.005
"""Of a commit's latency, relative; launches of a quiet core spread as much."""


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"input_shape": (1, 3, 192, 192)}, ("net (1x3x224x224)", "net (1x3x192x192)")),
        ({"input_shape": None}, ("net (1x3x224x224)", "net (unknown shape)")),
        ({"precision": "fp16"}, ("net (fp32)", "net (fp16)")),
        ({"threads": 2}, ("net (1 thread)", "net (2 threads)")),
        ({"engine": "onnxruntime", "threads": 2}, ("net (mnn, 1 thread)", "net (onnxruntime, 2 t")),
    ],
)
def test_histories_of_one_model_are_told_apart(
    judged: Judged, write: Write, changed: dict[str, object], names: tuple[str, str]
) -> None:
    shape = {"input_shape": (1, 3, 224, 224)}
    write([10.0] * 20, model="other")
    write([10.0] * 20, **shape)
    report = judged(write([10.0] * 20, **shape | changed))
    assert report.changes[0].model == "other"
    for change, name in zip(report.changes[1:], names, strict=True):
        assert change.model.startswith(name)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("runner", {"runner_version": "9"}),
        ("engine", {"engine_version": "4.0.0"}),
        ("core", {"cpus": (3,), "cpu_before": 3, "cpu_after": 3}),
        ("device", {"device": "elsewhere"}),
        ("warm-up", {"warmup": 5}),
    ],
)
def test_other_circumstances_are_refused_and_named(
    judged: Judged, write: Write, name: str, changed: dict[str, object]
) -> None:
    before = write([10.0] * 6)
    kept = [path.read_bytes() for path in before]
    files = write([10.0] * 12, **changed)
    for path, content in zip(before, kept, strict=True):
        path.write_bytes(content)
    with pytest.raises(UsageError, match=f"its {name} was .* at {commit(0)} and is .*") as caught:
        judged(files)
    assert f"from {commit(6)} on" in caught.value.hint


def test_two_phones_timed_for_each_commit_are_two_histories(judged: Judged, write: Write) -> None:
    slower = 10 * noise(30, 9)
    slower[15:] *= 1.1
    write(10 * noise(30, 10), device="phone A")
    report = judged(write(slower, device="phone B"))
    assert {change.model: change.verdict for change in report.changes} == {
        "net (phone A)": "pass",
        "net (phone B)": "regressed",
    }
