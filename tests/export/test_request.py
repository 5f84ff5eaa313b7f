"""What a request asks for, what makes its export stale, and what an earlier one asked for."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.export.manifest import EXPORT_FILES, EXPORTED, Manifest
from asymm_deploy.export.request import ExportRequest, as_recorded
from asymm_deploy.files import sha256_of
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.names import parse
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile
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


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    request = ExportRequest(NET, tmp_path, seed=3)
    assert pickle.loads(pickle.dumps(request)) == request


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
    ]
    assert len({other.fingerprint() for other in others}) == len(others)


def test_what_the_files_do_not_depend_on_leaves_it(tmp_path: Path, weights: Path) -> None:
    request = ExportRequest(NET, tmp_path)
    assert replace(request, out=tmp_path / "elsewhere").fingerprint() == request.fingerprint()
    assert replace(request, keep_exported=True).fingerprint() == request.fingerprint()
    given = replace(request, weights=weights)
    assert replace(given, seed=5).fingerprint() == given.fingerprint()  # nothing is random then


def test_weights_count_by_content_not_by_path(tmp_path: Path, weights: Path) -> None:
    request = ExportRequest(NET, tmp_path, weights)
    before = request.fingerprint()
    moved = weights.rename(tmp_path / "moved.pt")
    assert replace(request, weights=moved).fingerprint() == before
    moved.write_bytes(b"other weights")
    assert replace(request, weights=moved).fingerprint() != before


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
