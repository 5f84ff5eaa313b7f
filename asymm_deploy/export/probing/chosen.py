"""The probes that the reference can be held to, and what it gives for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.export.inputs import Probe, parity_probes
from asymm_deploy.export.manifest import ProvenInput
from asymm_deploy.export.probing.domain import Domain, Origin, domain_of_type
from asymm_deploy.export.probing.tried import tried_domain
from asymm_deploy.models.input_shape import InputShape

Run = Callable[[Arrays], list[Array]]
"""Runs the definition on one sample; raises RejectedError where the definition refuses it."""

_BASES = (0, 1)
"""What an integer input is while another one is tried."""
_SLOWEST_CPU_S, _TIMES_SLOWER, _TIMES_LARGER = 0.1, 30.0, 64
"""A value that takes this long, or gives this much more than small ones, sets a size or a count.

Counted in processor time: a busy machine would else bound what a model accepts.
"""
_FINITE = (Domain(1e-3, 1.0, "tried"), Domain(1.0, 3.0, "tried"))
"""Where a logarithm, a root or a division is finite; where an inverse cosine is."""


_ORIGINS = {
    "samples": "your samples",
    "range": "the range given",
    "type": "its type",
    "tried": "found by trying",
}


USERS_PROBE = "sample"
"""How the name of a probe begins that is a sample of the user."""


class RejectedError(Exception):
    """The definition refuses a sample; the text is its reason."""


@dataclass(frozen=True)
class ChosenProbes:
    """Samples, what the definition gives for each, and the values they cover."""

    probes: tuple[Probe, ...]
    results: list[list[Array]]
    """``[probe][output]``."""
    proven: tuple[ProvenInput, ...]
    """By input, in order."""
    notes: tuple[str, ...]
    """What was left out, and why."""


def choose_probes(
    specs: Sequence[TensorSpec],
    run: Run,
    *,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    samples: Sequence[Arrays] = (),
    seed: int = 0,
) -> ChosenProbes:
    """Return what the stages are compared on: first of all the user's ``samples``, if any.

    ``ranges`` has the least and the largest value of inputs that the user gave them for. Integers
    without one take every value of their type that ``run`` accepts. Raises NumericsError where the
    definition gives NaN for a sample of the user, or for all that was made up; UsageError where it
    refuses a sample of the user; RejectedError where it refuses whatever is tried.
    """
    if samples:
        return _of_the_user(specs, run, samples)
    domains = _given(specs, ranges or {})
    domains |= _tried(specs, domains, run)
    probes = parity_probes(specs, seed, domains)
    chosen = _kept(specs, run, probes, domains)
    free = [s.name for s in specs if s.name not in domains and np.dtype(s.dtype).kind == "f"]
    if free and len(chosen.probes) <= len(probes) // 2:
        for domain in _FINITE:
            finite = domains | dict.fromkeys(free, domain)
            again = _kept(specs, run, parity_probes(specs, seed, finite), finite)
            if len(again.probes) > len(chosen.probes):
                told = "most made-up inputs give NaN or infinity, so they are from "
                told += f"{domain.low:g} to {domain.high:g}"
                chosen = replace(again, notes=(told, *again.notes))
                break
    if not chosen.probes:
        raise NumericsError(
            f"no made-up input gives finite outputs: {'; '.join(chosen.notes)}",
            "say what the inputs look like: --inputs FILE.npz with samples of your own, or a range "
            f"as in --input-shape {_example(specs)}",
        )
    return chosen


def proven_in_words(proven: Sequence[ProvenInput]) -> str:
    """Return one line that says what values the files were proven over."""
    if not proven:
        return "proven without inputs, as nothing depends on one"
    return "proven over " + "; ".join(
        f"{given.name} {given.dtype}"
        + (
            ""
            if given.low is None
            else f" {_shown(given, given.low)} to {_shown(given, given.high)}"
        )
        + f" ({_origin_in_words(given)})"
        for given in proven
    )


def _shown(given: ProvenInput, value: float | None) -> str:
    return f"{value:.4g}" if np.dtype(given.dtype).kind == "f" else f"{int(value or 0)}"


def _origin_in_words(given: ProvenInput) -> str:
    if given.origin == "type" and np.dtype(given.dtype).kind == "f":
        return "made up"  # a few of the values that the type can hold
    return _ORIGINS[given.origin]


def _given(
    specs: Sequence[TensorSpec], ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Domain]:
    domains = {}
    for spec in specs:
        given = ranges.get(spec.name, ranges.get("") if len(specs) == 1 else None)
        if given is not None:
            domains[spec.name] = Domain(*given, "range")
    return domains


def _tried(specs: Sequence[TensorSpec], given: Mapping[str, Domain], run: Run) -> dict[str, Domain]:
    """Return the domains of the integers that nothing is known of, found by trying."""
    unknown = [s for s in specs if s.name not in given and np.dtype(s.dtype).kind != "f"]
    wanting = [spec for spec in unknown if np.dtype(spec.dtype).kind != "b"]
    found = {s.name: Domain(0, 1, "type") for s in unknown if s not in wanting}
    if not wanting:
        return found
    plain = parity_probes(specs, 0, {**given, **found})[0].arrays
    base, took_s, size = _base(wanting, plain, run)
    counts: set[str] = set()
    for spec in wanting:

        def accepts(value: int, spec: TensorSpec = spec) -> bool:
            filled = np.full(spec.shape, value, spec.dtype)
            start = time.process_time()
            try:
                results = run({**base, spec.name: filled})
            except RejectedError:
                return False
            took_now_s = time.process_time() - start
            size_now = sum(result.size for result in results)
            costly = took_now_s >= max(_SLOWEST_CPU_S, _TIMES_SLOWER * took_s)
            if costly or size_now > _TIMES_LARGER * max(size, 64):
                counts.add(spec.name)
                return False
            return True

        typical = domain_of_type(spec.dtype)
        if typical is not None and accepts(int(typical.high)) and accepts(int(typical.low)):
            found[spec.name] = typical
        else:
            first = int(base[spec.name].flat[0]) if base[spec.name].size else 0
            found[spec.name] = tried_domain(
                spec.dtype, accepts, first, is_count=partial(counts.__contains__, spec.name)
            )
    return found


def _base(wanting: Sequence[TensorSpec], plain: Arrays, run: Run) -> tuple[Arrays, float, int]:
    """Return inputs that ``run`` accepts, its seconds and the size of its outputs."""
    refusal: RejectedError | None = None
    for value in _BASES:
        base = plain | {s.name: np.full(s.shape, value, s.dtype) for s in wanting}
        start = time.process_time()
        try:
            results = run(base)
        except RejectedError as error:
            refusal = refusal or error
            continue
        return base, time.process_time() - start, sum(result.size for result in results)
    assert refusal is not None
    raise refusal


def _kept(
    specs: Sequence[TensorSpec],
    run: Run,
    probes: Sequence[Probe],
    domains: Mapping[str, Domain],
) -> ChosenProbes:
    """Run all probes; keep those with finite outputs."""
    kept, dropped = [], []
    refusal: RejectedError | None = None
    for probe in probes:
        try:
            results = run(probe.arrays)
        except RejectedError as error:
            refusal = error
            _require_fitting_range(specs, domains, error)
            dropped.append(f"the {probe.name} input is refused ({error})")
            continue
        wrong = _not_finite(results)
        if wrong:
            dropped.append(f"the {probe.name} input gives {wrong}")
        else:
            kept.append((probe, results))
    if refusal is not None and len(dropped) == len(probes):
        raise refusal
    origins = {spec.name: _origin(spec, domains) for spec in specs}
    notes = (f"left out of the comparison: {'; '.join(dropped)}",) if dropped else ()
    return _chosen(specs, kept, origins, notes)


def _require_fitting_range(
    specs: Sequence[TensorSpec], domains: Mapping[str, Domain], refusal: RejectedError
) -> None:
    """Raise UsageError if the user gave a range of integers, which is refused then."""
    for spec in specs:
        domain = domains.get(spec.name)
        if domain and domain.origin == "range" and np.dtype(spec.dtype).kind in "iu":
            raise UsageError(
                f"the model refuses values in the range given for {spec.name}, "
                f"{int(domain.low)} to {int(domain.high)}: {refusal}",
                "give the range that it takes, or none: what it accepts is then found by trying",
            )


def _origin(spec: TensorSpec, domains: Mapping[str, Domain]) -> Origin:
    domain = domains.get(spec.name)
    return "type" if domain is None else domain.origin


def _of_the_user(specs: Sequence[TensorSpec], run: Run, samples: Sequence[Arrays]) -> ChosenProbes:
    kept = []
    for number, sample in enumerate(samples):
        which = f"{USERS_PROBE} {number}" if len(samples) > 1 else f"the {USERS_PROBE}"
        try:
            results = run(sample)
        except RejectedError as error:
            raise UsageError(
                f"the model refuses {which} of --inputs: {error}",
                "check the sample's values: they should be what the model gets in use",
            ) from error
        wrong = _not_finite(results)
        if wrong:
            raise NumericsError(
                f"the model gives {wrong} for {which} of --inputs",
                "check that sample and the weights: nothing can be compared with such outputs",
            )
        kept.append((Probe(which.removeprefix("the "), sample), results))
    dropped = []
    for probe in _derived(specs, samples):
        try:
            results = run(probe.arrays)
        except RejectedError:
            dropped.append(f"{probe.name} (refused)")
            continue
        wrong = _not_finite(results)
        if wrong:
            dropped.append(f"{probe.name} ({wrong})")
        else:
            kept.append((probe, results))
    notes = (f"made from your samples, but left out: {', '.join(dropped)}",) if dropped else ()
    origins: dict[str, Origin] = {spec.name: "samples" for spec in specs}
    return _chosen(specs, kept, origins, notes)


def _derived(specs: Sequence[TensorSpec], samples: Sequence[Arrays]) -> list[Probe]:
    """Return probes of unusual statistics made from the user's samples; integers stay theirs."""
    first = samples[0]
    rng = np.random.default_rng(0)
    floating = [spec.name for spec in specs if np.dtype(spec.dtype).kind == "f"]
    makers: list[tuple[str, Callable[[Array], Array]]] = [
        ("sparse", lambda array: np.where(rng.random(array.shape) < 0.02, array, 0)),
        (
            "constant",
            lambda array: np.full_like(
                array, np.asarray(array, np.float64).mean() if array.size else 0
            ),
        ),
        ("large", lambda array: 3 * array),
    ]
    probes = [Probe("flipped", {spec.name: _flipped(first[spec.name]) for spec in specs})]
    if floating:
        probes += [
            Probe(
                name,
                first
                | {key: np.asarray(make(first[key])).astype(first[key].dtype) for key in floating},
            )
            for name, make in makers
        ]
    return probes


def _flipped(array: Array) -> Array:
    """Return the same values in another order."""
    return array if array.ndim == 0 else np.ascontiguousarray(np.flip(array, axis=-1))


def _chosen(
    specs: Sequence[TensorSpec],
    kept: Sequence[tuple[Probe, list[Array]]],
    origins: Mapping[str, Origin],
    notes: tuple[str, ...],
) -> ChosenProbes:
    probes = tuple(probe for probe, _results in kept)
    results = [results for _probe, results in kept]
    return ChosenProbes(probes, results, proven_values(specs, probes, origins), notes)


def proven_values(
    specs: Sequence[TensorSpec], probes: Sequence[Probe], origins: Mapping[str, Origin]
) -> tuple[ProvenInput, ...]:
    """Return the least and the largest value of each input over the ``probes``."""
    proven = []
    for spec in specs:
        values = [probe.arrays[spec.name] for probe in probes]
        filled = [array for array in values if array.size]
        low = min((array.min().item() for array in filled), default=None)
        high = max((array.max().item() for array in filled), default=None)
        low, high = (None if end is None else end + 0 for end in (low, high))
        proven.append(ProvenInput(spec.name, spec.dtype, low, high, origins[spec.name]))
    return tuple(proven)


def _not_finite(results: Sequence[Array]) -> str:
    """Return ``NaN`` or ``infinity`` where an output has it, else nothing."""
    floating = [array for array in results if array.dtype.kind == "f"]
    if any(bool(np.isnan(array).any()) for array in floating):
        return "NaN"
    return "infinity" if any(bool(np.isinf(array).any()) for array in floating) else ""


def _example(specs: Sequence[TensorSpec]) -> str:
    spec = specs[0] if specs else TensorSpec("x", (1, 3, 224, 224))
    return InputShape(spec.name, spec.shape, spec.dtype, 0.001, 1).text
