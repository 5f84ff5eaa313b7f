"""--quantize is read as it was meant, and options that mean nothing are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from asymm_deploy.commands.options.variant_options import (
    chosen_mixing,
    chosen_variants,
    int8_images,
    with_variants,
)
from asymm_deploy.errors import UsageError
from asymm_deploy.export.quantize.int8_images import Int8Images
from asymm_deploy.export.quantize.variant import Mixing
from asymm_deploy.export.quantize.variant_request import VariantRequest
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.images.preprocessing import IMAGENET
from asymm_deploy.models.naming.variant_names import VariantName
from asymm_deploy.models.source import resolve


def test_variants_are_chosen_by_commas_or_by_repeating() -> None:
    assert chosen_variants(["half, w8", "w4", "w8"]) == ("half", "w8", "w4")
    for wrong in ("", "w8,", "w3"):
        with pytest.raises(UsageError, match="no variant"):
            chosen_variants([wrong])


def test_each_model_gets_each_variant_once() -> None:
    net = ExportRequest(resolve("mbv3_small_035"), Path("artifacts"))
    found = with_variants([(net, None), (net, "w8")], ("w8", "half"), None, None)
    assert [each.source.model for each in found] == [
        "mbv3_small_035",
        "mbv3_small_035@w8",
        "mbv3_small_035@half",
    ]
    assert [each.text for each in found] == [each.source.model for each in found]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return tmp_path


@pytest.mark.parametrize(
    ("told", "count", "preprocess", "mean", "std"),
    [
        ("belong together", None, None, "1,2,3", None),
        ("is not three numbers", None, None, "1,2", "1,2,3"),
        ("std not 0", None, None, "1,2,3", "0,1,1"),
        ("exclude --preprocess", None, "imagenet", "1,2,3", "1,1,1"),
    ],
)
def test_images_become_inputs_in_one_way(
    images: Path,
    told: str,
    count: int | None,
    preprocess: str | None,
    mean: str | None,
    std: str | None,
) -> None:
    with pytest.raises(UsageError, match=told):
        int8_images(images, count, preprocess, mean, std, ("int8",))


def test_images_and_what_is_said_of_them_are_taken(images: Path) -> None:
    usual = int8_images(images, None, None, None, None, ("int8",))
    own = int8_images(images, 1, None, "1,2,3", "4,5,6", ("int8-mixed",))
    assert usual is not None
    assert (usual.count, usual.recipe) == (64, IMAGENET)
    assert own is not None
    assert (own.count, own.recipe.mean, own.recipe.std) == (1, (1, 2, 3), (4, 5, 6))


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no images"):
        int8_images(tmp_path, None, None, None, None, ("int8",))


@pytest.mark.parametrize(
    "given",
    [(1, None, None, None), (None, "imagenet", None, None), (None, None, "1,2,3", "1,2,3")],
    ids=["count", "preprocess", "mean"],
)
def test_what_is_said_of_images_needs_images_and_int8(
    images: Path, given: tuple[int | None, str | None, str | None, str | None]
) -> None:
    with pytest.raises(UsageError, match="is for int8"):
        int8_images(None, *given, ("w8",))
    with pytest.raises(UsageError, match="none are given"):
        int8_images(None, *given, ("int8",))
    with pytest.raises(UsageError, match="--images is for int8"):
        int8_images(images, None, None, None, None, ("w8",))


@pytest.mark.parametrize("variant", ["int8", "int8-mixed"])
def test_int8_is_for_images_unless_it_was_made_with_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: VariantName
) -> None:
    net = ExportRequest(resolve("mbv3_small_035"), tmp_path)
    for asked, more in ([(net, variant)], ()), ([(net, None)], (variant,)):
        assert int8_images(None, None, None, None, None, (variant,)) is None
        with pytest.raises(UsageError, match=f"{variant} needs images"):
            with_variants(asked, more, None, None)
    made_with = Int8Images(tmp_path, 1, IMAGENET, "0" * 64)
    monkeypatch.setattr(VariantRequest, "recorded_calibration", lambda _self: made_with)
    (found,) = with_variants([(net, variant)], (), None, None)
    assert found.source.model == f"mbv3_small_035@{variant}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None), Mixing(in_fp32=None, goal_db=35.0)),
        ((3, None), Mixing(in_fp32=3)),
        ((0, None), Mixing(in_fp32=0)),
        ((None, 40.0), Mixing(goal_db=40.0)),
    ],
)
def test_a_number_or_a_goal_is_taken_or_the_usual_goal(
    given: tuple[int | None, float | None], expected: Mixing
) -> None:
    assert chosen_mixing(*given, ("w8", "int8-mixed")) == expected


def test_without_a_mixture_there_is_nothing_to_choose() -> None:
    assert chosen_mixing(None, None, ("int8",)) is None


@pytest.mark.parametrize(
    ("number", "goal", "variant", "message"),
    [
        (3, 40.0, "int8-mixed", "exclude each other"),
        (3, None, "int8", "none is to be made"),
        (None, 40.0, "w8", "none is to be made"),
    ],
)
def test_what_is_given_for_nothing_is_refused(
    number: int | None, goal: float | None, variant: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chosen_mixing(number, goal, (variant,))  # type: ignore[arg-type]
