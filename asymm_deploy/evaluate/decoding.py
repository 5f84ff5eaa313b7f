"""An image file, whatever it holds, to red, green and blue; or why that can't be done."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

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
MOST_PIXELS = 1 << 28
"""More than any camera's; a file of a kilobyte may claim so many that memory runs out."""


class UnreadableImageError(Exception):
    """An image can't be decoded; the text says why, on one line."""


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
            image = Images.open(file)
            _require_size(image)
            image.load()
            return _in_8_bits(image).convert("L" if channels == 1 else "RGB")
    except UnreadableImageError:
        raise
    except OSError as error:  # of the file system, or of Pillow, which has no text of the system's
        empty = error.strerror is None and path.stat().st_size == 0
        reason = error.strerror or ("the file is empty" if empty else _in_words(error, path))
        raise UnreadableImageError(reason) from error
    except (
        *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
        *(SyntaxError, EOFError, MemoryError, RuntimeError, struct.error, zlib.error),
    ) as error:  # what Pillow's decoders raise for damaged files
        raise UnreadableImageError(_in_words(error, path)) from error


def _require_size(image: Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableImageError(
            f"{image.width} x {image.height} pixels; {MOST_PIXELS:,} are allowed"
        )


def _in_8_bits(image: Image) -> Image:
    """Return the image with 8 bits a channel; Pillow would clip what is above 255."""
    import numpy as np
    from PIL import Image as Images

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        top = 65535.0 if image.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
        return Images.fromarray(np.clip(values * 255 / top, 0, 255).astype(np.uint8))
    return image


def _in_words(error: Exception, path: Path) -> str:
    said = first_words(error).replace(repr(str(path)), "the file")
    if "cannot identify image file" in said:
        return "it is no image, or of no known format"
    return said or type(error).__name__
