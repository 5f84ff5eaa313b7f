"""Values of every kind stay within what an input takes, and reach its ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.export.inputs import BEYOND_INT32, parity_probes
from asymm_deploy.export.probing.domain import Domain, domain_of_type, floats, integers

KINDS = [probe.name for probe in parity_probes([TensorSpec("x", (2,))])]


@given(
    ends=st.tuples(st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62)),
    kind=st.sampled_from([*KINDS, BEYOND_INT32]),
    seed=st.integers(0, 99),
)
def test_integers_of_every_kind_stay_within_their_domain(
    ends: tuple[int, int], kind: str, seed: int
) -> None:
    low, high = min(ends), max(ends)
    spec = TensorSpec("ids", (3, 5), "int64")
    rng = np.random.default_rng(seed)
    made = integers(kind, spec, Domain(low, high, "range"), rng)
    assert made.shape == (3, 5)
    assert made.dtype == np.int64
    # Only the probe of that name leaves 32 bits, if the domain has anything inside them.
    assert low <= int(made.min())
    assert int(made.max()) <= high


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "bool"])
def test_small_types_are_covered_from_end_to_end(dtype: str) -> None:
    spec = TensorSpec("x", (64, 64), dtype)
    domain = domain_of_type(dtype)
    assert domain is not None
    probes = parity_probes([spec], domains={"x": domain})
    assert min(int(probe.arrays["x"].min()) for probe in probes) == domain.low
    assert max(int(probe.arrays["x"].max()) for probe in probes) == domain.high


def test_large_types_tell_nothing_of_what_an_input_takes() -> None:
    assert domain_of_type("int32") is None
    assert domain_of_type("float32") is None


def test_what_32_bits_cannot_hold_is_a_probe_of_its_own() -> None:
    spec = TensorSpec("ids", (50,), "int64")
    wide = parity_probes([spec], domains={"ids": Domain(-(2**40), 2**40, "tried")})
    narrow = parity_probes([spec], domains={"ids": Domain(-(2**31), 2**31 - 1, "tried")})
    assert [probe.name for probe in wide] == [*KINDS, BEYOND_INT32]
    assert [probe.name for probe in narrow] == KINDS
    for probe in wide:
        beyond = np.abs(probe.arrays["ids"].astype(np.float64)).max() >= 2**31
        # -2**31 itself is held by 32 bits
        assert beyond == (probe.name == BEYOND_INT32) or probe.arrays["ids"].min() == -(2**31)
    below = parity_probes([spec], domains={"ids": Domain(-(2**40), 5, "tried")})
    assert below[-1].arrays["ids"].max() < -(2**31)


def test_both_ends_and_negative_values_are_tried() -> None:
    spec = TensorSpec("ids", (200,), "int32")
    probes = {
        p.name: p.arrays["ids"]
        for p in parity_probes([spec], domains={"ids": Domain(-97, 96, "tried")})
    }
    assert probes["large"].min() < -88
    assert probes["large"].max() > 87
    assert (probes["negative constant"] == -1).all()
    assert (probes["constant"] == 96).all()
    assert probes["uniform"].min() >= 0
    assert len(np.unique(probes["uniform"])) > 50


def test_what_takes_every_integer_is_timed_with_flags() -> None:
    spec = TensorSpec("mask", (64,), "int64")
    probes = parity_probes([spec], domains={"mask": Domain(-(2**40), 2**40, "tried")})
    assert set(np.unique(probes[0].arrays["mask"])) == {0, 1}


@given(low=st.floats(-1e6, 1e6), width=st.floats(0.0, 1e6), kind=st.sampled_from(KINDS))
def test_numbers_of_every_kind_stay_within_their_range(low: float, width: float, kind: str) -> None:
    spec = TensorSpec("x", (2, 3, 4, 4))
    plain = {p.name: p.arrays["x"] for p in parity_probes([spec])}[kind]
    made = floats(kind, spec, Domain(low, low + width, "range"), plain)
    assert made.dtype == np.float32
    assert np.float32(low) <= made.min()
    assert made.max() <= np.float32(low + width)


def test_a_range_is_used_from_end_to_end() -> None:
    spec = TensorSpec("x", (1, 3, 32, 32))
    probes = parity_probes([spec], domains={"x": Domain(0.0, 255.0, "range")})
    assert min(p.arrays["x"].min() for p in probes) == 0.0
    assert max(p.arrays["x"].max() for p in probes) == 255.0
    by_name = {p.name: p.arrays["x"] for p in probes}
    assert set(np.unique(by_name["large"])) == {0.0, 255.0}
    assert by_name["constant"].std() == 0.0


def test_inputs_without_a_domain_are_what_they_always_were() -> None:
    specs = [TensorSpec("x", (2, 5)), TensorSpec("ids", (4,), "int64")]
    assert all(
        np.array_equal(a.arrays[name], b.arrays[name])
        for a, b in zip(parity_probes(specs), parity_probes(specs, domains={}), strict=True)
        for name in ("x", "ids")
    )
    with_ids = parity_probes(specs, domains={"ids": Domain(0, 9, "range")})
    assert all(
        np.array_equal(a.arrays["x"], b.arrays["x"])
        for a, b in zip(parity_probes(specs), with_ids, strict=True)
    )


def test_beyond_32_bits_are_numbers_that_wrap_to_small_ones_which_a_comparison_needs() -> None:
    spec = TensorSpec("ids", (500,), "int64")
    domain = Domain(-(2**31), 2**40, "tried")
    made = integers(BEYOND_INT32, spec, domain, np.random.default_rng(0)).astype(np.int64)
    assert made.min() > 2**31 - 1
    wrapped = made.astype(np.int32)
    assert np.mean((wrapped >= 0) & (wrapped <= 100)) > 0.5
    assert 7 in wrapped
