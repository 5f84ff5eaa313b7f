"""Values go into memory of 8 bits whatever its order and sign, and only where that is certain."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt
import pytest

from asymm_deploy.engines.int8_tensors import write_in_8_bits

Memory = npt.NDArray[np.uint8]
RNG = np.random.default_rng(0)
STEP, ZERO = 0.05, 3


def packed(numbers: npt.NDArray[np.int64], pack: int, *, signed: bool) -> Memory:
    """Return (1, channels, height, width) as an engine keeps it, ``pack`` channels together."""
    channels = numbers.shape[1]
    padded = np.zeros((1, -(-channels // pack) * pack, *numbers.shape[2:]), np.int64)
    padded[:, :channels] = numbers
    ordered = padded.reshape(-1, pack, *numbers.shape[2:]).transpose(0, 2, 3, 1)
    return (ordered + (0 if signed else 128)).astype(np.uint8).ravel()


def address_of(memory: Memory) -> int:
    return ctypes.addressof(ctypes.c_uint8.from_buffer(memory.data))


@pytest.mark.parametrize("pack", [1, 4, 8, 16])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("channels", [3, 16])
def test_values_are_written_in_the_steps_and_the_order_of_the_memory(
    pack: int, signed: bool, channels: int
) -> None:
    before, after = (RNG.integers(-127, 128, (1, channels, 5, 4)) for _ in range(2))
    memory = packed(before, pack, signed=signed)
    held, wanted = (STEP * (numbers - ZERO) for numbers in (before, after))

    assert write_in_8_bits(address_of(memory), held, wanted + 0.3 * STEP)
    np.testing.assert_array_equal(memory, packed(after, pack, signed=signed))


def test_what_is_beyond_8_bits_is_cut_there() -> None:
    before = RNG.integers(-127, 128, (1, 4, 2, 2))
    memory = packed(before, 4, signed=True)

    assert write_in_8_bits(address_of(memory), STEP * before, np.full(before.shape, 1e9))
    assert (memory.view(np.int8) == 127).all()


@pytest.mark.parametrize("held", [np.ones((1, 4, 2, 2)), RNG.standard_normal((1, 4, 2, 2))])
def test_memory_that_can_not_be_made_out_stays_as_it_is(held: npt.NDArray[np.float64]) -> None:
    memory = packed(RNG.integers(-127, 128, (1, 4, 2, 2)), 4, signed=True)
    kept = memory.copy()

    assert not write_in_8_bits(address_of(memory), held, np.zeros(held.shape))
    np.testing.assert_array_equal(memory, kept)
