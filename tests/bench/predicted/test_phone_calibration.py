"""A user's own phone is fitted from its valid rows and their counts, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.bench import store
from asymm_deploy.bench.emulated.counts import CostKey, CostRecord
from asymm_deploy.bench.predicted.phone_calibration import (
    LEAST_MODELS,
    measured_phone,
    phone_calibration,
)
from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.errors import UsageError

MakeCost = Callable[..., CostRecord]
Launch = Callable[..., LaunchRecord]
Results = Callable[[Sequence[LaunchRecord]], Path]

NETS = {
    f"net{number}": (number * 3_000_000, (number * number % 7 + 1) * 1_000_000)
    for number in range(1, 9)
}
"""Multiply-adds and loads by name."""


@pytest.fixture
def results(tmp_path: Path) -> Results:
    def write(records: Sequence[LaunchRecord]) -> Path:
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        (tmp_path / store.NAME).write_bytes(lines)
        return tmp_path

    return write


@pytest.fixture
def launch(good: LaunchRecord) -> Launch:
    def make(model: str, **changes: object) -> LaunchRecord:
        """A launch on a phone that takes 0.2 ns for a multiply-add and 1 ns for a load."""
        fma, load = NETS.get(model, (10_000_000, 1_000_000))
        ns = round(0.2 * fma + load)
        facts = msgspec.structs.replace(
            good.device_facts, device="R58", product="Pixel 4", soc="SM8150", abi="arm64-v8a"
        )
        record = msgspec.structs.replace(
            good,
            model=model,
            artifact_sha256=model.ljust(64, "0"),
            device="R58",
            device_facts=facts,
            floor_madds=None,
            calibration=None,
            launches_planned=1,
            samples_ns=tuple(ns + step for step in (-100, -50, 0, 50, 100)),
            runs=5,
            wall_ns=None,
            off_core_ns=None,
            waited_ns=None,
            steal_ns=None,
        )
        return msgspec.structs.replace(record, **changes)

    return make


@pytest.fixture
def measured(launch: Launch) -> list[LaunchRecord]:
    return [launch(model) for model in NETS]


@pytest.fixture
def counted(cost: MakeCost) -> list[CostRecord]:
    return [cost(model, fma, load) for model, (fma, load) in NETS.items()]


def test_the_phones_nanoseconds_are_found(
    measured: list[LaunchRecord], counted: list[CostRecord], results: Results
) -> None:
    found = phone_calibration("mine", measured_phone(results(measured)), counted)

    assert found.ns_per == pytest.approx({"fma": 0.2, "load": 1.0}, rel=1e-3)
    assert (found.name, found.device, found.models) == ("mine", "Pixel 4 (SM8150)", 8)
    assert found.worst_error < 0.001


def test_a_runs_jsonl_is_read_as_its_folder_is(
    measured: list[LaunchRecord], results: Results
) -> None:
    folder = results(measured)
    assert measured_phone(folder / store.NAME).models == measured_phone(folder).models


def test_rows_that_are_not_valid_or_of_another_setting_have_no_part(
    launch: Launch, measured: list[LaunchRecord], counted: list[CostRecord], results: Results
) -> None:
    others = [
        launch("net1", error="it died", samples_ns=(), exit_code=3, valid=False, flags=("failed",)),
        launch("net5", flags=("output-mismatch",), output_error=0.5, valid=False, exit_code=5),
        launch("net2", threads=2, samples_ns=(1_000_000,) * 5),
        launch("net3", engine="onnxruntime"),
        launch("net4", precision="fp16", precision_in_force="fp16"),
    ]
    valid = [record for record in measured if record.model not in {"net1", "net5"}]
    phone = measured_phone(results([*valid, *others]))

    assert [model.model for model in phone.models] == [
        f"net{number}" for number in (2, 3, 4, 6, 7, 8)
    ]
    assert phone.invalid == ("net1", "net5")
    assert phone_calibration("mine", phone, counted).models == 6


def test_models_without_counts_of_the_same_file_and_precision_are_named(
    measured: list[LaunchRecord], counted: list[CostRecord], cost: MakeCost, results: Results
) -> None:
    phone = measured_phone(results(measured))
    other_file = cost("net1", 10, 10, artifact_sha256="f" * 64)
    other_precision = cost("net2", 10, 10, precision="fp16")
    failed = cost("net3", 10, 10, counts=None, valid=False)
    costs = [other_file, other_precision, failed, *counted[3:]]

    assert [model.model for model in phone.uncounted(costs)] == ["net1", "net2", "net3"]
    with pytest.raises(UsageError, match=r"5 of 8 models.* without: net1, net2, net3"):
        phone_calibration("mine", phone, costs)


def test_the_last_count_of_a_file_counts(
    measured: list[LaunchRecord], counted: list[CostRecord], key: CostKey, results: Results
) -> None:
    old = msgspec.structs.replace(key, runner_sha256="8" * 64)
    before = [msgspec.structs.replace(record, key=old) for record in counted]
    phone = measured_phone(results(measured))

    assert phone_calibration("mine", phone, [*before, *counted]).models == 8
    with pytest.raises(UsageError, match=r"2 keys.*runner_sha256: 8888") as error:
        phone_calibration("mine", phone, [*before, *counted[1:]])
    assert "--out" in error.value.hint


def test_another_version_of_mnn_than_was_measured_is_refused(
    measured: list[LaunchRecord], counted: list[CostRecord], key: CostKey, results: Results
) -> None:
    newer = msgspec.structs.replace(key, engine_version="3.6.2")
    others = [msgspec.structs.replace(record, key=newer) for record in counted]
    with pytest.raises(UsageError, match=r"with mnn 3\.6\.1, but counted with mnn 3\.6\.2"):
        phone_calibration("mine", measured_phone(results(measured)), others)


def test_a_version_that_says_how_mnn_was_built_is_the_same_version(
    launch: Launch, counted: list[CostRecord], results: Results
) -> None:
    built = [launch(model, engine_version="3.6.1 linux-arm64 glibc") for model in NETS]
    phone = measured_phone(results(built))
    assert phone.engine_version == "3.6.1"
    assert phone_calibration("mine", phone, counted).models == 8
    with pytest.raises(UsageError, match="several versions or builds of MNN"):
        measured_phone(results([*built[1:], launch("net1")]))


def test_too_few_models_are_an_error_that_names_those_that_are_not_valid(
    launch: Launch, measured: list[LaunchRecord], results: Results
) -> None:
    bad = launch("net8", valid=False, flags=("failed",), error="it died", samples_ns=())
    folder = results([*measured[: LEAST_MODELS - 1], bad])
    with pytest.raises(UsageError, match=r"has 5 models with a valid row.*6; 1 more .*: net8"):
        measured_phone(folder)


def test_one_file_under_several_names_is_one_model(
    launch: Launch, measured: list[LaunchRecord], results: Results
) -> None:
    again = [launch(f"copy{number}", artifact_sha256="0" * 64) for number in range(6)]
    with pytest.raises(UsageError, match="has 4 models"):
        measured_phone(results([*measured[:3], *again]))


def test_results_of_several_phones_are_refused(
    launch: Launch, measured: list[LaunchRecord], results: Results
) -> None:
    other = msgspec.structs.replace(measured[0].device_facts, device="other")
    records = [*measured, launch("net1", device="other", device_facts=other)]
    with pytest.raises(UsageError, match=r"2 devices.*: R58, other"):
        measured_phone(results(records))


def test_results_of_several_versions_of_mnn_are_refused(
    launch: Launch, measured: list[LaunchRecord], results: Results
) -> None:
    with pytest.raises(UsageError, match=r"several versions or builds of MNN: 3\.6\.0, 3\.6\.1"):
        measured_phone(results([*measured, launch("net9", engine_version="3.6.0")]))


def test_a_machine_that_runs_other_code_is_no_phone(
    good: LaunchRecord, launch: Launch, results: Results
) -> None:
    here = [
        launch(model, device="here", device_facts=good.device_facts) for model in (*NETS, "more")
    ]
    with pytest.raises(UsageError, match="on here, a machine of kind x86_64"):
        measured_phone(results(here))


def test_a_precision_that_was_not_measured_is_an_error_that_says_what_was(
    measured: list[LaunchRecord], results: Results
) -> None:
    with pytest.raises(UsageError, match="fp16 and one thread; it has mnn fp32 threads=1"):
        measured_phone(results(measured), "fp16")


@pytest.mark.parametrize("content", [None, b"", b"not ours\n"])
def test_what_holds_no_results_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / store.NAME).write_bytes(content)
    with pytest.raises(UsageError):
        measured_phone(tmp_path)


def test_launches_of_a_check_are_refused(launch: Launch, results: Results) -> None:
    with pytest.raises(UsageError, match="launches of a check"):
        measured_phone(results([launch("net1", written_by="check")]))


@pytest.mark.parametrize(
    "how", ["all alike", "the other way round", "at random", "no counts of the kind"]
)
def test_latencies_that_the_counts_dont_tell_are_no_calibration(
    launch: Launch, counted: list[CostRecord], results: Results, how: str
) -> None:
    ns = dict.fromkeys(NETS, 10**7)
    if how == "the other way round":
        ns = {net: 10**13 // sum(NETS[net]) for net in NETS}
    elif how == "at random":
        ns = {net: 10 ** (4 + 7 * place % 5) for place, net in enumerate(NETS)}
    records = [launch(net, samples_ns=tuple(ns[net] + step for step in range(5))) for net in NETS]
    if how == "no counts of the kind":
        counted = [
            msgspec.structs.replace(
                each, counts=msgspec.structs.replace(each.counts, fma=0, load=0)
            )
            for each in counted
            if each.counts is not None
        ]
    with pytest.raises(UsageError, match="the counts don't tell these latencies"):
        phone_calibration("mine", measured_phone(results(records)), counted)
