"""Models -> their explanations, one after the other; each is handed on as it is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import msgspec

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.emulated.counted_launch import CountPlan, count_models
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.host.host_device import HostDevice
from asymm_deploy.bench.observed.device_values import device_values
from asymm_deploy.bench.observed.emulated_values import emulated_values
from asymm_deploy.bench.observed.operator_times import ObservedTimes, time_operators
from asymm_deploy.bench.observed.operator_values import OperatorInputs, OperatorValues
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.wire import WireError
from asymm_deploy.errors import DeployError, HarnessError
from asymm_deploy.explain.bare_kinds import pointwise_names
from asymm_deploy.explain.device_errors import explain_device_values
from asymm_deploy.explain.explain_model import (
    PlacedModel,
    explained_by_count,
    explained_by_error,
    explained_by_time,
    failed_explanation,
)
from asymm_deploy.explain.explained_subject import ExplainSubject
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation
from asymm_deploy.explain.host_errors import explained_operators, judged_run, load_arrays

_NO_MODULES = (
    "It has loops or branches, so MNN runs it by its Module API alone: no errors are known, and "
    "operators in a loop are told each time that they run."
)
_NO_REFERENCE = "Without a reference no errors are known: give one with --reference FILE.onnx."
_HOST_ERRORS = (
    "Errors were measured on this machine: in fp32 the other one may sum up in another order, and "
    "computes the same else."
)
_NO_HALF = (
    "In fp16 errors are told where the native runner computes them: on a phone, or with --device "
    "a76."
)
ValuesThere: TypeAlias = Callable[[Artifact, OperatorInputs | None], Sequence[OperatorValues]]
"""Runs a model where it is explained; raises WireError with the reason if there is no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainPlan:
    """How to explain, for every model."""

    bench: Plan
    """How each launch is timed; its runs are those of one launch."""
    launches: int
    times: bool
    errors: bool


class ExplainWatcher:
    """What happens meanwhile; does nothing of its own."""

    def step(self, model: str, what: str) -> None:
        """Tell that a step of a model is done."""

    def failed(self, model: str, error: DeployError) -> None:
        """Tell that the errors of a model can't be found out; it may still be timed."""

    def explained(self, subject: ExplainSubject, explanation: Explanation) -> None:
        """Take an explanation as it is made."""


def explain_on_device(
    device: Device,
    subjects: Sequence[ExplainSubject],
    plan: ExplainPlan,
    watcher: ExplainWatcher,
    *,
    in_turns: bool = False,
) -> list[Explanation]:
    """Explain each model on a device, the whole of one before the next.

    ``in_turns``: each launch of one model is followed by that of the next, so that what disturbs
    them disturbs all alike. Raises HarnessError if the device fails, and UsageError for a core that
    it doesn't have; what fails with a model is in its explanation.
    """
    name = device.facts(()).device
    there = None if isinstance(device, HostDevice) else _values_on(device, plan)
    groups = [list(subjects)] if in_turns else [[each] for each in subjects]
    made = []
    for group in groups:
        places = {each: _placed(each, plan, watcher, there) for each in group}
        times = _launched(device, group, plan, watcher) if plan.times else {}
        for subject in group:
            if plan.times:
                found = explained_by_time(
                    subject.artifact, places[subject], times[subject], plan.bench.allow
                )
            else:
                found = _by_errors(subject, places[subject], plan, name)
            watcher.explained(subject, found)
            made.append(found)
    return made


def explain_emulated(
    emulator: Emulator,
    subjects: Sequence[ExplainSubject],
    plan: ExplainPlan,
    jobs: int,
    watcher: ExplainWatcher,
) -> list[Explanation]:
    """Explain each model by its instructions, ``jobs`` at a time, once its places are known.

    What fails with a model is in its explanation.
    """
    there = _values_in(emulator, plan)
    places = {
        (each.artifact.model, each.artifact.sha256): _placed(each, plan, watcher, there)
        for each in subjects
    }
    made: dict[tuple[str, str], Explanation] = {}
    known = {(each.artifact.model, each.artifact.sha256): each for each in subjects}

    def counted(record: CostRecord) -> None:
        key = record.model, record.artifact_sha256
        subject = known[key]
        watcher.step(record.model, "counted")
        made[key] = explained_by_count(subject.artifact, places[key], record)
        watcher.explained(subject, made[key])

    if plan.times:
        count = CountPlan(precision=plan.bench.precision, caches=False)
        artifacts = [each.artifact for each in subjects]
        count_models(emulator, artifacts, count, jobs=jobs, on_counted=counted)
    else:
        for key, subject in known.items():
            made[key] = _by_errors(subject, places[key], plan, EMULATED)
            watcher.explained(subject, made[key])
    return [made[each.artifact.model, each.artifact.sha256] for each in subjects]


def _values_on(device: Device, plan: ExplainPlan) -> ValuesThere:
    """Return what runs a model on a phone with the native runner."""
    return lambda artifact, given: device_values(device, artifact, plan.bench, given)


def _values_in(emulator: Emulator, plan: ExplainPlan) -> ValuesThere:
    return lambda artifact, given: emulated_values(emulator, artifact, plan.bench.precision, given)


def _launched(
    device: Device, subjects: Sequence[ExplainSubject], plan: ExplainPlan, watcher: ExplainWatcher
) -> dict[ExplainSubject, list[ObservedTimes]]:
    """Return the times of every model by launch: all of them once, then all of them again."""
    artifacts = [each.artifact for each in subjects]
    made: dict[ExplainSubject, list[ObservedTimes]] = {each: [] for each in subjects}
    for _ in range(plan.launches):
        found = time_operators(
            device,
            artifacts,
            plan.bench,
            lambda times: watcher.step(times.record.model, "timed"),
        )
        for subject, times in zip(subjects, found, strict=True):
            made[subject].append(times)
    return made


def _placed(
    subject: ExplainSubject,
    plan: ExplainPlan,
    watcher: ExplainWatcher,
    there: ValuesThere | None,
) -> PlacedModel:
    """Return the operators in their places with their errors, as far as they can be found out.

    Places are found out on this machine; errors are those of where the model is explained.
    """
    artifact = subject.artifact
    if artifact.api == "module" or subject.reference is None:
        note = _NO_MODULES if artifact.api == "module" else _NO_REFERENCE
        return PlacedModel(notes=(note,), pointwise=pointwise_names(artifact.path))
    try:
        operators, notes = _judged(subject, plan, watcher, there)
    except DeployError as error:
        if not subject.reference_is_own:
            hint = (
                f"is {subject.reference} of this model, with inputs of the same shapes? If it is: "
            )
            error = type(error)(error.what, hint + error.hint)
        watcher.failed(artifact.model, error)
        return PlacedModel(notes=(f"Errors and modules are unknown: {error.what}.",))
    watcher.step(artifact.model, "compared")
    return PlacedModel(
        operators,
        reference=subject.reference_name,
        reference_sha256=subject.reference_sha256,
        notes=notes,
    )


def _judged(
    subject: ExplainSubject,
    plan: ExplainPlan,
    watcher: ExplainWatcher,
    there: ValuesThere | None,
) -> tuple[tuple[ExplainedOperator, ...], tuple[str, ...]]:
    """Return the operators with their errors, and what has to be said about these."""
    assert subject.reference is not None
    artifact, precision = subject.artifact, plan.bench.precision
    wanted = plan.errors and there is not None
    with TemporaryDirectory(prefix="asymm-explain-") as folder:
        values = Path(folder) / "values.npz" if wanted else None
        run = judged_run(
            *(artifact.path, subject.reference, (subject.sample(),)),
            precision=precision,
            values=values,
        )
        if values is not None and there is not None:
            run_there = partial(there, artifact)
            try:
                found = explain_device_values(run, load_arrays(values), run_there, precision)
            except WireError as error:
                hint = "repeat the command; errors that this machine can measure stand in for them"
                what = f"its operators' values are unknown there: {error}"
                watcher.failed(artifact.model, HarnessError(what, hint))
            else:
                return found, ()
    operators = explained_operators(run, precision)
    if plan.errors and precision == "fp32":
        return operators, (_HOST_ERRORS,) if wanted else ()
    bare = tuple(map(_without_errors, operators))
    return bare, (_NO_HALF,) if plan.errors and there is None else ()


def _without_errors(operator: ExplainedOperator) -> ExplainedOperator:
    return msgspec.structs.replace(operator, on_layer=None, own=None, own_limit=None, unjudged=None)


def _by_errors(
    subject: ExplainSubject, place: PlacedModel, plan: ExplainPlan, device: str
) -> Explanation:
    if not place.operators:
        reason = place.notes[0] if place.notes else "it has no operators"
        return failed_explanation(subject.artifact, plan.bench.precision, device, reason)
    return explained_by_error(
        subject.artifact, place, plan.bench.precision, metadata.version("MNN"), device
    )
