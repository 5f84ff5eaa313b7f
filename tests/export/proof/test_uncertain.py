"""A made-up input on which the reference only rounds is left out; one that is wrong stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.errors import NumericsError
from asymm_deploy.export.proof.reference import Reference, reference_of_module
from asymm_deploy.export.proof.stage import prove_stage
from asymm_deploy.export.proof.uncertain import (
    without_masked_probes,
    without_uncertain_probes,
)
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.source import CallableModule


class Normalised(nn.Module):
    """Divides by a deviation that is all rounding where the input is even."""

    def forward(self, x: Tensor) -> Tensor:
        y = x * 1.1 + 0.37
        return (y - y.mean()) / (y.std() + 1e-7)


def reference_of(module: nn.Module) -> Reference:
    shapes = (InputShape(None, (1, 1, 15, 15)),)
    request = ExportRequest(CallableModule("nets", "net", shapes), Path())
    return reference_of_module(request, module)


def moved(of: Reference, probe: str) -> list[list[Any]]:
    """Return the results, of which those of one probe are another input's."""
    names = [p.name for p in of.probes]
    results = [list(outputs) for outputs in of.results]
    results[names.index(probe)] = [np.negative(output) for output in results[names.index("mosaic")]]
    return results


def test_an_even_input_of_a_normalisation_is_left_out_and_said() -> None:
    of = reference_of(Normalised())
    sure = without_uncertain_probes(of)
    assert sure is not None
    left = {p.name for p in of.probes} - {p.name for p in sure.probes}
    assert left
    assert left <= {"constant", "negative constant"}
    assert len(sure.results) == len(sure.probes) == len(of.probes) - len(left)
    (note,) = sure.notes
    assert note.startswith(
        f"left out of the comparison, since PyTorch {torch.__version__} is not sure of its own"
    )
    assert without_uncertain_probes(sure) is None
    assert max(sure.rounding) < max(of.rounding)  # what is left out allows nothing


def test_a_difference_at_another_input_is_still_one() -> None:
    of = reference_of(Normalised())
    sure = without_uncertain_probes(of)
    assert sure is not None
    with pytest.raises(NumericsError):
        prove_stage("mnn", sure, moved(sure, "normal"))


def test_flags_all_alike_that_give_nan_are_left_out() -> None:
    of = reference_of(nn.Conv2d(1, 3, 3))
    probes = tuple(
        type(p)(p.name, p.arrays | {"keep": np.full(4, p.name != "constant")}) for p in of.probes
    )
    mixed = tuple(type(p)(p.name, p.arrays | {"keep": np.array([True, False])}) for p in of.probes)
    results = moved(of, "constant")
    number = [p.name for p in of.probes].index("constant")
    results[number] = [np.full_like(output, np.nan) for output in results[number]]
    sure = without_masked_probes(replace(of, probes=probes), results)
    assert sure is not None
    assert "constant" not in [p.name for p in sure.probes]
    assert without_masked_probes(replace(of, probes=mixed), results) is None
    assert without_masked_probes(replace(of, probes=probes), of.results) is None


def test_a_reference_that_is_sure_keeps_every_probe() -> None:
    assert without_uncertain_probes(reference_of(nn.Conv2d(1, 3, 3))) is None


def test_without_a_wider_type_the_same_engine_tells_if_it_may() -> None:
    of = replace(reference_of(nn.Conv2d(1, 3, 3)), exact=lambda: None)
    assert without_uncertain_probes(of) is None
    sure = without_uncertain_probes(of, moved(of, "constant"))
    assert sure is not None
    assert "constant" not in [p.name for p in sure.probes]


def test_samples_of_the_user_always_stay() -> None:
    of = reference_of(Normalised())
    named = tuple(replace_name(p, f"sample {number}") for number, p in enumerate(of.probes))
    assert without_uncertain_probes(replace(of, probes=named)) is None


def test_too_few_probes_are_no_proof() -> None:
    of = reference_of(Normalised())
    wrong = [[np.add(output, 1.0) for output in outputs] for outputs in of.results]
    assert without_uncertain_probes(replace(of, exact=lambda: wrong)) is None


def replace_name(probe: Any, name: str) -> Any:
    return type(probe)(name, probe.arrays)
