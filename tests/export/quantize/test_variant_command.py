"""`export --quantize` through the command: a mixture from end to end, and failures told once."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest

from asymm_deploy.cli import run
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export import pipeline
from asymm_deploy.export.manifest import load_manifest
from asymm_deploy.export.quantize.variant_request import variant_of
from asymm_deploy.export.request import ExportRequest


def test_a_mixture_is_made_of_images_and_again_without_naming_them(
    exported: ExportRequest, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    net, out = exported.text, tmp_path / "artifacts"
    shutil.copytree(exported.out, out)
    given = ("--images", str(photos), "--count", "4", "--keep-fp32", "1")
    assert run(("export", net, "--quantize", "int8-mixed", *given, "--out", str(out))) == 0
    assert "1 of 3 operators stay in fp32" in capfd.readouterr().err
    variant = load_manifest(out / "net@int8-mixed").variant
    assert variant is not None
    assert variant.mixed is not None
    assert variant.images is not None
    assert (len(variant.mixed.in_fp32), variant.operators, variant.changed_operators) == (1, 3, 2)
    assert run(("export", f"{net}@int8-mixed", "--out", str(out))) == 0
    assert "unchanged" in capfd.readouterr().out
    assert run(("export", f"{net}@int8-mixed", "--out", str(out), "--force")) == 0
    again = load_manifest(out / "net@int8-mixed").variant
    assert again is not None
    assert (again.images, again.mixed) == (variant.images, variant.mixed)


def test_what_an_export_fails_of_is_told_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    assert run(("export", str(broken), "--quantize", "half,w8", "--out", str(tmp_path / "a"))) == 2
    said = capfd.readouterr()
    assert said.err.count("error:") == 1
    assert said.out.count("failed") == 3


@pytest.mark.parametrize("number", [errno.EFBIG, errno.ENOSPC])
@pytest.mark.parametrize("hidden", [True, False])
def test_a_file_that_finds_no_room_is_told_as_that(
    base: ExportRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    hidden: bool,
) -> None:
    refusal = OSError(number, "no room for it")

    def refused(*_: object) -> None:
        if hidden:
            raise ConversionError("torch.onnx can't", "write it otherwise") from refusal
        raise refusal

    monkeypatch.setattr(pipeline, "make_variant", refused)
    with pytest.raises(UsageError, match="no room for it") as caught:
        pipeline.export_model(variant_of(base, "w8"), tmp_path, [])
    assert "free some space" in caught.value.hint
