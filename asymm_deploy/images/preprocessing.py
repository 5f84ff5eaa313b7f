"""From a photograph to what a network takes: one recipe for all engines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.files import read_regular, write_whole

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
"""Of a cropped image: height, width, channels."""

IMAGENET_NAME = "imagenet"
RECORDED_NAME = "preprocessing.json"
_MOST_SIDE = 16_384


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe, as a JSON file has it: resize, crop from the centre, normalise.

    A value becomes ``(value - mean) / std``, with values from 0 to 255.
    """

    mean: tuple[float, float, float]
    """Red, green, blue."""
    std: tuple[float, float, float]
    crop_ratio: float = 0.875
    """The crop's side over that to which the image's shorter side is resized."""
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear"
    channels: Literal["RGB", "BGR"] = "RGB"
    """In which order the network takes them."""

    def __post_init__(self) -> None:
        """Refuse numbers that no recipe has; msgspec tells the user."""
        if not all(np.isfinite((*self.mean, *self.std))) or 0 in self.std:
            raise ValueError("mean and std must be finite, and std not 0")
        low, high = (float(v) for v in (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
        smallest = min(map(abs, self.std))
        furthest = max(map(abs, self.mean)) + 255
        if smallest < low or max(furthest, furthest / smallest, *map(abs, self.std)) > high:
            raise ValueError(
                "mean, std and (value - mean) / std must be numbers that float32 holds"
            )
        if not 0.1 <= self.crop_ratio <= 1:
            raise ValueError("crop_ratio must be from 0.1 to 1")

    def key(self) -> str:
        """Return all of it as one line."""
        return msgspec.json.encode(self).decode()


IMAGENET = Preprocessing((123.68, 116.779, 103.939), (58.393, 57.12, 57.375))
"""The authors': shorter side to 256, 224 from the centre."""
FACE = Preprocessing((127.5, 127.5, 127.5), (128.0, 128.0, 128.0), crop_ratio=1.0)
"""MobileFaceNet's, for aligned crops (arXiv:1804.07573, section 4.1)."""
_NAMED = {IMAGENET_NAME: IMAGENET, "face": FACE}


def preprocessing_of(text: str) -> Preprocessing:
    """Return what ``--preprocess`` names: ``imagenet``, ``face``, or a JSON file.

    Raises UsageError if there is no such file, or it is no recipe.
    """
    if text in _NAMED:
        return _NAMED[text]
    try:
        return msgspec.json.decode(read_regular(Path(text)), type=Preprocessing)
    except OSError as error:
        raise UsageError(
            f"--preprocess {text}: {error.strerror or error}",
            "give imagenet, face, or the path of a JSON file",
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"--preprocess {text} is no recipe: {error}",
            'write it like this one, the authors\': {"mean": [123.68, 116.779, 103.939], "std": '
            '[58.393, 57.12, 57.375], "crop_ratio": 0.875}',
        ) from error


def record_preprocessing(folder: Path, recipe: Preprocessing) -> None:
    """Write into an artifact's folder how images became its input; raise OSError if it can't be.

    The file is one that ``--preprocess`` takes.
    """
    place, content = folder / RECORDED_NAME, f"{recipe.key()}\n".encode()
    if not place.is_file() or read_regular(place) != content:
        write_whole(place, content)


class ImageInput(msgspec.Struct, frozen=True):
    """How a model takes an image."""

    name: str
    height: int
    width: int
    channels: int
    """1 or 3."""
    channels_last: bool
    dtype: str

    def filled(self, pixels: Pixels, recipe: Preprocessing) -> npt.NDArray[np.generic]:
        """Return the input's values for an image of its size; bytes stay as they are."""
        ordered = pixels if recipe.channels == "RGB" else pixels[:, :, ::-1]
        if self.dtype == "uint8":
            values: npt.NDArray[np.generic] = ordered
        else:
            mean, std = (np.asarray(v, np.float32) for v in (recipe.mean, recipe.std))
            if recipe.channels == "BGR":
                mean, std = mean[::-1], std[::-1]
            if self.channels == 1:
                mean, std = mean[:1], std[:1]
            values = (ordered.astype(np.float32) - mean) / std
        if not self.channels_last:
            values = values.transpose(2, 0, 1)
        return np.ascontiguousarray(values, self.dtype)[np.newaxis]


def image_input(inputs: tuple[TensorSpec, ...]) -> ImageInput:
    """Return how a model with these inputs takes an image; raise UsageError if it takes none."""
    if len(inputs) == 1:
        (only,) = inputs
        shape = only.shape
        if len(shape) == 4 and shape[0] == 1 and only.dtype in ("float32", "float16", "uint8"):
            for channels, sides, last in (
                (shape[1], shape[2:], False),
                (shape[3], shape[1:3], True),
            ):
                if channels in (1, 3) and all(8 <= side <= _MOST_SIDE for side in sides):
                    return ImageInput(only.name, sides[0], sides[1], channels, last, only.dtype)
    told = ", ".join(f"{s.name} {'x'.join(map(str, s.shape))} {s.dtype}" for s in inputs) or "none"
    raise UsageError(
        f"the model takes no image: its inputs are {told}",
        "give a model with one input of 1x3xHxW, 1x1xHxW or 1xHxWx3",
    )


def cropped(image: Image, to: ImageInput, recipe: Preprocessing) -> Pixels:
    """Return the pixels of an RGB or grey image that the model sees.

    The shorter side is resized to the crop over ``crop_ratio``, then the centre is cut out. The
    image is one of `decoding`.
    """
    from PIL import Image as Images

    target_height = max(to.height, round(to.height / recipe.crop_ratio))
    target_width = max(to.width, round(to.width / recipe.crop_ratio))
    scale = max(target_height / image.height, target_width / image.width)
    height, width = (
        max(least, round(side * scale))
        for least, side in ((to.height, image.height), (to.width, image.width))
    )
    left, top = (width - to.width) // 2, (height - to.height) // 2
    # Only what the crop shows is resized: of a panorama of 60,000 columns, not all.
    box = (
        left * image.width / width,
        top * image.height / height,
        (left + to.width) * image.width / width,
        (top + to.height) * image.height / height,
    )
    resampling = Images.Resampling[recipe.interpolation.upper()]
    found = image.resize((to.width, to.height), resampling, box=box)
    return np.asarray(found, np.uint8).reshape(to.height, to.width, to.channels)
