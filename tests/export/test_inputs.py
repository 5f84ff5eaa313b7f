"""The inputs are the same everywhere, and of different kinds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import bench_inputs, parity_probes

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def splitmix(z: int) -> int:
    """SplitMix64's finalizer in Python's integers, as its authors wrote it in C."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def test_the_generator_gives_splitmix64s_published_numbers() -> None:
    # The first outputs for seed 1234567, from the authors' reference program.
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [splitmix(1234567 + (i + 1) * GOLDEN & MASK) for i in range(3)] == expected


@given(seed=st.integers(0, 2**32), count=st.integers(1, 40), index=st.integers(0, 3))
def test_each_element_follows_the_documented_formula(seed: int, count: int, index: int) -> None:
    specs = [TensorSpec(f"x{i}", (1, count)) for i in range(index + 1)]
    made = bench_inputs(specs, seed)[f"x{index}"]
    key = splitmix((seed + index * GOLDEN) & MASK)
    for j in range(count):
        z = splitmix((key + (j + 1) * GOLDEN) & MASK)
        assert made[0, j] == np.float32((z >> 40) / 2**23 - 1)


def test_inputs_of_other_types_are_zero_and_one() -> None:
    made = bench_inputs([TensorSpec("ids", (64,), "int64"), TensorSpec("mask", (64,), "bool")])
    assert made["ids"].dtype == np.int64
    assert set(np.unique(made["ids"])) == {0, 1}
    assert made["mask"].dtype == np.bool_


def test_there_are_at_least_eight_probes_of_different_statistics() -> None:
    probes = parity_probes([TensorSpec("x", (1, 3, 64, 64))])
    assert len(probes) >= 8
    names = [probe.name for probe in probes]
    assert len(set(names)) == len(names)
    assert {"uniform", "normal", "constant", "large", "small"} <= set(names)
    size = {probe.name: float(np.abs(probe.arrays["x"]).mean()) for probe in probes}
    assert size["large"] > 8 * size["small"]
    by_name = {probe.name: probe.arrays["x"] for probe in probes}
    assert by_name["constant"].std() == 0
    assert (by_name["sparse"] == 0).mean() > 0.9


def test_the_first_probe_is_what_the_bench_runs_on() -> None:
    specs = [TensorSpec("x", (2, 5))]
    assert np.array_equal(parity_probes(specs)[0].arrays["x"], bench_inputs(specs)["x"])


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (1, 3, 5), (1, 2, 3, 4), (1, 1, 2, 3, 9)])
def test_probes_have_the_shape_asked_for(shape: tuple[int, ...]) -> None:
    for probe in parity_probes([TensorSpec("x", shape)]):
        assert probe.arrays["x"].shape == shape
        assert np.isfinite(probe.arrays["x"]).all()
