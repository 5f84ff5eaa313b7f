"""A variant keeps what its name says, computes what it keeps, and is made when it has to be."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_file import read_mnn
from asymm_deploy.errors import ConversionError, NumericsError
from asymm_deploy.export.manifest import MNN, ONNX, damaged_files, load_manifest, save_manifest
from asymm_deploy.export.mnn import to_mnn
from asymm_deploy.export.pipeline import export_model
from asymm_deploy.export.quantize import make_variant as making
from asymm_deploy.export.quantize import output_proof
from asymm_deploy.export.quantize.stored_weights import stored_weights
from asymm_deploy.export.quantize.variant_request import (
    VariantRequest,
    recorded_request,
    variant_of,
)
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.naming.variant_names import VariantName
from asymm_deploy.models.source import as_variant, resolve

RECURRENT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[4,1,8] x) => (float[4,1,1,16] y) {
    y, h, c = LSTM<hidden_size=16>(x, w, r)
}"""


def w8_of(base: ExportRequest) -> VariantRequest:
    return variant_of(base, "w8")


@pytest.mark.parametrize(
    ("name", "bits", "least_db"), [("half", 16, 50.0), ("w8", 8, 30.0), ("w4", 4, 10.0)]
)
def test_weights_are_kept_in_fewer_bits_and_all_else_is_the_exports(
    base: ExportRequest, tmp_path: Path, name: VariantName, bits: int, least_db: float
) -> None:
    request = variant_of(base, name)
    made = export_model(request, tmp_path, [])
    variant = made.variant
    assert variant is not None
    assert made.model == request.folder.name == f"net@{name}"
    assert (variant.of, variant.weight_bits, variant.arithmetic) == ("net", bits, "fp32")
    assert variant.operators == variant.changed_operators == 3
    assert {each.bits for each in stored_weights((request.folder / MNN).read_bytes())} == {bits}
    assert variant.sqnr_db is not None
    assert variant.sqnr_db > least_db
    assert variant.same_db is not None
    assert variant.same_db > 60
    plain = load_manifest(base.folder)
    assert made.files[ONNX] == plain.files[ONNX]
    assert made.files[MNN] != plain.files[MNN]
    assert made.madds == plain.madds
    assert plain.variant is None
    assert damaged_files(made, request.folder) == []
    assert load_manifest(request.folder) == made


def test_weights_in_the_body_of_a_loop_are_read_and_proven_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(RECURRENT)
    for name, shape in {"w": (1, 64, 8), "r": (1, 64, 16)}.items():
        values = rng.standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save(model, tmp_path / "recurrent.onnx")
    base = ExportRequest(resolve(str(tmp_path / "recurrent.onnx")), tmp_path / "artifacts")
    base.out.mkdir()
    export_model(base, tmp_path, [])
    variant = export_model(variant_of(base, "w4"), tmp_path, []).variant
    assert variant is not None
    assert variant.operators == variant.changed_operators == 2
    assert variant.same_db is not None
    assert variant.same_db > 60
    kept = stored_weights((variant_of(base, "w4").folder / MNN).read_bytes())
    assert sorted(each.values.size for each in kept) == [64 * 8, 64 * 16]


def test_a_variant_is_made_again_once_its_export_or_itself_has_changed(
    base: ExportRequest, tmp_path: Path
) -> None:
    request = w8_of(base)
    assert request.fresh_manifest() is None
    made = export_model(request, tmp_path, [])
    assert request.fresh_manifest() == made
    assert recorded_request(as_variant(base.source, "w8"), base.out).fresh_manifest() == made
    assert variant_of(base, "w4").fresh_manifest() is None
    file = request.folder / MNN
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole[:-1])
    assert request.fresh_manifest() is None
    file.write_bytes(whole)
    plain = load_manifest(base.folder)
    save_manifest(msgspec.structs.replace(plain, fingerprint="0" * 64), base.folder)
    assert request.fresh_manifest() is None


def test_a_converter_that_leaves_the_weights_as_they_are_is_caught(
    base: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = base.folder / MNN
    monkeypatch.setattr(making, "to_mnn", lambda _onnx, into, _options: shutil.copy(plain, into))
    with pytest.raises(ConversionError, match=r"left the weights of .* in 32 bits, where w8 has 8"):
        export_model(w8_of(base), tmp_path, [])
    assert not w8_of(base).folder.exists()


def test_a_weight_that_is_off_by_more_than_its_rounding_is_caught(
    base: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = to_mnn

    def wrong(onnx: Path, into: Path, options: tuple[str, ...]) -> None:
        right(onnx, into, options)
        content = bytearray(into.read_bytes())
        convolution = read_mnn(bytes(content)).operators
        (first, *_) = [each.convolution for each in convolution if each.convolution]
        assert first.scales is not None
        content[first.scales.start : first.scales.start + 4] = np.float32(9).tobytes()
        into.write_bytes(content)

    monkeypatch.setattr(making, "to_mnn", wrong)
    with pytest.raises(NumericsError, match=r"in 8 bits, and .* in fp32: more than rounding"):
        export_model(w8_of(base), tmp_path, [])


def test_a_variant_that_is_too_far_off_is_kept_for_explain_and_not_as_an_artifact(
    base: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(output_proof.LEAST_SQNR_DB, "w8", 120.0)
    with pytest.raises(NumericsError, match=r"scores of w8 is .* and at least 120 dB") as caught:
        export_model(w8_of(base), tmp_path, [])
    kept = w8_of(base).folder / making.REFUSED
    assert kept.exists()
    assert f"asymm-deploy explain {kept} --reference {base.folder / ONNX}" in caught.value.hint
    assert not (w8_of(base).folder / MNN).exists()


def test_of_a_model_that_runs_as_a_module_no_explain_is_advised(
    base: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load_manifest(base.folder)
    save_manifest(msgspec.structs.replace(made, api="module"), base.folder)
    monkeypatch.setitem(output_proof.LEAST_SQNR_DB, "w8", 120.0)
    with pytest.raises(NumericsError, match="at least 120 dB") as caught:
        export_model(w8_of(base), tmp_path, [])
    assert "more bits" in caught.value.hint
    assert "asymm-deploy explain" not in caught.value.hint


def test_arithmetic_that_is_not_that_of_the_weights_is_caught(
    base: ExportRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(_made: Path, plain: Path, into: Path) -> None:
        shutil.copy(plain, into)  # the weights before they were rounded

    monkeypatch.setattr(making, "with_weights_of", other)
    with pytest.raises(NumericsError, match="MNN doesn't compute w8 as its weights say"):
        export_model(w8_of(base), tmp_path, [])


def test_weights_in_a_damaged_file_end_in_words(base: ExportRequest) -> None:
    whole = (base.folder / MNN).read_bytes()
    for length in (0, 3, 40, len(whole) // 2):
        with pytest.raises(EngineError, match="can't be read"):
            stored_weights(whole[:length])
