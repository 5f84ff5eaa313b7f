"""Places, errors and times of one model become one record, whole and in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench.artifact import Artifact
from asymm_deploy.bench.observed.operator_times import ObservedTimes, TimedOperator
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.explain.explain_model import PlacedModel, explained_by_time
from asymm_deploy.explain.explanation import Explanation

ARTIFACT = Artifact("net", Path("net.mnn"), "00" * 32)


def launched(
    good: LaunchRecord, operators: Sequence[tuple[str, str]], times_us: Sequence[float]
) -> ObservedTimes:
    return ObservedTimes(
        record=good,
        operators=tuple(
            TimedOperator(name=name, type=kind, output_shape=(1, 8), flops_m=2.0, time_ns=1e3 * us)
            for (name, kind), us in zip(operators, times_us, strict=True)
        ),
        median_ns=1e3 * sum(times_us),
        taken_out_percent=5.0,
        peak_mac_per_s=4e10,
    )


def test_times_of_several_launches_add_up_to_their_median(
    good: LaunchRecord, explained: Explanation
) -> None:
    named = [(each.name, each.type) for each in explained.operators]
    launches = [launched(good, named, [10.0 + n, 20, 30, 40, 50, 60]) for n in (0, 6, 1)]
    found = explained_by_time(ARTIFACT, PlacedModel(explained.operators), launches, ())
    assert found.median_ms == pytest.approx(0.211)
    assert sum(each.time_ms or 0 for each in found.operators) == pytest.approx(0.211)
    assert found.operators[0].launches_ms == pytest.approx((0.01, 0.016, 0.011))
    assert found.operators[3].own == explained.operators[3].own
    assert (found.peak_gmacs, found.taken_out_percent) == (40.0, 5.0)
    alone = explained_by_time(ARTIFACT, PlacedModel(explained.operators), launches[:1], ())
    assert [each.launches_ms for each in alone.operators] == [()] * 6


def test_what_only_that_device_runs_is_told_and_moves_nobody_elses_place(
    good: LaunchRecord, explained: Explanation
) -> None:
    named = [(each.name, each.type) for each in explained.operators]
    named.insert(2, ("converted", "ConvertTensor"))
    places = PlacedModel(explained.operators)
    found = explained_by_time(ARTIFACT, places, [launched(good, named, [10] * 7)], ())
    assert [each.index for each in found.operators] == list(range(7))
    added = found.operators[2]
    assert (added.kind, added.own) == ("layout", None)
    assert added.time_ms == pytest.approx(0.01)
    assert "ran there alone" in str(added.unjudged)
    assert [x.node for x in found.operators if x is not added] == [
        each.node for each in explained.operators
    ]


def test_a_file_without_its_graph_is_told_by_what_its_names_and_kernels_say(
    good: LaunchRecord,
) -> None:
    named = [("/a/conv/Conv_output_0", "Convolution"), ("/b/Conv_output_0", "Convolution")]
    places = PlacedModel(pointwise=frozenset({"/b/Conv_output_0"}), notes=("no graph",))
    found = explained_by_time(ARTIFACT, places, [launched(good, named, [10, 30])], ())
    assert [(x.kind, x.module, x.madds) for x in found.operators] == [
        ("convolution", "a.conv", 2_000_000),
        ("pointwise", "b", 2_000_000),
    ]
    assert found.reference is None
    assert found.notes == ("no graph",)


def test_one_launch_that_fails_fails_the_model_and_flags_of_all_count(
    good: LaunchRecord, explained: Explanation
) -> None:
    named = [(each.name, each.type) for each in explained.operators]
    fine = launched(good, named, [10] * 6)
    places = PlacedModel(explained.operators)
    disturbed = msgspec.structs.replace(
        fine, record=msgspec.structs.replace(good, flags=("stolen-time",))
    )
    for allow, valid in (((), False), (("stolen-time",), True)):
        found = explained_by_time(ARTIFACT, places, [fine, disturbed], allow)
        assert (found.flags, found.valid) == (("stolen-time",), valid)
    broken = ObservedTimes(record=msgspec.structs.replace(good, error="it died", flags=("failed",)))
    found = explained_by_time(ARTIFACT, places, [fine, broken], ())
    assert (found.error, found.operators, found.valid) == ("it died", (), False)
