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
from asymm_deploy.export.quantize.variant import Mixing
from asymm_deploy.export.request import ExportRequest
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


def test_images_are_for_int8_and_int8_is_for_images(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def asked(
        images: Path | None, mean: str | None, std: str | None, *, int8: bool = True
    ) -> object:
        return int8_images(images, 1, "imagenet", mean, std, ("int8",) if int8 else ("w8",))

    assert asked(None, None, None, int8=False) is None
    for told, images, mean, std, int8 in (
        ("int8 needs images", None, None, None, True),
        ("--images is for int8", tmp_path, None, None, False),
        ("--mean is for int8", None, "1,2,3", "1,2,3", False),
        ("belong together", tmp_path, "1,2,3", None, True),
        ("is not three numbers", tmp_path, "1,2", "1,2,3", True),
        ("std not 0", tmp_path, "1,2,3", "0,1,1", True),
        ("has no images", tmp_path / "none", None, None, True),
    ):
        (tmp_path / "none").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=told):
            asked(images, mean, std, int8=int8)
    found = int8_images(tmp_path, 1, "imagenet", "1,2,3", "4,5,6", ("int8",))
    assert found is not None
    assert (found.recipe.mean, found.recipe.std) == ((1, 2, 3), (4, 5, 6))


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
