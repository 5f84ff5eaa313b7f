"""What was watched, timed and counted of one model -> its `Explanation`; pure.

Operators are known from up to two sides: their places and errors from a run on the host, and their
times or instructions from wherever the model was to run. Both name them as MNN does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import msgspec

from asymm_deploy.bench import flags
from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.emulated.counts import CostRecord
from asymm_deploy.bench.observed.operator_times import ObservedTimes
from asymm_deploy.bench.records import Precision
from asymm_deploy.explain.bare_kinds import bare_operator
from asymm_deploy.explain.explanation import ExplainedOperator, Explanation

_NOT_ON_HOST = "it ran there alone: on the host, where errors are measured, there is none of it"


@dataclass(frozen=True, slots=True)
class PlacedModel:
    """A model's operators in their places, as far as that could be found out on the host."""

    operators: tuple[ExplainedOperator, ...] = ()
    """With their errors, if any were asked for; empty if nobody knows their places."""
    reference: str | None = None
    """The name of the file that the right values come from; None without one."""
    reference_sha256: str | None = None
    notes: tuple[str, ...] = ()
    pointwise: frozenset[str] = frozenset()
    """Where no places are known: the operators that are convolutions with 1x1 kernels."""


def explained_by_time(
    artifact: Artifact, placed: PlacedModel, launches: Sequence[ObservedTimes], allow: Sequence[str]
) -> Explanation:
    """Return what several launches on one device make of ``artifact``; there is at least one.

    The median is that of the launches' medians, and the operators' times add up to it.
    """
    record = launches[0].record
    names = flags.gravest_first(name for each in launches for name in each.record.flags)
    found = _blank(artifact, placed, record.precision, record.device)
    failure = next((each.record.error for each in launches if each.record.error), None)
    medians = [each.median_ns for each in launches if each.median_ns is not None]
    found = msgspec.structs.replace(
        found,
        engine_version=record.engine_version or "",
        cpu="" if record.cpu is None else str(record.cpu),
        runs=record.runs,
        flags=names,
        valid=failure is None and flags.leave_valid(names, allow),
        error=failure,
    )
    if failure is not None or not medians:
        return found
    whole_ms = median(medians) / 1e6
    taken_out = [x.taken_out_percent for x in launches if x.taken_out_percent is not None]
    peaks = [x.peak_mac_per_s for x in launches if x.peak_mac_per_s is not None]
    return msgspec.structs.replace(
        found,
        operators=_timed(placed, launches, whole_ms),
        median_ms=whole_ms,
        taken_out_percent=median(taken_out) if taken_out else None,
        peak_gmacs=max(peaks) / 1e9 if peaks else None,
    )


def explained_by_count(artifact: Artifact, placed: PlacedModel, record: CostRecord) -> Explanation:
    """Return what an emulated run makes of ``artifact``."""
    found = _blank(artifact, placed, record.precision, device="a76")
    operators: tuple[ExplainedOperator, ...] = ()
    if record.error is None:
        counted = record.operators or ()
        ran = [
            bare_operator(index, each.name, each.type, pointwise=placed.pointwise)
            for index, each in enumerate(counted)
        ]
        operators = tuple(
            msgspec.structs.replace(place, insn=each.counts.insn)
            for place, each in zip(_in_places(placed, ran), counted, strict=True)
        )
    return msgspec.structs.replace(
        found,
        engine=record.key.engine,
        engine_version=record.key.engine_version,
        cpu=record.key.cpu,
        operators=operators,
        flags=record.flags,
        valid=record.valid,
        error=record.error,
    )


def explained_by_error(
    artifact: Artifact, placed: PlacedModel, precision: Precision, engine_version: str, device: str
) -> Explanation:
    """Return what the operators' places and errors alone make of ``artifact``."""
    return msgspec.structs.replace(
        _blank(artifact, placed, precision, device),
        engine_version=engine_version,
        operators=placed.operators,
    )


def failed_explanation(
    artifact: Artifact, precision: Precision, device: str, reason: str
) -> Explanation:
    """Return the record of a model that could not be explained, and why."""
    return msgspec.structs.replace(
        _blank(artifact, PlacedModel(), precision, device),
        flags=(flags.FAILED,),
        valid=False,
        error=reason,
    )


def _blank(
    artifact: Artifact, placed: PlacedModel, precision: Precision, device: str
) -> Explanation:
    return Explanation(
        model=artifact.model,
        artifact_sha256=artifact.sha256,
        inputs_sha256=artifact.inputs_sha256,
        engine="mnn",
        engine_version="",
        precision=precision,
        device=device,
        cpu="",
        median_ms=None,
        taken_out_percent=None,
        runs=0,
        peak_gmacs=None,
        operators=(),
        reference=placed.reference,
        reference_sha256=placed.reference_sha256,
        flags=(),
        valid=True,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        notes=placed.notes,
    )


def _timed(
    placed: PlacedModel, launches: Sequence[ObservedTimes], whole_ms: float
) -> tuple[ExplainedOperator, ...]:
    """Return the operators with times that add up to ``whole_ms``, and those of each launch."""
    places = _in_places(
        placed,
        [
            bare_operator(
                *(index, each.name, each.type, each.output_shape, each.flops_m, placed.pointwise)
            )
            for index, each in enumerate(launches[0].operators)
        ],
    )
    by_launch = [[each.time_ns / 1e6 for each in launch.operators] for launch in launches]
    usual = [median(times) for times in zip(*by_launch, strict=True)]
    scale = whole_ms / (sum(usual) or 1.0)
    several = len(launches) > 1
    return tuple(
        msgspec.structs.replace(
            place,
            time_ms=usual[number] * scale,
            launches_ms=tuple(times[number] for times in by_launch) if several else (),
        )
        for number, place in enumerate(places)
    )


def _in_places(placed: PlacedModel, ran: Sequence[ExplainedOperator]) -> list[ExplainedOperator]:
    """Return the operators that ran, by name and order, with what is known of their places.

    One that only ran there is told with what its name and type say.
    """
    places = placed.operators
    known = dict(zip(_numbered(each.name for each in places), places, strict=True))
    found = []
    for key, bare in zip(_numbered(each.name for each in ran), ran, strict=True):
        place = known.get(key)
        if place is None and places:
            place = msgspec.structs.replace(bare, unjudged=_NOT_ON_HOST)
        found.append(msgspec.structs.replace(place or bare, index=bare.index))
    return found


def _numbered(names: Iterable[str]) -> list[tuple[str, int]]:
    """Return each name with how often it occurred before."""
    seen: Counter[str] = Counter()
    keys = []
    for name in names:
        keys.append((name, seen[name]))
        seen[name] += 1
    return keys
