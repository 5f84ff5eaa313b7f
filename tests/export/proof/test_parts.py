"""A part of an output that is small beside the rest may not be wrong unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.errors import NumericsError
from asymm_deploy.export.inputs import Probe
from asymm_deploy.export.proof.parts import Part, beyond_rounding, differing_parts
from asymm_deploy.export.proof.reference import Reference
from asymm_deploy.export.proof.refusal.difference import Difference
from asymm_deploy.export.proof.refusal.suspects import narrower_range
from asymm_deploy.export.proof.stage import prove_stage
from asymm_deploy.models.cost import Complexity

SIZES = np.array([1e6, 1e6, 1e6, 1e-3])


def outputs(shape: tuple[int, ...] = (1, 4)) -> list[Any]:
    made = np.random.default_rng(0).standard_normal((10, *shape)) * SIZES.reshape(
        (1, 4) + (1,) * (len(shape) - 2)
    )
    return list(made.astype(np.float32))


def wrong_in_the_last_channel(sides: list[Any]) -> list[Any]:
    found = [array.copy() for array in sides]
    for array in found:
        array[:, 3] *= 1.5
    return found


def proven(results: list[Array], exact: Sequence[Array]) -> Reference:
    x = TensorSpec("x", (1, 4))
    probes = tuple(Probe(f"probe {n}", {"x": a}) for n, a in enumerate(results))
    return Reference(
        (x,),
        (TensorSpec("y", results[0].shape),),
        probes,
        [[a] for a in results],
        Complexity((), 0),
        "the definition",
        "source",
        exact=lambda: [[a] for a in exact],
    )


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 5, 5)])
def test_a_small_channel_that_is_wrong_is_refused_and_its_own_element_named(
    shape: tuple[int, ...],
) -> None:
    ours = outputs(shape)
    reference = proven(ours, [array.astype(np.float64) for array in ours])
    with pytest.raises(NumericsError, match=r"small beside the rest.*y\[0, 3"):
        prove_stage("mnn", reference, [[a] for a in wrong_in_the_last_channel(ours)])


def test_what_the_reference_rounds_there_itself_is_granted() -> None:
    ours = outputs()
    theirs = wrong_in_the_last_channel(ours)
    exact = [array.astype(np.float64) for array in theirs]
    assert prove_stage("mnn", proven(ours, exact), [[a] for a in theirs]).report.passed


def test_a_wrong_result_for_small_inputs_is_not_hidden_by_large_ones() -> None:
    huge = np.array([[2e9, -1e9, 1e9, -2e9]], np.float32)
    ours = [huge, np.array([[1, -2, 3, -4]], np.float32)]
    theirs = [huge, np.array([[1, -1, 3, -3]], np.float32)]
    (worst, *_rest) = [part for part in differing_parts(ours, theirs) if part.axis is None]
    assert worst.at == 1
    assert beyond_rounding([worst], ours, ours, theirs) == worst


def test_other_rounding_and_integers_are_no_parts() -> None:
    ours = outputs()
    assert not differing_parts(ours, [array * np.float32(1 + 1e-6) for array in ours])
    counted = [array.astype(np.int64) for array in ours]
    assert not differing_parts(counted, [array + 1 for array in counted])


def test_a_part_holds_one_place_of_an_axis_or_all_of_one_input() -> None:
    assert Part(1, 2, 1.0).holds(0, (1, 3)).tolist() == [[False, False, True]]
    assert Part(None, 2, 1.0).holds(2, (2,)).tolist() == [True, True]
    assert not Part(None, 2, 1.0).holds(1, (2,)).any()


def test_an_output_of_another_size_is_named_with_its_probe_and_looked_into() -> None:
    ours = outputs()
    cut = [[array[:, :2]] for array in ours]
    seen = []

    def explain(where: Difference) -> tuple[str, str]:
        seen.append(where.probe)
        return "it is Slice", "narrow it"

    with pytest.raises(NumericsError, match=r"y has shape \(1, 2\) for the probe 0 .*it is Slice"):
        prove_stage("mnn", proven(ours, ours), cut, explain=explain)
    assert seen == [0]


def test_unsigned_integers_beyond_32_bits_get_a_narrower_range_too() -> None:
    ids = TensorSpec("ids", (1, 2), "uint32")
    wide: dict[str, Any] = {"ids": np.array([[1, 4_000_000_000]], np.uint32)}
    made = replace(proven(outputs(), outputs()), inputs=(ids,))
    assert narrower_range(made, wide).startswith("--input-shape ids=1,2:uint32:0..")
