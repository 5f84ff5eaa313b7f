"""MODEL@VARIANT is taken apart, and what is neither is refused with the word that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.models.naming.variant_names import split_variant
from asymm_deploy.models.source import OnnxFile, resolve


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mbv3_small_035", ("mbv3_small_035", None)),
        ("mbv3_small_035@w8", ("mbv3_small_035", "w8")),
        ("my.nets:make@half", ("my.nets:make", "half")),
        ("a@b/net.onnx", ("a@b/net.onnx", None)),
        ("a@b/net.onnx@int8", ("a@b/net.onnx", "int8")),
        ("a@w8/net.mnn", ("a@w8/net.mnn", None)),
    ],
)
def test_a_variant_follows_the_last_at(text: str, parts: tuple[str, str | None]) -> None:
    assert split_variant(text) == parts


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("net@W8", "'W8' is no variant", "did you mean w8?"),
        ("net@", "no variant is named", "half, w8 and w4"),
        ("@w8", "names no model", "put one before the @"),
        ("net@w4@w8", "names two variants", "give one: net@w4"),
        ("net.mnn@w8", "is taken as it is", "the .onnx file"),
    ],
)
def test_what_is_no_variant_is_refused(text: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        split_variant(text)
    assert hint in caught.value.hint


def test_each_kind_of_model_has_variants_in_folders_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"x")
    (tmp_path / "net@w8.onnx").write_bytes(b"x")
    (tmp_path / "w8.onnx").write_bytes(b"x")
    found = resolve(f"{tmp_path}/net.onnx@w8")
    assert found == OnnxFile(tmp_path / "net.onnx", (), "w8")
    assert found.model == "net@w8"
    assert resolve("mbv3_small_035@w4").model == "mbv3_small_035@w4"
    assert resolve("nets:make@half").model == "nets.make@half"
    assert resolve(f"{tmp_path}/w8.onnx").model == "w8"
    with pytest.raises(UsageError, match="a folder that is for a variant"):
        resolve(f"{tmp_path}/net@w8.onnx")
