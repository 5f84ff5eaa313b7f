"""An image file, whatever it holds, to red, green and blue; or why that can't be done."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asymm_deploy.files import opened_regular
from asymm_deploy.safe import first_words

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".gif", ".ppm", ".pgm"),
        *(".pbm", ".pnm", ".tif", ".tiff", ".webp", ".avif", ".jp2"),
    }
)
"""What image files end with, in lower case."""
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000")
"""Pillow's names of what those files hold; others, such as EPS, would start another program."""
_WHITE = 255
MOST_PIXELS = 1 << 28
"""More than any camera's; a file of a kilobyte may claim so many that memory runs out."""


class UnreadableImageError(Exception):
    """An image can't be decoded; the text says why, on one line."""

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        """``may_pass`` is true of what the system refused: another time it may not."""
        super().__init__(reason)
        self.may_pass = may_pass


def decoded_image(path: Path, channels: int) -> Image:
    """Return an image as RGB, or as grey where ``channels`` is 1. Raises UnreadableImageError.

    Of several pictures in a file the first counts. 16 bits are cut to 8, and transparency is left
    out: what is behind it is taken as it is.
    """
    from PIL import Image as Images

    Images.MAX_IMAGE_PIXELS = None  # ours is checked before anything is decoded
    try:
        with opened_regular(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Images.open(file, formats=_FORMATS)
            _require_size(image)
            image.load()
            return _in_colours(_in_8_bits(image), channels)
    except UnreadableImageError:
        raise
    except OSError as error:  # of the file system, or of Pillow, which has no text of the system's
        raise UnreadableImageError(
            error.strerror or ("the file is empty" if _is_empty(path) else _in_words(error, path)),
            may_pass=error.strerror is not None,
        ) from error
    except MemoryError as error:
        raise UnreadableImageError("memory ran out", may_pass=True) from error
    except (
        *(ValueError, TypeError, LookupError, AttributeError),
        *(SyntaxError, EOFError, ArithmeticError, RuntimeError, struct.error, zlib.error),
    ) as error:  # what Pillow's decoders raise for damaged files
        raise UnreadableImageError(_in_words(error, path)) from error


def _require_size(image: Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableImageError(
            f"{image.width} x {image.height} pixels; {MOST_PIXELS:,} are allowed"
        )


def _in_8_bits(image: Image) -> Image:
    """Return the image with 8 bits a channel; Pillow would clip what is above 255."""
    from PIL import Image as Images

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float32)
        # Of 32 bits nobody knows how many are used; Pillow makes 16 of a PPM's.
        of_16 = (
            image.mode.startswith("I;16")
            or image.format == "PPM"
            or (image.mode == "I" and values.max(initial=0) > 255)
        )
        top = _top_of_floats(values) if image.mode == "F" else 65535 if of_16 else _WHITE
        scaled = np.clip(values * np.float32(255 / top), 0, 255)
        return Images.fromarray(np.nan_to_num(scaled).astype(np.uint8))
    return image


def _top_of_floats(values: npt.NDArray[np.float32]) -> int:
    """Return which value is white; a picture up to 1 would be black if that were 255."""
    largest = float(np.nanmax(values, initial=0))
    if largest > _WHITE:
        raise UnreadableImageError(
            f"its floats go up to {largest:.6g}; those from 0 to 1, or to {_WHITE}, are taken"
        )
    return 1 if largest <= 1 else _WHITE


def _in_colours(image: Image, channels: int) -> Image:
    if image.mode == "LAB":  # Pillow has no way from it to grey
        image = image.convert("RGB")
    wanted = "L" if channels == 1 else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:  # it is gone by now
        return False


def _in_words(error: Exception, path: Path) -> str:
    said = first_words(error).replace(repr(str(path)), "the file")
    if "cannot identify image file" in said:
        return "it is no image, or of no known format"
    return said or type(error).__name__
