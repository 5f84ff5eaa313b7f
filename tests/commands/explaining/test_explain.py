"""asymm-deploy explain, whole: operators in their places, the one at fault named, nothing lost."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from asymm_deploy import cli
from asymm_deploy.bench import flags
from asymm_deploy.bench.device import Device
from asymm_deploy.bench.emulated.emulator import Emulator
from asymm_deploy.bench.find_devices import EMULATED
from asymm_deploy.bench.observed.operator_times import ObservedTimes, time_operators
from asymm_deploy.errors import ConversionError, HarnessError
from asymm_deploy.explain import explain_models
from asymm_deploy.explain.explanation import (
    EXPLAIN_COLUMNS,
    EXPLAINED_NAME,
    ExplainedOperator,
    Explanation,
)

NET = "asymmnet_small_035"
SHAPE = "--input-shape=1,3,32,32"
ALLOWED = [f"--allow={name}" for name, flag in flags.FLAGS.items() if flag.exit_code == 4]
"""A busy machine is no failure."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a small network was exported and explained, and a faulty copy lies."""
    folder = tmp_path_factory.mktemp("explained")
    written = [f"--trace={folder / 'trace.json'}", f"--graph={folder / 'graph.json'}"]
    assert run(folder, NET, SHAPE, *ALLOWED, *written) == 0
    model = onnx.load(folder / "artifacts" / NET / "model.onnx")
    at_fault = next(node for node in model.graph.node if "blocks.3/depthwise" in node.name)
    (weights,) = (each for each in model.graph.initializer if each.name == at_fault.input[1])
    values = numpy_helper.to_array(weights).copy()
    values[3] *= 1.5
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    onnx.save(model, folder / "faulty.onnx")
    return folder


def run(folder: Path, *arguments: str, out: str = "results") -> int:
    places = [f"--artifacts={folder / 'artifacts'}", f"--out={folder / out}"]
    return cli.run(["explain", *arguments, *places])


def records_of(folder: Path, out: str = "results") -> list[Explanation]:
    lines = (folder / out / EXPLAINED_NAME).read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Explanation) for line in lines]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


def total(rows: Sequence[dict[str, str]], column: str) -> float:
    return sum(float(row[column] or 0) for row in rows)


def test_every_operator_has_a_row_and_their_times_are_the_median(folder: Path) -> None:
    (record,) = records_of(folder)
    rows = rows_of((folder / "results" / "explain.csv").read_text(encoding="utf-8"))
    assert tuple(rows[0]) == EXPLAIN_COLUMNS
    assert [int(row["index"]) for row in rows] == list(range(len(rows)))
    assert record.median_ms is not None
    assert total(rows, "time_ms") == pytest.approx(record.median_ms, abs=1e-4)
    manifest = json.loads((folder / "artifacts" / NET / "manifest.json").read_bytes())
    assert total(rows, "madds_m") == pytest.approx(manifest["madds_m"], abs=1e-3)
    assert not any(row["accused"] == "true" for row in rows)
    judged = [row for row in rows if row["own_error_over_deviation"]]
    assert len(judged) > len(rows) / 2
    assert {row["kind"] for row in rows} >= {"pointwise", "depthwise", "concat copy"}


def test_too_few_runs_are_told_before_minutes_of_exporting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, NET, "--runs=39") == 2
    assert "--runs 39 is out of range" in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_trace_and_a_graph_hold_the_same_times(folder: Path) -> None:
    (record,) = records_of(folder)
    assert record.median_ms is not None
    events = json.loads((folder / "trace.json").read_bytes())["traceEvents"]
    slices = [each for each in events if "index" in each.get("args", {})]
    assert [each["args"]["index"] for each in slices] == [each.index for each in record.operators]
    assert sum(each["dur"] for each in slices) == pytest.approx(1e3 * record.median_ms, abs=0.01)
    costs = json.loads((folder / "graph.json").read_bytes())["results"]
    names = {node.name for node in onnx.load(folder / "artifacts" / NET / "model.onnx").graph.node}
    assert costs.keys() <= names
    assert sum(each["value"] for each in costs.values()) == pytest.approx(
        record.median_ms, abs=1e-3
    )
    errors = json.loads((folder / "graph.error.json").read_bytes())["results"]
    assert errors.keys() <= names
    assert all(each["value"] < 1 for each in errors.values())


def test_the_operator_at_fault_is_named_and_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = f"--reference={folder / 'artifacts' / NET / 'model.onnx'}"
    faulty = str(folder / "faulty.onnx")
    assert run(folder, faulty, reference, "--no-time", "--format=json", out="faulty") == 5
    told = capsys.readouterr()
    accused = [row for row in json.loads(told.out) if row["accused"]]
    assert [row["module"] for row in accused] == ["blocks.3.depthwise.conv"]
    assert "error: faulty: blocks.3.depthwise.conv (Conv, number " in told.err
    assert "hint: what comes before it is right" in told.err
    assert f"/blocks.3/depthwise/conv/Conv in the model and in {reference[12:]}" in told.err
    # The file that came of it is explained alike, by what the user says its values should be.
    bare = folder / "bare.mnn"
    shutil.copy(folder / "artifacts" / "faulty" / "model.mnn", bare)
    assert run(folder, str(bare), reference, "--no-time", "--by=kind", out="faulty") == 5
    told = capsys.readouterr()
    assert "error: bare: blocks.3.depthwise.conv" in told.err
    (row,) = (line for line in told.out.splitlines() if line.startswith("depthwise"))
    assert "> 1e-04" in row


@pytest.mark.parametrize("by", ["operator", "module", "kind"])
def test_what_was_explained_is_printed_again_and_every_view_adds_up(
    by: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was explained before")

    monkeypatch.setattr(explain_models, "judged_run", never)
    monkeypatch.setattr(explain_models, "time_operators", never)
    (record,) = records_of(folder)
    before = (folder / "results" / EXPLAINED_NAME).read_bytes()
    assert run(folder, NET, SHAPE, *ALLOWED, f"--by={by}", "--format=csv") == 0
    told = capsys.readouterr()
    rows = rows_of(told.out)
    assert total(rows, "time_ms") == pytest.approx(record.median_ms, abs=1e-4)
    assert total(rows, "share_percent") == pytest.approx(100, abs=0.1)
    assert total(rows, "madds_m") == pytest.approx(sum(x.madds for x in record.operators) / 1e6)
    assert "the model: explained before, and not again (--fresh does)" in told.err
    assert (folder / "results" / EXPLAINED_NAME).read_bytes() == before


@pytest.fixture
def made_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Engines whose answers are those of the real run; one operator's time can be multiplied."""
    (record,) = records_of(folder)
    timed: list[ObservedTimes] = []
    slower: dict[str, tuple[int, float]] = {}

    def places(*_: object) -> tuple[ExplainedOperator, ...]:
        return tuple(
            msgspec.structs.replace(each, time_ms=None, launches_ms=()) for each in record.operators
        )

    def times(device: Device, artifacts: Sequence[object], plan: object, told: object) -> object:
        if not timed:
            timed.extend(time_operators(device, artifacts[:1], plan))  # type: ignore[arg-type]
        (base,) = timed
        found = []
        for artifact in artifacts:
            name = artifact.model  # type: ignore[attr-defined]
            index, factor = slower.get(name, (0, 1.0))
            operators = [
                msgspec.structs.replace(x, time_ns=1e4 * (factor if place == index else 1.0))
                for place, x in enumerate(base.operators)
            ]
            found.append(
                msgspec.structs.replace(
                    base,
                    record=msgspec.structs.replace(base.record, model=name, flags=()),
                    operators=tuple(operators),
                    median_ns=sum(each.time_ns for each in operators),
                )
            )
        return found

    def slow_down(model: str, factor: float) -> None:
        slower[model] = (12, factor)

    monkeypatch.setattr(explain_models, "judged_run", lambda *_, **__: None)
    monkeypatch.setattr(explain_models, "explained_operators", places)
    monkeypatch.setattr(explain_models, "time_operators", times)
    return slow_down


def test_against_names_what_grew(
    folder: Path, made_up: Callable[[str, float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    made_up("bare", 3.0)
    before = str(folder / "artifacts" / NET)
    shutil.copy(folder / "artifacts" / NET / "model.mnn", folder / "bare.mnn")
    reference = f"--reference={folder / 'artifacts' / NET / 'model.onnx'}"
    arguments = [str(folder / "bare.mnn"), reference, f"--against={before}", "--format=json"]
    assert run(folder, *arguments, out="against") == 0
    told = capsys.readouterr()
    real = [row for row in json.loads(told.out) if row["is_real"]]
    assert [(row["index"], row["grown_ms"]) for row in real] == [(12, pytest.approx(0.02))]
    assert f"{real[0]['module']} grew most, by 0.02 ms" in told.err
    (kept,) = records_of(folder, "against")  # the other side's is not what was asked for
    assert (kept.model, len(kept.operators[0].launches_ms)) == ("bare", 5)
    # An earlier record will do as well, and has the noise of its own launches.
    results = f"--against={folder / 'against'}"
    assert run(folder, str(folder / "bare.mnn"), reference, results, out="against") == 0
    assert "No operator grew beyond what launches of one version lie apart" in (
        capsys.readouterr().out
    )


def test_ctrl_c_and_a_failing_model_lose_nothing_that_is_finished(
    folder: Path,
    made_up: Callable[[str, float], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made_up(NET, 1.0)
    times = vars(explain_models)["time_operators"]  # the made-up one

    def interrupted(device: Device, artifacts: Sequence[object], *more: object) -> object:
        if artifacts[0].model == "bare":  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return times(device, artifacts, *more)

    shutil.copy(folder / "artifacts" / NET / "model.mnn", folder / "first.mnn")
    shutil.copy(folder / "artifacts" / NET / "model.mnn", folder / "bare.mnn")
    monkeypatch.setattr(explain_models, "time_operators", interrupted)
    both = [str(folder / "first.mnn"), str(folder / "bare.mnn")]
    assert run(folder, *both, out="stopped") == 130
    assert [each.model for each in records_of(folder, "stopped")] == ["first"]
    assert "first," in (folder / "stopped" / "explain.csv").read_text(encoding="utf-8")

    def broken(*_: object, **__: object) -> None:
        raise ConversionError("MNN died of it", "leave it out")

    monkeypatch.setattr(explain_models, "time_operators", times)
    monkeypatch.setattr(explain_models, "judged_run", broken)
    assert run(folder, NET, SHAPE, "--fresh", out="broken") == 6
    told = capsys.readouterr()
    assert f"error: {NET}: MNN died of it" in told.err
    (record,) = records_of(folder, "broken")
    assert record.median_ms is not None, "its times are told"
    assert "No error was measured" in told.out


def test_a_model_without_a_reference_is_timed_and_that_is_said(
    folder: Path, made_up: Callable[[str, float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    made_up(NET, 1.0)
    shutil.copy(folder / "artifacts" / NET / "model.mnn", folder / "alone.mnn")
    assert run(folder, str(folder / "alone.mnn"), "--by=kind", out="alone") == 0
    told = capsys.readouterr()
    assert "Without a reference no errors are known" in told.err
    assert "pointwise" in told.out
    assert run(folder, str(folder / "alone.mnn"), "--no-time", out="alone") == 2
    assert "hint: give the ONNX file that it was made from" in capsys.readouterr().err
    # In the folder of its export it has one.
    own = str(folder / "artifacts" / NET / "model.mnn")
    assert run(folder, own, "--no-time", out="alone") == 0
    assert "No own error is above its limit" in capsys.readouterr().out


def test_instructions_stand_for_the_time_on_the_emulated_processor(
    emulator: Emulator, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del emulator
    assert run(folder, NET, SHAPE, f"--device={EMULATED}", "--format=csv", out="counted") == 0
    rows = rows_of(capsys.readouterr().out)
    assert {row["device"] for row in rows} == {EMULATED}
    assert total(rows, "insn_m") > 1
    assert total(rows, "share_percent") == pytest.approx(100, abs=0.1)
    assert not any(row["time_ms"] for row in rows)
    assert any(row["own_error_over_deviation"] for row in rows)


def test_a_device_that_fails_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise HarnessError("the phone is gone", "attach it again")

    monkeypatch.setattr(explain_models, "time_operators", lost)
    assert run(folder, NET, SHAPE, "--no-error", "--fresh", out="lost") == 3
    assert "error: the phone is gone" in capsys.readouterr().err
    assert records_of_if_any(folder / "lost") == []


def records_of_if_any(out: Path) -> list[bytes]:
    path = out / EXPLAINED_NAME
    return path.read_bytes().splitlines() if path.exists() else []


def test_values_that_are_read_are_those_of_the_recorded_input(folder: Path) -> None:
    (record,) = records_of(folder)
    inputs = np.fromfile(folder / "artifacts" / NET / "inputs.bin", np.float32)
    assert inputs.size == 3 * 32 * 32
    assert record.inputs_sha256 is not None
    assert record.reference == f"{NET}/model.onnx"
