"""The probes that a definition is held to: what it refuses is left out, and said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from asymm_deploy.engines.tensors import Array, Arrays, TensorSpec
from asymm_deploy.errors import NumericsError, UsageError
from asymm_deploy.export.probing.chosen import (
    ChosenProbes,
    RejectedError,
    choose_probes,
    proven_in_words,
)

X = TensorSpec("x", (1, 4, 6, 6))
IDS = TensorSpec("ids", (1, 12), "int64")


def computing(function: Callable[..., Array]) -> Callable[[Arrays], list[Array]]:
    def run(arrays: Arrays) -> list[Array]:
        with np.errstate(all="ignore"):
            return [np.asarray(function(**arrays))]

    return run


def embedding(rows: int, least: int = 0) -> Callable[[Arrays], list[Array]]:
    table = np.random.default_rng(0).standard_normal((rows, 3)).astype(np.float32)

    def look_up(ids: Array) -> Array:
        if ids.min() < least or ids.max() >= rows:
            raise RejectedError("index out of range")
        return table[ids.astype(np.int64)]

    return computing(look_up)


def logarithm(x: Array) -> Array:
    return np.asarray(np.log(x))


def names(chosen: ChosenProbes) -> list[str]:
    return [probe.name for probe in chosen.probes]


def test_the_rows_of_an_embedding_are_found_by_trying() -> None:
    chosen = choose_probes([IDS], embedding(97))
    (ids,) = chosen.proven
    assert (ids.low, ids.high, ids.origin) == (0, 96, "tried")
    assert len(chosen.probes) == 10
    assert chosen.notes == ()


def test_negative_indices_are_tried_where_they_are_accepted() -> None:
    (ids,) = choose_probes([IDS], embedding(97, least=-97)).proven
    assert (ids.low, ids.high) == (-97, 96)


def test_integers_beyond_32_bits_are_tried_where_they_are_accepted() -> None:
    chosen = choose_probes([IDS], computing(lambda ids: (ids % 97).astype(np.float32)))
    (ids,) = chosen.proven
    assert ids.high is not None
    assert ids.high > 2**31
    assert names(chosen)[-1] == "beyond 32 bits"


def test_a_range_that_is_given_is_kept() -> None:
    run = computing(lambda ids: (ids % 97).astype(np.float32))
    (ids,) = choose_probes([IDS], run, ranges={"ids": (0, 29999)}).proven
    assert (ids.low, ids.high, ids.origin) == (0, 29999, "range")
    (only,) = choose_probes([IDS], run, ranges={"": (5, 6)}).proven
    assert (only.low, only.high) == (5, 6)


def test_a_range_that_the_definition_refuses_is_an_error() -> None:
    with pytest.raises(UsageError, match="refuses values in the range given for ids, 0 to 999"):
        choose_probes([IDS], embedding(97), ranges={"ids": (0, 999)})


def test_an_input_that_takes_no_zero_is_begun_at_one() -> None:
    def lengths(ids: Array) -> Array:
        if ids.min() < 1 or ids.max() > 12:
            raise RejectedError("lengths are from 1 to 12")
        return ids.astype(np.float32)

    (ids,) = choose_probes([IDS], computing(lengths)).proven
    assert (ids.low, ids.high) == (1, 12)


def test_a_value_that_sets_a_size_is_not_tried_until_the_memory_is_full() -> None:
    count = TensorSpec("n", (), "int64")
    largest = 0

    def rising(n: Array) -> Array:
        nonlocal largest
        largest = max(largest, int(n))
        if int(n) < 0:
            raise RejectedError("negative")
        return np.arange(int(n) + 1, dtype=np.float32)

    (n,) = choose_probes([count], computing(rising)).proven
    assert largest <= 2**16
    assert n.low == 0


def test_a_count_of_rounds_is_no_negative_number_whatever_is_accepted() -> None:
    rounds = TensorSpec("n", (), "int64")

    def loop(n: Array) -> Array:
        total = 0.0
        for number in range(int(n)):
            total += number
        return np.array([total, float(int(n))], np.float32)

    (n,) = choose_probes([rounds], computing(loop)).proven
    assert n.low == 0
    assert n.high is not None
    assert 16 <= n.high < 2**30


def test_what_takes_no_negative_numbers_gets_positive_ones() -> None:
    chosen = choose_probes([X], computing(logarithm))
    (x,) = chosen.proven
    assert x.low is not None
    assert (x.low > 0, x.origin) == (True, "tried")
    assert len(chosen.probes) >= 8
    assert "from 0.001 to 1" in chosen.notes[0]


def test_a_probe_that_gives_nan_is_left_out_and_said() -> None:
    vector = TensorSpec("x", (1, 8))
    chosen = choose_probes([vector], computing(lambda x: x / np.linalg.norm(x)))
    assert "sparse" not in names(chosen)
    assert chosen.notes == ("left out of the comparison: the sparse input gives NaN",)


def test_a_definition_that_is_never_finite_is_refused_with_its_probes() -> None:
    with pytest.raises(NumericsError, match=r"the uniform input gives NaN.*the small input gives"):
        choose_probes([X], computing(lambda x: x * np.nan))


def test_a_definition_that_refuses_everything_says_why() -> None:
    def never(x: Array) -> Array:
        raise RejectedError("no such luck")

    with pytest.raises(RejectedError, match="no such luck"):
        choose_probes([X], computing(never))


def test_samples_of_the_user_come_first_and_replace_what_is_made_up() -> None:
    rng = np.random.default_rng(1)
    samples: list[Arrays] = [{"x": rng.random(X.shape).astype(np.float32)} for _ in range(3)]
    chosen = choose_probes([X], computing(lambda x: np.log(x + 1e-3)), samples=samples)
    assert names(chosen)[:3] == ["sample 0", "sample 1", "sample 2"]
    assert not {"normal", "uniform", "mosaic"} & set(names(chosen))
    assert {"flipped", "sparse", "constant", "large"} <= set(names(chosen))
    assert all(
        np.array_equal(a.arrays["x"], b["x"]) for a, b in zip(chosen.probes, samples, strict=False)
    )
    assert chosen.proven[0].origin == "samples"


def test_what_is_made_of_samples_stays_only_where_it_is_finite() -> None:
    sample: Arrays = {"x": np.full(X.shape, 0.5, np.float32)}
    chosen = choose_probes([X], computing(logarithm), samples=[sample])
    assert names(chosen) == ["sample", "flipped", "constant", "large"]
    assert chosen.notes == ("made from your samples, but left out: sparse (infinity)",)


def test_integers_of_a_sample_stay_the_users() -> None:
    ids = np.arange(12).reshape(1, 12)
    chosen = choose_probes([IDS], embedding(12), samples=[{"ids": ids}])
    assert all(set(probe.arrays["ids"].flat) <= set(range(12)) for probe in chosen.probes)


def test_a_sample_that_gives_nan_or_is_refused_is_named() -> None:
    good: Arrays = {"x": np.ones(X.shape, np.float32)}
    bad: Arrays = {"x": np.full(X.shape, -1, np.float32)}
    with pytest.raises(NumericsError, match="gives NaN for sample 1 of --inputs"):
        choose_probes([X], computing(logarithm), samples=[good, bad])
    with pytest.raises(UsageError, match="refuses the sample of --inputs: index out of range"):
        choose_probes([IDS], embedding(5), samples=[{"ids": np.full((1, 12), 7)}])


def test_what_was_proven_is_told_in_a_line() -> None:
    mask = TensorSpec("mask", (1, 12), "bool")
    image = TensorSpec("image", (1, 12), "uint8")
    run = embedding(97)
    chosen = choose_probes(
        [IDS, mask, image, TensorSpec("x", (1, 12))],
        lambda arrays: [np.multiply(run({"ids": arrays["ids"]})[0], arrays["x"][..., None])],
    )
    told = proven_in_words(chosen.proven)
    assert told.startswith(
        "proven over ids int64 0 to 96 (found by trying); mask bool 0 to 1 (its type); "
        "image uint8 0 to 255 (its type); x float32 -"
    )
    assert told.endswith("(made up)")


def test_where_only_numbers_above_one_are_finite_they_are_tried() -> None:
    chosen = choose_probes([TensorSpec("x", (1, 20))], computing(lambda x: np.sqrt(x - 1)))
    assert len(chosen.probes) >= 8
    assert "from 1 to 3" in chosen.notes[0]
