"""int8 comes of images that were really read, and every lie of the quantiser is caught."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
import pytest

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import ConversionError, DeployError, UsageError
from asymm_deploy.export.manifest import MNN, load_manifest
from asymm_deploy.export.pipeline import export_model
from asymm_deploy.export.quantize import int8_file
from asymm_deploy.export.quantize.file_proof import FileFacts
from asymm_deploy.export.quantize.int8_images import Int8Images
from asymm_deploy.export.quantize.variant_request import VariantRequest, variant_of
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.images.image_files import image_files, listing_sha256
from asymm_deploy.images.preprocessing import IMAGENET


def int8_of(base: ExportRequest, photos: Path, count: int = 4) -> VariantRequest:
    listing = listing_sha256(image_files(photos))
    return variant_of(base, "int8", Int8Images(photos, count, IMAGENET, listing))


def test_int8_computes_in_8_bits_and_is_proven_over_its_images(
    base: ExportRequest, photos: Path, tmp_path: Path
) -> None:
    request = int8_of(base, photos)
    made = export_model(request, tmp_path, [])
    variant = made.variant
    assert variant is not None
    assert variant.images is not None
    assert (variant.arithmetic, variant.changed_operators) == ("int8", 3)
    assert variant.sqnr_db is not None
    assert variant.sqnr_db > 15
    assert variant.images.count == 4
    assert request.fresh_manifest() == made
    # Other commands know no images: what was made with some is what they take.
    assert variant_of(base, "int8").fresh_manifest() == made
    assert int8_of(base, photos, 5).fresh_manifest() is None


def test_int8_that_nobody_has_made_is_refused_with_the_command_that_makes_it(
    base: ExportRequest, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="needs images") as caught:
        export_model(variant_of(base, "int8"), tmp_path, [])
    assert "--quantize int8 --images FOLDER" in caught.value.hint


LIES = {
    "aborts": ("import os; os.abort()", "died of signal 6"),
    "corrupts its heap": ("import os, signal; os.kill(os.getpid(), 11)", "died of signal 11"),
    "exits": ("import sys; sys.exit('no')", "died of code 1: no"),
    "hangs": ("import time; time.sleep(60)", "did not finish within"),
    "writes nothing": ("print('done!')", "wrote no file: done!"),
    "writes an empty file": ("open(sys.argv[2], 'w')", "wrote no file"),
    "changes nothing": ("import shutil; shutil.copy(*sys.argv[1:3])", "changed nothing"),
    "leaves all in fp32": (
        "open(sys.argv[2], 'wb').write(open(sys.argv[1], 'rb').read() + b'more')",
        "changed nothing",
    ),
    "writes garbage": ("open(sys.argv[2], 'wb').write(b'garbage' * 99)", "can't be read back"),
    "reads no images": ("print('input image error')", "could not read an image"),
}


@pytest.mark.parametrize(("lie", "told"), LIES.values(), ids=LIES.keys())
def test_a_quantiser_that_lies_is_caught(
    base: ExportRequest,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lie: str,
    told: str,
) -> None:
    monkeypatch.setattr(int8_file, "QUANTISER", (sys.executable, "-c", f"import sys; {lie}"))
    monkeypatch.setattr(int8_file, "QUANTISER_TIMEOUT_S", 1 if "sleep" in lie else 60)
    request = int8_of(base, photos)
    with pytest.raises(ConversionError, match=told):
        export_model(request, tmp_path, [])
    assert not request.folder.exists()


def test_a_file_that_is_mostly_in_fp32_is_no_int8(
    base: ExportRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = tmp_path / "made.mnn"
    made.write_bytes(b"another file")
    for changed in (1, 2):
        facts = FileFacts(operators=3, changed=changed, weights_db=None)
        monkeypatch.setattr(int8_file, "int8_operators", lambda *_, facts=facts: facts)
        if 2 * changed < 3:
            with pytest.raises(ConversionError, match="most of the file in fp32: 1 of 3"):
                int8_file.prove_int8(made, base.folder / MNN)
        else:
            assert int8_file.prove_int8(made, base.folder / MNN) == facts


def test_all_images_are_one_batch_for_the_quantiser(
    base: ExportRequest, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "recipe.json"
    copy = f"import shutil, sys; shutil.copy(sys.argv[3], {str(kept)!r})"
    monkeypatch.setattr(int8_file, "QUANTISER", (sys.executable, "-c", copy))
    with pytest.raises(ConversionError, match="wrote no file"):
        export_model(int8_of(base, photos), tmp_path, [])
    recipe = json.loads(kept.read_bytes())
    assert (recipe["batch_size"], recipe["used_image_num"]) == (4, 4)
    assert (recipe["width"], recipe["height"]) == (32, 32)


def test_images_that_cant_be_decoded_are_named_and_others_take_their_places(
    base: ExportRequest, photos: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for number, photo in enumerate(sorted(photos.glob("*.png"))):
        (folder / f"{number}.png").write_bytes(photo.read_bytes())
    (folder / "a\nb.jpg").write_bytes(b"no image")
    (folder / "empty.png").touch()
    taken = int8_file.takes_image(load_manifest(base.folder))
    found = int8_file.taken_images(asked(folder, 4), taken, tmp_path / "png")
    assert len(found.samples) == len(list((tmp_path / "png").iterdir())) == 4
    assert len(found.notes) <= 1
    with pytest.raises(UsageError, match=r"has 4 images that can be decoded, of 6, .* 5") as caught:
        int8_file.taken_images(asked(folder, 5), taken, tmp_path / "png2")
    assert "a\\nb.jpg" in caught.value.what
    assert "'empty.png' (the file is empty)" in caught.value.what
    assert caught.value.hint == "add images, or give --count 4"


def asked(folder: Path, count: int) -> Int8Images:
    return Int8Images(folder, count, IMAGENET, "0" * 64)


def test_a_model_that_takes_no_image_or_runs_as_a_module_is_refused(base: ExportRequest) -> None:
    made = load_manifest(base.folder)
    changes: dict[str, dict[str, object]] = {
        "runs a Session": {"api": "module"},
        "takes no image": {"inputs": (TensorSpec("x", (1, 7)),)},
        "fills images into inputs of": {"inputs": (TensorSpec("x", (1, 32, 32, 3)),)},
    }
    for told, change in changes.items():
        with pytest.raises(DeployError, match=told):
            int8_file.takes_image(msgspec.structs.replace(made, **change))
