"""What ran elsewhere is judged by the same reference, each operator by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from asymm_deploy.bench.observed.operator_values import OperatorInputs, OperatorValues
from asymm_deploy.engines.mnn_observed import MnnWatched
from asymm_deploy.engines.observation import ObservedOperator
from asymm_deploy.explain.device_errors import NOT_THERE, explain_device_values
from asymm_deploy.explain.operator_errors import KEPT


@pytest.fixture(scope="module")
def watched(everything: Any) -> MnnWatched:
    return MnnWatched(str(everything.mnn))


class Elsewhere:
    """A device that runs the same file: without some operators, one of them
    1 % off, and one whose inputs nobody can write."""

    def __init__(
        self,
        watched: MnnWatched,
        sample: Any,
        without: str = "",
        off: str = "",
        keeps: str = "",
    ) -> None:
        self.watched, self.sample = watched, sample
        self.without, self.off, self.keeps = without, off, keeps

    def __call__(self, given: OperatorInputs | None) -> Sequence[OperatorValues]:
        kept = [x.index for x in self.watched.run(self.sample) if x.name != self.without]
        there = {index: place for place, index in enumerate(kept)}
        values = given or {}
        found = self.watched.run(
            self.sample, lambda index, at: values.get((there.get(index, -1), at))
        )
        return [self._made(found[index]) for index in kept]

    def _made(self, operator: ObservedOperator) -> OperatorValues:
        factor = np.float32(1.01 if operator.name == self.off else 1)
        outputs = tuple(factor * each.astype(np.float32) for each in operator.outputs)
        kept = (0,) if operator.name == self.keeps else ()
        return OperatorValues(operator.name, operator.type, outputs, kept)


def test_the_same_file_elsewhere_has_the_hosts_errors(everything: Any, watched: MnnWatched) -> None:
    there = Elsewhere(watched, everything.sample)
    found = explain_device_values(everything.run, everything.values, there, "fp32")
    assert found == everything.operators


def test_an_operator_that_is_off_there_is_accused_and_no_other(
    everything: Any, watched: MnnWatched
) -> None:
    there = Elsewhere(watched, everything.sample, off="/up/ConvTranspose_output_0")
    found = explain_device_values(everything.run, everything.values, there, "fp32")
    assert [each.module for each in found if each.accused] == ["up"]


def test_an_operator_that_is_not_there_is_told_and_the_others_are_judged(
    everything: Any, watched: MnnWatched
) -> None:
    missing = "/pool/AveragePool_output_0"
    there = Elsewhere(watched, everything.sample, without=missing)
    found = explain_device_values(everything.run, everything.values, there, "fp32")

    assert [each.name for each in found if each.unjudged == NOT_THERE] == [missing]
    assert [each.name for each in found if each.accused] == []


def test_an_operator_that_cannot_be_fed_there_has_no_own_error_and_says_so(
    everything: Any, watched: MnnWatched
) -> None:
    keeps = "/up/ConvTranspose_output_0"
    there = Elsewhere(watched, everything.sample, off=keeps, keeps=keeps)
    found = explain_device_values(everything.run, everything.values, there, "fp32")
    (kept,) = (each for each in found if each.unjudged == KEPT)
    assert (kept.name, kept.own, kept.accused) == (keeps, None, False)
    assert kept.on_layer is not None

    place = msgspec.structs.replace(everything.run.placed[kept.index], unjudged=KEPT)
    placed = tuple(place if each.index == kept.index else each for each in everything.run.placed)
    run = msgspec.structs.replace(everything.run, placed=placed)
    there = Elsewhere(watched, everything.sample)
    found = explain_device_values(run, everything.values, there, "fp32")
    assert found == everything.operators, "what this machine can't be fed, the other one can"
