"""Native code runs in a process of its own: what it finds comes back, and how it ends is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.explain.host_errors import (
    errors_of_values,
    explain_values,
    explained_operators,
    judged_run,
    load_arrays,
    matched_places,
    save_arrays,
)

LOOP = """<ir_version: 8, opset_import: ["" : 17]> g (float[1,4] x) => (float[1,4] y) {
  many = Constant<value = int64 {3}>()
  more = Constant<value = bool {1}>()
  y = Loop(many, more, x) <
    body = b (int64 i, bool c, float[1,4] h) => (bool d, float[1,4] k) {
      d = Identity(c) k = Add(h, h)
    }
  >
}"""


def test_another_process_finds_what_this_one_finds(everything: Any) -> None:
    other = {"input": 2 * everything.sample["input"]}
    found = explain_values(everything.mnn, everything.graph, everything.sample)
    twice = explain_values(everything.mnn, everything.graph, everything.sample, further=[other])

    assert found == everything.operators
    assert [each.accused for each in twice] == [False] * len(found)
    for one, both in zip(found, twice, strict=True):
        assert (
            one.own is None
            or both.own is None
            or both.own.over_deviation >= (one.own.over_deviation)
        )


def test_the_references_tensors_are_kept_for_another_devices_run(
    everything: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "values"
    run = judged_run(everything.mnn, everything.graph, [everything.sample], values=kept)
    values = load_arrays(kept)
    concat = "/bottleneck/Concat_output_0"

    assert run == everything.run
    np.testing.assert_array_equal(values[concat], everything.values[concat])


def test_a_model_that_is_no_plain_graph_is_a_clear_no(tmp_path: Path, convert: Any) -> None:
    graph = onnx.parser.parse_model(LOOP)
    file = convert(graph, tmp_path)
    with pytest.raises(ConversionError, match=r"m\.mnn can't be explained: MNN") as caught:
        explain_values(file, graph, {"x": np.ones((1, 4), np.float32)})
    assert "loops or branches" in caught.value.hint


def test_a_file_that_is_damaged_is_told_with_the_reason(everything: Any, tmp_path: Path) -> None:
    file = tmp_path / "cut.mnn"
    file.write_bytes(everything.mnn.read_bytes()[:5000])
    with pytest.raises(ConversionError, match=r"cut\.mnn can't be explained: .*damaged"):
        explain_values(file, everything.graph, everything.sample)


def test_a_reference_of_other_inputs_is_told(everything: Any) -> None:
    with pytest.raises(ConversionError, match="no array for the reference's input input"):
        explain_values(everything.mnn, everything.graph, {"x": everything.sample["input"]})


def test_a_reference_that_can_not_be_read_is_a_wrong_request(
    everything: Any, tmp_path: Path
) -> None:
    (tmp_path / "r.onnx").write_bytes(b"no graph")
    with pytest.raises(UsageError, match=r"r\.onnx is not a valid ONNX file"):
        explain_values(everything.mnn, tmp_path / "r.onnx", everything.sample)


def test_a_reference_of_another_model_is_a_wrong_request(everything: Any) -> None:
    other = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> '
        "g (float[1,3,16,16] input) => (float[1,3,16,16] y) { y = Abs(input) }"
    )
    with pytest.raises(UsageError, match=r"m\.mnn has no tensor of the reference"):
        explain_values(everything.mnn, other, everything.sample)


def test_a_crash_is_told_by_its_signal(
    everything: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    with pytest.raises(ConversionError, match="died of signal 11"):
        explain_values(everything.mnn, everything.graph, everything.sample)


def test_arrays_come_back_whatever_their_names(tmp_path: Path) -> None:
    arrays: Arrays = {"/a/b": np.arange(3), "file": np.ones((), np.float32), "0": np.zeros((1, 0))}
    save_arrays(tmp_path / "a.npz", arrays)
    found = load_arrays(tmp_path / "a.npz")

    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_operators_of_another_run_are_known_by_their_names_and_how_often_those_came(
    everything: Any,
) -> None:
    placed = everything.run.placed[:4]
    names = [(each.name, each.type) for each in placed]
    twice = [*placed, placed[1]]

    assert matched_places(placed, [names[2], ("new", "Raster"), names[0]]) == [2, None, 0]
    assert matched_places(twice, [names[1], names[1], names[1]]) == [1, 1, None]


def test_errors_of_given_values_are_of_those_operators_alone(everything: Any) -> None:
    relu = everything.named("/bottleneck/expand/Conv_output_0").index
    exact = everything.values["/bottleneck/Relu_output_0"]
    found = errors_of_values(everything.run, everything.values, {relu: [exact + 1.0]})

    assert [index for index, each in enumerate(found) if each is not None] == [relu]
    assert found[relu].over_deviation == pytest.approx(1 / exact.std(), rel=1e-3)


def test_fp16_has_limits_of_its_own(everything: Any) -> None:
    pairs = zip(everything.operators, explained_operators(everything.run, "fp16"), strict=True)
    assert all(half.own_limit > full.own_limit for full, half in pairs if full.own is not None)


def test_a_model_that_is_not_there_is_a_wrong_request(everything: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"can't read .*none\.mnn: No such file"):
        explain_values(tmp_path / "none.mnn", everything.graph, everything.sample)
