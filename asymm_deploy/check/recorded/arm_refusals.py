"""What makes two arms of a recorded comparison incomparable: each refusal says what differs."""

from __future__ import annotations

from collections.abc import Callable

from asymm_deploy.bench.backends.fallback import engine_and_backend
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.check.recorded.recorded_arm import RecordedArm, input_shape_text
from asymm_deploy.errors import UsageError

LEAST_RECORDED_LAUNCHES = 10
"""Per arm. The smallest p that 10 and 10 launches can give is 0.0002; 4 and 4 give 0.03."""

_MUST_AGREE: dict[str, Callable[[LaunchRecord], object]] = {
    "device": lambda r: r.device,
    "chip": lambda r: r.device_facts.soc or "unknown",
    "system": lambda r: r.device_facts.os,
    "core": lambda r: "+".join(map(str, r.cpus)) or "none",
    "precision": lambda r: r.precision,
    "number of threads": lambda r: r.threads,
    "back end": lambda r: engine_and_backend(r).partition(" on ")[2] or r.backend,
    "back end's device": lambda r: r.driver or "untold",
    "engine": lambda r: f"{r.engine} {r.engine_version}",
    "runner": lambda r: f"{r.runner} {r.runner_version}",
    "number of runs per launch": lambda r: r.runs,
    "number of warm-up runs": lambda r: r.warmup,
    "input shape": input_shape_text,
}


def refuse_several_shapes(model: str, *arms: RecordedArm) -> None:
    """Raise UsageError if an arm has the model with more than one input shape."""
    for arm in arms:
        if len(arm.shapes) > 1:
            raise UsageError(
                f"{arm.folder} has {model} with several input shapes: {', '.join(arm.shapes)}",
                "bench them into separate folders; or compare other models, with --models PATTERN",
            )


def refuse_other_circumstances(model: str, before: RecordedArm, after: RecordedArm) -> None:
    """Raise UsageError if something that times depend on differs; the message says what."""
    for what, of in _MUST_AGREE.items():
        old, new = _values(of, before), _values(of, after)
        if old and new and old != new:
            raise UsageError(
                f"{model} can't be compared: the {what} is {' and '.join(old)} in the baseline "
                f"and {' and '.join(new)} in the candidate",
                "bench both alike; or compare the models live, with folders that export wrote",
            )


def refuse_too_few(model: str, before: RecordedArm, after: RecordedArm) -> None:
    """Raise UsageError if an arm has too few launches, whether they count or not."""
    for arm in (before, after):
        count = len(arm.launches)
        if count < LEAST_RECORDED_LAUNCHES and all(r.error is None for r in arm.launches):
            raise UsageError(
                f"{model} has {count} launch{'es'[: 2 * (count != 1)]} in the {arm.name}; "
                f"launches vary, and it takes at least {LEAST_RECORDED_LAUNCHES} on each side to "
                "tell by how much",
                "bench it with --launches 10 or more; or compare the models live",
            )


def refuse_same_file(model: str, before: RecordedArm, after: RecordedArm) -> None:
    """Raise UsageError if both arms are of one model file: there are no two versions of it."""
    old, new = ({r.artifact_sha256 for r in arm.launches} for arm in (before, after))
    if not old.isdisjoint(new):
        raise UsageError(
            f"{model} is the same file in the baseline and in the candidate, so neither is a new "
            "version",
            "give --same-file if that is meant, --sentinel to correct the others by it, or choose "
            "others with --models PATTERN",
        )


def _values(of: Callable[[LaunchRecord], object], arm: RecordedArm) -> list[str]:
    return sorted({str(of(record)) for record in arm.launches if record.error is None})
