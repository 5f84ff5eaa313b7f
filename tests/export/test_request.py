"""What a request asks for, what makes its export stale, and what an earlier one asked for."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import EXPORT_FILES, EXPORTED, Manifest
from asymm_deploy.export.reading.recorded_request import as_recorded
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.files import sha256_of
from asymm_deploy.models.input_shape import InputShape, parse_input_shapes
from asymm_deploy.models.names import parse
from asymm_deploy.models.source import (
    CallableModule,
    NamedNetwork,
    OnnxFile,
    Source,
    as_listed,
    own_classes,
    resolve,
    with_given_classes,
    with_input_shapes,
)
from asymm_deploy.models.spec import at_resolution

SaveExport = Callable[..., Manifest]
NET = NamedNetwork(parse("asymmnet_small_035"))
SHAPE = InputShape(None, (1, 3, 8, 8))
CALLABLE = CallableModule("nets.mine", "Make.small", (SHAPE,))


@pytest.fixture
def onnx_file(tmp_path: Path) -> OnnxFile:
    (tmp_path / "net.onnx").write_bytes(b"a graph")
    return OnnxFile(tmp_path / "net.onnx", ())


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "w.pt").write_bytes(b"weights")
    return tmp_path / "w.pt"


def test_the_source_is_told_as_one_would_type_it(tmp_path: Path, onnx_file: OnnxFile) -> None:
    texts = [ExportRequest(s, tmp_path).text for s in (NET, CALLABLE, onnx_file)]
    assert texts == ["asymmnet_small_035", "nets.mine:Make.small", str(tmp_path / "net.onnx")]
    assert ExportRequest(CALLABLE, tmp_path).folder == tmp_path / "nets.mine.Make.small"


def test_the_command_that_exports_it_again_has_its_shapes_and_its_folder(tmp_path: Path) -> None:
    usual = ExportRequest(CALLABLE, Path("artifacts"))
    other = ExportRequest(CallableModule("m", "f", ()), Path("a folder"))
    known = "asymm-deploy export nets.mine:Make.small --input-shape 1,3,8,8 --weights FILE"
    assert usual.again("--weights", "FILE") == known
    assert other.again() == "asymm-deploy export m:f --input-shape SHAPE --out 'a folder'"
    assert (
        replace(other, samples=tmp_path / "x.npz")
        .again()
        .startswith("asymm-deploy export m:f --out")
    )


def test_weights_for_a_file_that_has_its_own_are_refused(
    tmp_path: Path, onnx_file: OnnxFile, weights: Path
) -> None:
    with pytest.raises(UsageError, match="has its weights in it"):
        ExportRequest(onnx_file, tmp_path, weights)


def test_inputs_are_named_by_the_user_or_by_position(tmp_path: Path) -> None:
    def names(*given: str | None) -> list[str]:
        shapes = tuple(InputShape(name, (1, 2)) for name in given)
        request = ExportRequest(CallableModule("m", "f", shapes), tmp_path)
        return [spec.name for spec in request.module_inputs()]

    assert names(None) == ["input"]
    assert names("ids") == ["ids"]
    assert names(None, "mask", None) == ["input_0", "mask", "input_2"]
    (spec,) = ExportRequest(NET, tmp_path).module_inputs()
    assert (spec.name, spec.shape) == ("input", (1, 3, 224, 224))


def asked(*shapes: str, text: str = "m:f", samples: Path | None = None) -> ExportRequest:
    """A request for what ``text`` names, with inputs as ``--input-shape`` gives them."""
    return ExportRequest(resolve(text, parse_input_shapes(shapes)), Path("out"), samples=samples)


def test_inputs_have_the_types_that_were_given_and_else_float32() -> None:
    specs = asked("ids=1,4:int64:0..9", "x=2,3", "t=:float16").module_inputs()
    assert specs == (
        TensorSpec("ids", (1, 4), "int64"),
        TensorSpec("x", (2, 3), "float32"),
        TensorSpec("t", (), "float16"),
    )


def test_inputs_are_those_of_the_samples_where_nothing_was_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", ids=np.ones((1, 4), np.int64))
    samples = tmp_path / "s.npz"
    expected = (TensorSpec("ids", (1, 4), "int64"),)
    assert asked(samples=samples).module_inputs() == expected
    assert asked("ids=1,4", samples=samples).module_inputs() == expected
    assert asked("ids=1,4:int32", samples=samples).module_inputs() == (
        TensorSpec("ids", (1, 4), "int32"),
    )
    network = asked(text="asymmnet_small_035", samples=samples).module_inputs()
    assert network == (TensorSpec("input", (1, 3, 224, 224)),)
    with pytest.raises(UsageError, match="the input shape of 'm:f' is unknown"):
        asked().module_inputs()


def test_ranges_are_told_by_the_inputs_names(onnx_file: OnnxFile) -> None:
    assert asked("ids=1,4:int64:0..9", "x=2,3", "1:float32:-1..1").ranges() == {
        "ids": (0, 9),
        "input_2": (-1.0, 1.0),
    }
    assert asked("1:uint8:0..9").ranges() == {"input": (0, 9)}
    graph = str(onnx_file.path)
    assert asked("1:uint8:0..9", text=graph).ranges() == {"": (0, 9)}
    assert asked("a=1:uint8:0..9", "b=1:int8", text=graph).ranges() == {"a": (0, 9)}
    network = asked("1,3,64,64:float32:0..255", text="asymmnet_small_035")
    assert network.ranges() == {"input": (0.0, 255.0)}
    assert [shape.text for shape in network.given_shapes] == ["1,3,64,64:float32:0..255"]
    assert asked(text="asymmnet_small_035").ranges() == {}


def test_what_a_graph_has_already_is_refused(tmp_path: Path, onnx_file: OnnxFile) -> None:
    with pytest.raises(UsageError, match=r"has its opset in it, and --opset 18"):
        ExportRequest(onnx_file, tmp_path, opset=18)


def test_how_to_read_weights_means_nothing_without_them(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(UsageError, match="--weights-key is about a file of weights"):
        ExportRequest(NET, tmp_path, weights_key="ema")
    with pytest.raises(UsageError, match="--strip-prefix is about a file of weights"):
        ExportRequest(NET, tmp_path, strip_prefix="net.")
    assert ExportRequest(NET, tmp_path, weights, weights_key="ema", strip_prefix="net.")


@pytest.mark.parametrize("tolerance", [0.0, -1e-3, math.nan, math.inf, -math.inf])
def test_a_tolerance_is_a_positive_number(tmp_path: Path, tolerance: float) -> None:
    with pytest.raises(UsageError, match="is not a positive number"):
        ExportRequest(NET, tmp_path, tolerance=tolerance)
    assert ExportRequest(NET, tmp_path, tolerance=1e-3)


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    request = ExportRequest(NET, tmp_path, seed=3)
    assert pickle.loads(pickle.dumps(request)) == request


def of_shape(text: str) -> CallableModule:
    return replace(CALLABLE, input_shapes=parse_input_shapes([text]))


def ranged(low: float, high: float) -> InputShape:
    return InputShape(None, (1, 3, 224, 224), "float32", low, high)


def test_what_the_files_depend_on_changes_the_fingerprint(tmp_path: Path, weights: Path) -> None:
    request = ExportRequest(NET, tmp_path)
    others = [
        request,
        replace(request, seed=1),
        replace(request, weights=weights),
        replace(request, source=NamedNetwork(parse("asymmnet_small_050"))),
        replace(request, source=NamedNetwork(at_resolution(NET.spec, (1, 3, 64, 64)))),
        replace(request, source=CALLABLE),
        replace(request, source=replace(CALLABLE, attribute="other")),
        replace(request, source=replace(CALLABLE, input_shapes=(InputShape("x", (1, 3, 8, 8)),))),
        replace(request, source=replace(CALLABLE, input_shapes=(InputShape(None, (1, 3, 8, 9)),))),
        replace(request, source=of_shape("1,3,8,8:uint8")),
        replace(request, source=of_shape("1,3,8,8:uint8:0..5")),
        replace(request, source=of_shape("1,3,8,8:uint8:1..5")),
        replace(request, source=with_input_shapes(NET, [ranged(0, 1)])),
        replace(request, source=with_input_shapes(NET, [ranged(-1, 1)])),
        replace(request, samples=weights),
        replace(request, tolerance=1e-3),
        replace(request, tolerance=1e-2),
        replace(request, opset=18),
        replace(request, weights=weights, weights_key="ema"),
        replace(request, weights=weights, strip_prefix="ema"),
    ]
    assert len({other.fingerprint() for other in others}) == len(others)


def test_what_the_files_do_not_depend_on_leaves_it(tmp_path: Path, weights: Path) -> None:
    request = ExportRequest(NET, tmp_path)
    assert replace(request, out=tmp_path / "elsewhere").fingerprint() == request.fingerprint()
    assert replace(request, keep_exported=True).fingerprint() == request.fingerprint()
    given = replace(request, weights=weights)
    assert replace(given, seed=5).fingerprint() == given.fingerprint()  # nothing is random then
    at_its_own_size = with_input_shapes(NET, [InputShape("input", (1, 3, 224, 224), "float32")])
    assert replace(request, source=at_its_own_size).fingerprint() == request.fingerprint()


def test_weights_count_by_content_not_by_path(tmp_path: Path, weights: Path) -> None:
    request = ExportRequest(NET, tmp_path, weights)
    before = request.fingerprint()
    moved = weights.rename(tmp_path / "moved.pt")
    assert replace(request, weights=moved).fingerprint() == before
    moved.write_bytes(b"other weights")
    assert replace(request, weights=moved).fingerprint() != before


def test_samples_count_by_content_not_by_path(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(b"samples")
    request = ExportRequest(CALLABLE, tmp_path, samples=path)
    before = request.fingerprint()
    assert replace(request, samples_sha256=sha256_of(path)).fingerprint() == before
    moved = path.rename(tmp_path / "moved.npz")
    assert replace(request, samples=moved).fingerprint() == before
    moved.write_bytes(b"other samples")
    assert replace(request, samples=moved).fingerprint() != before


def test_samples_are_used_only_as_they_were_recorded(tmp_path: Path) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(b"samples")
    request = ExportRequest(CALLABLE, tmp_path, samples=path)
    assert request.samples_file() == path
    recorded = replace(request, samples_sha256=sha256_of(path))
    assert recorded.samples_file() == path
    path.write_bytes(b"other samples")
    assert request.samples_file() == path
    with pytest.raises(UsageError, match=r"s\.npz is not the file that nets.mine:Make.small was"):
        recorded.samples_file()
    path.unlink()
    with pytest.raises(UsageError, match=r"can't read .*s\.npz"):
        recorded.samples_file()


def test_a_graph_counts_by_content_not_by_path(tmp_path: Path, onnx_file: OnnxFile) -> None:
    request = ExportRequest(onnx_file, tmp_path)
    before = request.fingerprint()
    moved = OnnxFile(onnx_file.path.rename(tmp_path / "moved.onnx"), ())
    assert replace(request, source=moved).fingerprint() == before
    moved.path.write_bytes(b"another graph")
    assert replace(request, source=moved).fingerprint() != before


def test_weights_and_graphs_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    for request in (
        ExportRequest(NET, tmp_path, tmp_path / "none.pt"),
        ExportRequest(OnnxFile(tmp_path / "none.onnx", ()), tmp_path),
    ):
        with pytest.raises(UsageError, match=r"can't read .*none\.\w+: No such file"):
            request.fingerprint()


@pytest.fixture
def exported(tmp_path: Path, save_export: SaveExport) -> ExportRequest:
    """A request that was met."""
    request = ExportRequest(NET, tmp_path / "out")
    save_export(request.folder, fingerprint=request.fingerprint())
    return request


def test_an_export_of_the_same_is_fresh(exported: ExportRequest) -> None:
    found = exported.fresh_manifest()
    assert found is not None
    assert found.model == "asymmnet_small_035"


def test_an_export_of_something_else_is_stale(exported: ExportRequest) -> None:
    assert replace(exported, seed=1).fresh_manifest() is None


@pytest.mark.parametrize("name", [*EXPORT_FILES, "manifest.json"])
def test_an_export_with_a_damaged_or_lost_file_is_stale(exported: ExportRequest, name: str) -> None:
    path = exported.folder / name
    path.write_text("damaged")
    assert exported.fresh_manifest() is None
    path.unlink()
    assert exported.fresh_manifest() is None


def test_an_export_whose_sources_have_changed_is_stale(
    exported: ExportRequest, save_export: SaveExport, tmp_path: Path
) -> None:
    code = tmp_path / "code.py"
    code.write_text("1")
    recorded = {str(code): sha256_of(code)}
    save_export(exported.folder, fingerprint=exported.fingerprint(), sources=recorded)
    assert exported.fresh_manifest() is not None
    code.write_text("2")
    assert exported.fresh_manifest() is None


def test_the_graph_before_it_was_simplified_is_missed_only_where_it_is_wanted(
    exported: ExportRequest,
) -> None:
    wanted = replace(exported, keep_exported=True)
    assert wanted.fresh_manifest() is None
    (exported.folder / EXPORTED).write_bytes(b"")
    assert wanted.fresh_manifest() is not None


def test_an_export_of_a_newer_program_is_left_alone(exported: ExportRequest) -> None:
    (exported.folder / "manifest.json").write_text('{"schema_version": 99}')
    with pytest.raises(UsageError, match="schema_version 99"):
        exported.fresh_manifest()


def test_a_manifest_that_can_not_be_read_is_told(exported: ExportRequest) -> None:
    path = exported.folder / "manifest.json"
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match=r"can't read .*manifest\.json"):
        exported.fresh_manifest()


def test_where_nothing_was_exported_the_default_is_asked_for(tmp_path: Path) -> None:
    assert as_recorded(NET, tmp_path) == ExportRequest(NET, tmp_path)


def test_what_was_exported_is_asked_for_again(tmp_path: Path, save_export: SaveExport) -> None:
    folder = tmp_path / "asymmnet_small_035"
    save_export(folder, seed=7)
    assert as_recorded(NET, tmp_path) == ExportRequest(NET, tmp_path, seed=7)
    save_export(folder, seed=None, weights_path="w.pt", weights_sha256="a" * 64)
    expected = ExportRequest(NET, tmp_path, Path("w.pt"), 0, "a" * 64)
    assert as_recorded(NET, tmp_path) == expected


def recorded_of(source: Source, **fields: Any) -> dict[str, Any]:
    """The fields of a manifest of ``source``."""
    return {"source": ExportRequest(source, Path()).text, **fields}


def test_all_that_was_asked_for_is_asked_for_again(
    tmp_path: Path, save_export: SaveExport, weights: Path
) -> None:
    source = with_input_shapes(CALLABLE, [])
    fields = recorded_of(
        source,
        given_shapes=("ids=1,4:int64:0..9",),
        samples_path="s.npz",
        samples_sha256="b" * 64,
        given_tolerance=1e-2,
        given_opset=18,
        weights_path=str(weights),
        weights_sha256="a" * 64,
        weights_key="ema",
        strip_prefix="net.",
    )
    save_export(tmp_path / source.model, **fields)
    assert as_recorded(source, tmp_path) == ExportRequest(
        with_input_shapes(source, parse_input_shapes(["ids=1,4:int64:0..9"])),
        tmp_path,
        weights,
        weights_sha256="a" * 64,
        samples=Path("s.npz"),
        samples_sha256="b" * 64,
        tolerance=1e-2,
        opset=18,
        weights_key="ema",
        strip_prefix="net.",
    )


def test_shapes_and_samples_that_are_given_count_before_recorded_ones(
    tmp_path: Path, save_export: SaveExport
) -> None:
    fields = recorded_of(CALLABLE, given_shapes=("1,4",), samples_path="s.npz")
    save_export(tmp_path / CALLABLE.model, inputs=(TensorSpec("input", (1, 3, 8, 8)),), **fields)
    found = as_recorded(CALLABLE, tmp_path, Path("mine.npz"))
    assert (found.source, found.samples, found.samples_sha256) == (CALLABLE, Path("mine.npz"), None)
    assert as_recorded(CALLABLE, tmp_path).samples == Path("s.npz")  # they are of that shape
    wider = replace(CALLABLE, input_shapes=(InputShape("input", (1, 3, 9, 9)),))
    assert as_recorded(wider, tmp_path).samples is None


def test_a_callable_whose_shapes_nothing_tells_is_refused(
    tmp_path: Path, save_export: SaveExport
) -> None:
    source = with_input_shapes(CALLABLE, [])
    with pytest.raises(UsageError, match=r"the input shape of .*Make\.small' is unknown"):
        as_recorded(source, tmp_path)
    assert as_recorded(source, tmp_path, Path("s.npz")).samples == Path("s.npz")
    save_export(tmp_path / source.model, **recorded_of(source, given_shapes=("1,4",)))
    assert as_recorded(source, tmp_path).given_shapes == (InputShape(None, (1, 4)),)


def test_a_network_is_timed_at_its_own_resolution_whatever_was_exported(
    tmp_path: Path, save_export: SaveExport
) -> None:
    folder = tmp_path / NET.model
    save_export(
        folder, **recorded_of(NET, given_shapes=("1,3,64,64:float32:0..1",), samples_path="s.npz")
    )
    assert as_recorded(NET, tmp_path) == ExportRequest(NET, tmp_path)
    save_export(
        folder,
        input_shape=(1, 3, 224, 224),
        **recorded_of(NET, given_shapes=("1,3,224,224:float32:0..1",), samples_path="s.npz"),
    )
    found = as_recorded(NET, tmp_path)
    assert found.ranges() == {"input": (0.0, 1.0)}
    assert found.samples == Path("s.npz")


def test_classes_of_its_own_are_kept_with_the_resolution(
    tmp_path: Path, save_export: SaveExport, weights: Path
) -> None:
    own = with_given_classes(with_input_shapes(NET, parse_input_shapes(["1,3,64,64"])), 10)
    asked = ExportRequest(own, tmp_path, weights)
    fields = {"given_classes": 10, "given_shapes": ("1,3,64,64",), "weights_path": str(weights)}
    save_export(asked.folder, **recorded_of(own, **fields))
    assert as_recorded(NET, tmp_path).fingerprint() == asked.fingerprint()
    assert asked.fingerprint() != replace(asked, source=with_given_classes(own, 11)).fingerprint()
    other = as_recorded(with_given_classes(NET, 1000), tmp_path)
    assert own_classes(other.source) is None
    assert other.module_inputs()[0].shape == (1, 3, 224, 224)
    assert "--classes 10 --input-shape 1,3,64,64" in asked.again()


def test_the_papers_network_does_not_take_the_place_of_one_with_other_classes(
    tmp_path: Path, save_export: SaveExport
) -> None:
    save_export(tmp_path / NET.model, **recorded_of(NET, given_classes=10))
    with pytest.raises(UsageError, match=r"with 10 classes, and the paper's has 1000") as refused:
        as_recorded(as_listed(NET), tmp_path)
    assert "another folder" in refused.value.hint


def test_another_file_of_that_name_does_not_get_its_inputs(
    tmp_path: Path, onnx_file: OnnxFile, save_export: SaveExport
) -> None:
    out = tmp_path / "out"
    fields = {"given_shapes": ("x=1,3",), "given_tolerance": 1e-2, "samples_path": "s.npz"}
    save_export(out / "net", source=str(tmp_path / "other" / "net.onnx"), **fields)
    assert as_recorded(onnx_file, out) == ExportRequest(onnx_file, out)
    save_export(out / "net", source=str(onnx_file.path), **fields)
    assert as_recorded(onnx_file, out).given_shapes == (InputShape("x", (1, 3)),)


def test_a_manifest_with_shapes_that_nobody_gave_is_damaged(
    tmp_path: Path, save_export: SaveExport
) -> None:
    source = with_input_shapes(CALLABLE, [])
    save_export(tmp_path / source.model, **recorded_of(source, given_shapes=("one",)))
    with pytest.raises(UsageError, match=r"manifest\.json is damaged: 'one' is not a shape"):
        as_recorded(source, tmp_path)


def test_weights_that_were_recorded_count_though_their_file_is_gone(
    tmp_path: Path, weights: Path
) -> None:
    given = ExportRequest(NET, tmp_path, weights)
    recorded = replace(given, weights_sha256=sha256_of(weights))
    before = given.fingerprint()
    weights.unlink()
    assert recorded.fingerprint() == before


def test_which_weights_it_was_is_not_guessed_where_the_manifest_is_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "asymmnet_small_035"
    folder.mkdir()
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UsageError, match=r"manifest\.json is damaged") as caught:
        as_recorded(NET, tmp_path)
    assert f"asymm-deploy export asymmnet_small_035 --out {tmp_path} --force" in caught.value.hint
