"""One recipe from a photograph to the input: the authors', or a file's, to the pixel."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.images.preprocessing import (
    IMAGENET,
    ImageInput,
    Preprocessing,
    cropped,
    image_input,
    preprocessing_of,
)

NET = ImageInput("input", 224, 224, 3, channels_last=False, dtype="float32")


def test_the_authors_way_is_256_then_224_from_the_centre() -> None:
    image = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (300, 500, 3), dtype=np.uint8)
    )
    resized = image.resize((round(500 * 256 / 300), 256), Image.Resampling.BILINEAR)
    left = (resized.width - 224) // 2
    wanted = np.asarray(resized.crop((left, 16, left + 224, 240)), np.int16)
    found = np.asarray(cropped(image, NET, IMAGENET), np.int16)
    assert np.abs(found - wanted).max() <= 1  # the cut is made before the values are rounded


def test_values_are_normalised_by_channel_and_bytes_stay_as_they_are() -> None:
    pixels = np.zeros((224, 224, 3), np.uint8)
    pixels[..., 2] = 255
    values = NET.filled(pixels, IMAGENET)
    assert values.shape == (1, 3, 224, 224)
    assert values.dtype == np.dtype("float32")
    assert values[0, 0, 0, 0] == pytest.approx(-123.68 / 58.393)
    assert values[0, 2, 5, 7] == pytest.approx((255 - 103.939) / 57.375)
    backwards = Preprocessing(IMAGENET.mean, IMAGENET.std, channels="BGR")
    assert NET.filled(pixels, backwards)[0, 0, 5, 7] == pytest.approx((255 - 103.939) / 57.375)
    raw = ImageInput("x", 224, 224, 3, channels_last=True, dtype="uint8").filled(pixels, IMAGENET)
    assert raw.shape == (1, 224, 224, 3)
    assert raw.dtype == np.dtype("uint8")
    assert raw[0, 0, 0].tolist() == [0, 0, 255]


@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(8, 40), st.integers(8, 40), st.booleans()
)
def test_any_image_gives_the_input_its_size(
    width: int, height: int, to_height: int, to_width: int, grey: bool
) -> None:
    image = Image.new("L" if grey else "RGB", (width, height), 7)
    to = ImageInput("x", to_height, to_width, 1 if grey else 3, channels_last=False, dtype="uint8")
    pixels = cropped(image, to, IMAGENET)
    assert pixels.shape == (to_height, to_width, to.channels)
    assert (pixels[..., 0] == 7).all()  # nothing is added at the edges


@pytest.mark.parametrize(
    ("shape", "dtype", "taken"),
    [
        ((1, 3, 96, 64), "float32", (96, 64, 3, False)),
        ((1, 1, 28, 28), "float32", (28, 28, 1, False)),
        ((1, 96, 64, 3), "uint8", (96, 64, 3, True)),
    ],
)
def test_an_input_says_how_it_takes_an_image(
    shape: tuple[int, ...], dtype: str, taken: tuple[int, int, int, bool]
) -> None:
    found = image_input((TensorSpec("x", shape, dtype),))
    assert (found.height, found.width, found.channels, found.channels_last) == taken


@pytest.mark.parametrize(
    "inputs",
    [
        (),
        (TensorSpec("ids", (1, 128), "int64"),),
        (TensorSpec("x", (2, 3, 96, 96)),),
        (TensorSpec("x", (1, 5, 96, 96)),),
        (TensorSpec("x", (1, 3, 96, 96)), TensorSpec("y", (1, 3, 96, 96))),
    ],
)
def test_what_takes_no_image_is_refused_with_its_inputs(inputs: tuple[TensorSpec, ...]) -> None:
    with pytest.raises(UsageError, match="the model takes no image: its inputs are"):
        image_input(inputs)


def test_a_recipe_from_a_file_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"mean": [0, 0, 0], "std": [255, 255, 255], "crop_ratio": 1}')
    assert preprocessing_of(str(path)) == Preprocessing((0, 0, 0), (255, 255, 255), 1)
    for wrong in (
        '{"mean": [0, 0, 0], "std": [255, 255, 255], "crop": 1}',
        '{"mean": [0, 0, 0], "std": [1, 1, 0]}',
        '{"mean": [0, 0], "std": [1, 1, 1]}',
        '{"mean": [0, 0, 0], "std": [1, 1, 1], "crop_ratio": 2}',
        '{"mean": [1e400, 0, 0], "std": [1, 1, 1]}',
        "[" * 5000,
        "",
    ):
        path.write_text(wrong)
        with pytest.raises(UsageError, match="is no recipe"):
            preprocessing_of(str(path))
    with pytest.raises(UsageError, match="No such file"):
        preprocessing_of(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    "recipe",
    [
        '{"mean": [1e308, 1, 1], "std": [1, 1, 1]}',
        '{"mean": [1, 1, -1e39], "std": [1, 1, 1]}',
        '{"mean": [1, 1, 1], "std": [1, 1e-300, 1]}',
        '{"mean": [1, 1, 1], "std": [1e39, 1, 1]}',
    ],
)
def test_a_recipe_whose_values_no_float32_holds_is_refused(recipe: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="float32"):
        msgspec.json.decode(recipe, type=Preprocessing)
