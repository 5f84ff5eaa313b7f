"""Errors of operators that ran elsewhere: on a phone or in the emulator, in fp16 for example."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from typing import TypeAlias

import msgspec
import numpy as np

from asymm_deploy.bench.observed.operator_values import OperatorInputs, OperatorValues
from asymm_deploy.bench.records import Precision
from asymm_deploy.engines.tensors import Array
from asymm_deploy.explain.explanation import ExplainedOperator
from asymm_deploy.explain.host_errors import (
    JudgedRun,
    errors_of_values,
    explained_operators,
    matched_places,
)
from asymm_deploy.explain.operator_errors import KEPT, overwritten
from asymm_deploy.explain.placing.placed_operator import PlacedOperator

RunThere: TypeAlias = Callable[[OperatorInputs | None], Sequence[OperatorValues]]
"""Runs the model on the device; given values are put into inputs of operators before they run."""

NOT_THERE = "it doesn't run there: the device has no operator of this name"


def explain_device_values(
    run: JudgedRun, values: Mapping[str, Array], run_there: RunThere, precision: Precision
) -> tuple[ExplainedOperator, ...]:
    """Return the operators of ``run``, with the errors that they have on another device.

    ``run`` and ``values``, the reference's tensors for the same input, come from
    `host_errors.judged_run`. The model runs there twice: unchanged, and with the reference's values
    as inputs. What the device lets nobody write has no own error. Raises what ``run_there`` does.
    """
    natural = run_there(None)
    places = matched_places(run.placed, [(each.name, each.type) for each in natural])
    there = {ours: theirs for theirs, ours in enumerate(places) if ours is not None}
    given = {
        (there[operator], position): np.asarray(array, np.float32)
        for (operator, position), array in overwritten(run.placed, values).items()
        if operator in there and array.dtype.kind == "f"
    }
    alone = run_there(given)
    kept = {place for place, each in zip(places, alone, strict=True) if each.kept}
    own = errors_of_values(run, values, _by_place(alone, places))
    seen = msgspec.structs.replace(
        run,
        placed=tuple(_judged_there(each, set(there), kept) for each in run.placed),
        on_layer=errors_of_values(run, values, _by_place(natural, places)),
        own=tuple(None if index in kept else each for index, each in enumerate(own)),
    )
    return explained_operators(seen, precision)


def _judged_there(place: PlacedOperator, there: Set[int], kept: Set[int | None]) -> PlacedOperator:
    """Return the operator with the reason for which it has no own error on the device, if any."""
    if place.unjudged not in (None, KEPT):  # what this machine keeps, the other one may not
        return place
    why = KEPT if place.index in kept else None
    if place.index not in there:
        why = NOT_THERE
    return msgspec.structs.replace(place, unjudged=why)


def _by_place(
    found: Sequence[OperatorValues], places: Sequence[int | None]
) -> dict[int, Sequence[Array]]:
    return {
        place: each.outputs for each, place in zip(found, places, strict=True) if place is not None
    }
