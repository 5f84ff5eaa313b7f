"""Curves that are made up: seconds, readings and the launch that they are of."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from asymm_deploy.bench.records import CorePolicy, DeviceFacts, LaunchRecord
from asymm_deploy.bench.sustained.curve_records import CurveEnd, CurveReading, CurveStart
from asymm_deploy.bench.sustained.curves import Curve
from asymm_deploy.bench.sustained.second_stream import Second, Sustained

MS = 10**6
TOP_KHZ = 2_841_600


def made_second(at_s: float, ms: float, *, wall_s: float = 1.0, **other: object) -> Second:
    """A second of equal runs, one for each 20 ms or as many as there is time for."""
    runs = min(round(50 * wall_s), max(1, round(1000 * wall_s / ms)))
    ns = round(ms * MS)
    fields: dict[str, object] = {
        "at_ns": round(at_s * 1e9),
        "wall_ns": round(wall_s * 1e9),
        "runs": runs,
        **dict.fromkeys(("mean_ns", "median_ns", "p90_ns", "p99_ns", "max_ns"), ns),
        "min_ns": ns - round(at_s),
        "cpu_ns": runs * ns,
        "waited_ns": 0,
        "steal_ns": 0,
        "late": 0,
        "skipped": 0,
        "core": 7,
        "khz": TOP_KHZ,
        "ns": None,
        "late_by_waking": 0,
    }
    return Second(**{**fields, **other})  # type: ignore[arg-type]


def made_record(**other: object) -> LaunchRecord:
    facts = DeviceFacts(
        device="phone",
        soc="SM8150",
        cpu_max_khz=TOP_KHZ,
        cores=8,
        abi="arm64-v8a",
        os="Android 13",
        policies=(CorePolicy((7,), TOP_KHZ),),
    )
    fields: dict[str, object] = {
        **dict.fromkeys(each.name for each in structs.fields(LaunchRecord) if each.required),
        "schema_version": 1,
        "model": "net",
        "artifact_file": "net.mnn",
        "artifact_sha256": "a" * 64,
        "device": "phone",
        "device_facts": facts,
        "cpu": 7,
        "cpus": (7,),
        "cpu_before": 7,
        "cpu_after": 7,
        "engine": "mnn",
        "engine_version": "3.6.1",
        "precision": "fp32",
        "precision_in_force": "fp32",
        "threads": 1,
        "plan_id": "p",
        "attempt": 0,
        "launch": 0,
        "launches_planned": 1,
        "runs": 0,
        "warmup": 1,
        "samples_ns": (),
        "valid": True,
        "flags": (),
        "allowed": (),
        "exit_code": 0,
        "started_at": "2026-11-29T12:00:00.000+00:00",
    }
    return LaunchRecord(**{**fields, **other})  # type: ignore[arg-type]


def made_reading(**other: object) -> CurveReading:
    fields: dict[str, object] = {
        "hottest_c": 40.0,
        "hottest": "quiet-therm",
        "battery_c": 30.0,
        "thermal_status": 0,
        "scaling_max_khz": TOP_KHZ,
        "clock_khz": TOP_KHZ,
    }
    return CurveReading(**{**fields, **other})  # type: ignore[arg-type]


def made_loop(curve: Curve) -> Sustained:
    return Sustained(
        runs=sum(x.runs for x in curve.seconds),
        wall_ns=curve.seconds[-1].at_ns + curve.seconds[-1].wall_ns,
        cpu_ns=sum(x.cpu_ns for x in curve.seconds),
        waited_ns=0,
        steal_ns=0,
        late=sum(x.late for x in curve.seconds),
        skipped=sum(x.skipped for x in curve.seconds),
    )


def made_curve(
    ms: Sequence[float],
    readings: Sequence[CurveReading | None] | None = None,
    *,
    for_s: float | None = None,
    every_ms: float | None = None,
    is_whole: bool = True,
    **of_record: object,
) -> Curve:
    """A curve of seconds with these medians in ms; whole unless told otherwise."""
    launch = made_record(**of_record)
    started = CurveStart(
        launch=launch, for_s=float(len(ms)) if for_s is None else for_s, every_ms=every_ms
    )
    curve = Curve("abcd0123", started)
    curve.seconds += [made_second(at, each) for at, each in enumerate(ms)]
    curve.readings += readings or [None] * len(ms)
    if is_whole:
        curve.ended = CurveEnd(
            launch=structs.replace(launch, runs=made_loop(curve).runs), loop=made_loop(curve)
        )
    return curve
