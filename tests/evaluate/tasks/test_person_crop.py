"""A person's crop shows what the authors' own code would show, and points lead back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from asymm_deploy.evaluate.tasks.person_crop import person_crop


def test_a_box_grows_to_the_inputs_shape_and_by_a_quarter() -> None:
    crop = person_crop((100, 50, 40, 80), height=256, width=192)  # 40 x 80 becomes 60 x 80
    assert (192 * crop.step_x, 256 * crop.step_y) == pytest.approx((75, 100))
    assert (crop.left, crop.top) == pytest.approx((120 - 37.5, 90 - 50))
    wide = person_crop((0, 0, 80, 40), height=256, width=256)
    assert (256 * wide.step_x, 256 * wide.step_y) == pytest.approx((100, 100))


def test_pixel_i_of_the_input_is_pixel_left_plus_i_steps_of_the_image() -> None:
    # A ramp: a pixel's value is five times its column, so that a crop's values are where it looked.
    columns = np.tile(5 * np.arange(50, dtype=np.uint8), (50, 1))
    crop = person_crop((10.2, 10.2, 25.6, 25.6), height=16, width=16)  # 32 pixels: a step of 2
    pixels = crop.pixels(Image.fromarray(columns), 16, 16)[..., 0] / 5
    wanted = crop.left + np.arange(16) * crop.step_x
    np.testing.assert_allclose(pixels, np.tile(wanted, (16, 1)), atol=0.2)
    assert crop.in_image(np.array([3.0, 0.0]))[0] == pytest.approx(crop.left + 6)


def test_outside_of_the_image_it_is_black() -> None:
    white = Image.fromarray(np.full((50, 50, 3), 255, np.uint8))
    pixels = person_crop((0, 0, 40, 40), 40, 40).pixels(white, 40, 40)
    assert pixels.shape == (40, 40, 3)
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[20, 20].tolist() == [255, 255, 255]
