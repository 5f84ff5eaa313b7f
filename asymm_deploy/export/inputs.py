"""The inputs that outputs are compared on: one fixed input for timing, and ten probes.

The fixed input comes from SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
generators, OOPSLA 2014), so that a runner in any language makes the same bits from the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.export.probing.domain import Domain, floats, integers

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
LARGE_SCALE = 3.0
SMALL_SCALE = 0.25
BEYOND_INT32 = "beyond 32 bits"
"""The probe of integers that MNN, which keeps all of them in 32 bits, can't hold."""

_Maker: TypeAlias = Callable[[tuple[int, ...], np.random.Generator], npt.NDArray[np.float64]]


class Probe(msgspec.Struct, frozen=True):
    """One set of inputs, named after its statistics."""

    name: str
    arrays: Arrays


def bench_inputs(specs: Sequence[TensorSpec], seed: int = 0) -> Arrays:
    """Return the input that timing uses: uniform in [-1, 1), or 0 and 1 if not floating-point.

    Each input i of a graph has a stream of its own. Its key is mix(seed + i * GOLDEN); element j
    (row-major) is z = mix(key + (j + 1) * GOLDEN), all modulo 2**64, where mix is SplitMix64's
    finalizer. A floating element is (z >> 40) / 2**23 - 1, exact in float32; any other is z >> 63.
    """
    return {spec.name: _uniform(spec, seed, index) for index, spec in enumerate(specs)}


def parity_probes(
    specs: Sequence[TensorSpec], seed: int = 0, domains: Mapping[str, Domain] | None = None
) -> tuple[Probe, ...]:
    """Return the inputs that each stage is compared on; the first is the bench's own input.

    Each kind shows defects that another hides: positive and signed values, constants, smooth and
    abrupt changes in space, mostly zeros, and scales a factor of 12 apart. Inputs whose ``domains``
    are known, by name, stay within them; integers and booleans without one are 0 and 1.
    """
    known = domains or {}
    kinds: list[tuple[str, _Maker]] = [
        ("normal", _normal),
        ("positive", lambda shape, rng: rng.random(shape)),
        ("constant", lambda shape, _rng: np.full(shape, 0.75)),
        ("negative constant", lambda shape, _rng: np.full(shape, -0.5)),
        ("smooth", _smooth),
        ("mosaic", _mosaic),
        ("sparse", lambda shape, rng: 4.0 * _normal(shape, rng) * (rng.random(shape) < 0.02)),
        ("large", lambda shape, rng: LARGE_SCALE * _smooth(shape, rng)),
        ("small", lambda shape, rng: SMALL_SCALE * _smooth(shape, rng)),
    ]
    if any(_is_integer(spec) and _beyond_int32(known.get(spec.name)) for spec in specs):
        kinds.append((BEYOND_INT32, _normal))
    first = bench_inputs(specs, seed)
    probes = [Probe("uniform", {s.name: _first(s, known, first[s.name], seed) for s in specs})]
    for number, (name, make) in enumerate(kinds, start=1):
        arrays: Arrays = {}
        for index, spec in enumerate(specs):
            domain = known.get(spec.name)
            rng = np.random.default_rng([seed & _MASK, number, index])
            if _is_floating(spec):
                plain = np.asarray(make(spec.shape, rng))
                made = plain if domain is None else floats(name, spec, domain, plain)
                arrays[spec.name] = np.asarray(made).astype(spec.dtype)
            elif domain is None:
                arrays[spec.name] = _uniform(spec, seed + number, index)
            else:
                arrays[spec.name] = integers(name, spec, domain, rng)
        probes.append(Probe(name, arrays))
    return tuple(probes)


def _first(spec: TensorSpec, known: Mapping[str, Domain], plain: Array, seed: int) -> Array:
    """Return the values of the probe that is timed as well."""
    domain = known.get(spec.name)
    if domain is None:
        return plain
    if _is_floating(spec):
        return floats("uniform", spec, domain, plain)
    rng = np.random.default_rng([seed & _MASK, 0, *spec.name.encode()])
    return integers("uniform", spec, domain, rng)


def recorded_bytes(arrays: Sequence[Array]) -> bytes:
    """Return what ``inputs.bin`` holds: values row by row, little-endian, one after the other."""
    plain = [np.asarray(array, array.dtype.newbyteorder("<"), order="C") for array in arrays]
    return b"".join(array.tobytes() for array in plain)


def _beyond_int32(domain: Domain | None) -> bool:
    return domain is not None and domain.beyond_int32


def _is_integer(spec: TensorSpec) -> bool:
    return np.dtype(spec.dtype).kind in "iu"


def _is_floating(spec: TensorSpec) -> bool:
    return np.dtype(spec.dtype).kind == "f"


def _uniform(spec: TensorSpec, seed: int, index: int) -> npt.NDArray[np.generic]:
    key = _mix(np.array([(seed + index * _GOLDEN) & _MASK], dtype=np.uint64))
    count = int(np.prod(spec.shape, dtype=np.int64))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    bits = _mix(key + steps).reshape(spec.shape)
    if not _is_floating(spec):
        return (bits >> np.uint64(63)).astype(spec.dtype)
    return ((bits >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0).astype(spec.dtype)


def _mix(z: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _normal(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return rng.standard_normal(shape)


def _smooth(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Waves of at most two periods along each axis after the channels, different for each."""
    wave = rng.uniform(0.5, 1.5, shape[:2] + (1,) * (len(shape) - 2))
    for axis in range(2, len(shape)):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        position = np.linspace(0, 2 * np.pi, shape[axis]).reshape(along)
        phase = rng.uniform(0, 2 * np.pi, wave.shape[:2] + (1,) * (len(shape) - 2))
        wave = wave * np.cos(rng.uniform(0.2, 2.0) * position + phase)
    return np.broadcast_to(wave, shape)


def _mosaic(shape: tuple[int, ...], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Tiles of one value each, eight elements wide along every axis after the channels."""
    tiles = rng.standard_normal(shape[:2] + tuple(-(-size // 8) for size in shape[2:]))
    for axis in range(2, len(shape)):
        tiles = np.repeat(tiles, 8, axis=axis).take(range(shape[axis]), axis=axis)
    return tiles
