"""What two folders hold, and whether it can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from asymm_deploy.check import folders
from asymm_deploy.check.folders import Pair
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError


def test_a_model_file_that_is_not_there_is_no_whole_export(pair: Callable[[str], Pair]) -> None:
    missing = pair("net")
    missing.candidate.path.unlink()
    with pytest.raises(UsageError, match=r"B holds an incomplete export: there is no net\.mnn"):
        folders.require_comparable_pair(missing)


def test_versions_for_other_input_shapes_are_refused(pair: Callable[[str], Pair]) -> None:
    def taking(*shape: int) -> tuple[TensorSpec, ...]:
        return (TensorSpec("input", (1, 3, *shape)),)

    old, new = pair("net").baseline, pair("net").candidate
    small = dataclasses.replace(old, inputs=taking(96, 96))
    folders.require_comparable_pair(
        Pair("net", small, dataclasses.replace(new, inputs=taking(96, 96)))
    )
    folders.require_comparable_pair(Pair("net", small, new))  # of a bare file nothing is known
    large = Pair("net", small, dataclasses.replace(new, inputs=taking(224, 224)))
    said = "the input shape is 1x3x96x96 in the baseline and 1x3x224x224 in the candidate"
    with pytest.raises(UsageError, match=f"net can't be compared: {said}"):
        folders.require_comparable_pair(large)


def test_inputs_of_another_type_or_name_are_compared_and_said(pair: Callable[[str], Pair]) -> None:
    def fed(*inputs: TensorSpec) -> Pair:
        old, new = pair("net").baseline, pair("net").candidate
        before = (TensorSpec("image", (1, 3, 96, 96)),)
        return Pair(
            "net", dataclasses.replace(old, inputs=before), dataclasses.replace(new, inputs=inputs)
        )

    same, typed, named = (
        fed(TensorSpec("image", (1, 3, 96, 96))),
        fed(TensorSpec("image", (1, 3, 96, 96), "uint8")),
        fed(TensorSpec("data\n", (1, 3, 96, 96))),
    )
    of_type, of_name = folders.otherwise_fed([same, typed, named, pair("net")])
    assert "inputs are image (float32) in the baseline and image (uint8) in the cand" in of_type
    assert "and data (float32) in the candidate" in of_name
