"""Arms that were made differently are refused, and what differs is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from asymm_deploy.bench.records import DeviceFacts, LaunchRecord
from asymm_deploy.check.findings import Change
from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError

Compared = Callable[..., RecordedComparison]
Latency = Callable[..., Change]


def facts(**changes: Any) -> DeviceFacts:
    known = {"soc": "chip", "os": "Linux 6", **changes}
    return DeviceFacts(device="here", cpu_max_khz=3_000_000, cores=2, abi="x86_64", **known)


@pytest.mark.parametrize(
    ("said", "fields"),
    [
        ("device is here .* and there", {"device": "there"}),
        ("core is 1 .* and 0", {"cpus": (0,)}),
        ("precision is fp32 .* and fp16", {"precision": "fp16"}),
        ("number of threads is 1 .* and 2", {"threads": 2}),
        ("engine is mnn 3.6.1 .* and mnn 3.7.0", {"engine_version": "3.7.0"}),
        ("engine is mnn 3.6.1 .* and onnxruntime 3.6.1", {"engine": "onnxruntime"}),
        ("runner is python 0.1.0 .* and native 0.1.0", {"runner": "native"}),
        ("number of runs per launch is 2 .* and 3", {"runs": 3}),
        (
            "back end is cpu .* and vulkan ",
            {"backend": "vulkan", "backends_in_force": {"vulkan": 2}, "output_error": 0.0},
        ),
        (
            r"back end is cpu .* and vulkan \(all fell back\)",
            {"backend": "vulkan", "backends_in_force": {"cpu": 2}},
        ),
        ("back end's device is untold .* and llvmpipe", {"driver": "llvmpipe"}),
        ("number of warm-up runs is 20 .* and 5", {"warmup": 5}),
        ("chip is chip .* and other", {"device_facts": facts(soc="other")}),
        ("system is Linux 6 .* and Linux 7", {"device_facts": facts(os="Linux 7")}),
        ("input shape is unknown .* and 1x3x96x96", {"input_shape": (1, 3, 96, 96)}),
    ],
)
def test_other_circumstances_are_refused_and_named(
    compared: Compared, folder: Callable[..., Path], said: str, fields: dict[str, Any]
) -> None:
    def changed(record: LaunchRecord) -> LaunchRecord:
        samples = (*record.samples_ns, record.samples_ns[0] + 5)[: fields.get("runs", 2)]
        return msgspec.structs.replace(record, samples_ns=samples, **fields)

    other = folder("new", edit=changed)
    with pytest.raises(UsageError, match=f"net can't be compared: the {said}"):
        compared(folder("old"), other)


@pytest.mark.parametrize("launches", [1, 9])
def test_too_few_launches_are_refused(
    compared: Compared, folder: Callable[..., Path], launches: int
) -> None:
    few = folder("old", launches=launches)
    with pytest.raises(UsageError, match=f"net has {launches} launch(es)? in the baseline"):
        compared(few, folder("new"))


def test_several_input_shapes_of_a_model_are_refused_and_named(
    latency: Latency,
    compared: Compared,
    folder: Callable[..., Path],
) -> None:
    folder("old", input_shape=(1, 3, 96, 96), plan_id="small")
    mixed = folder("old", input_shape=(1, 3, 224, 224))
    folder("new", input_shape=(1, 3, 224, 224))
    new = folder("new", model="other")
    with pytest.raises(UsageError, match="net with several input shapes: 1x3x96x96, 1x3x224x224"):
        compared(mixed, new)
    folder("old", model="other")
    assert latency(compared(mixed, new, models=("other",)), "other").verdict == "pass"
