"""An fp32 .mnn file and images -> a file that computes in 8 bits.

MNN's quantiser says "done" of everything: of images that it can't read it makes ranges from
garbage, and of a missing model nothing. So it gets images that were decoded, cropped and resized
here, and what it did is read from the file.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError, UsageError
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.quantize.file_proof import FileFacts, int8_operators
from asymm_deploy.export.quantize.int8_images import Int8Images
from asymm_deploy.export.quantize.variant import CalibrationImages
from asymm_deploy.files import sha256_of
from asymm_deploy.images.decoding import UnreadableImageError, decoded_image
from asymm_deploy.images.image_files import ImageFile, image_files
from asymm_deploy.images.preprocessing import ImageInput, Preprocessing, cropped, image_input
from asymm_deploy.models.input_shape import shown
from asymm_deploy.safe import excerpt, first_words
from asymm_deploy.text import counted

QUANTISER = (sys.executable, "-I", "-m", "asymm_deploy.export.quantize.quantiser_process")
QUANTISER_TIMEOUT_S = 900
"""The largest of the paper's networks takes a minute with 64 images. What takes 15 hangs."""
METHOD = "quantiser EMA, weights MAX_ABS"
_MOST_TOLD = 10


class TakenImages(msgspec.Struct, frozen=True):
    """The images that were used, as the model's inputs."""

    samples: list[Arrays]
    record: CalibrationImages
    notes: tuple[str, ...]


def takes_image(base: Manifest) -> ImageInput:
    """Return how the model takes an image; raise UsageError if ``int8`` can't be made of it."""
    if base.api == "module":
        raise UsageError(
            f"int8 can't be made of {base.model}: MNN's quantiser runs a Session, and a Session "
            "can't run the model's loops and branches",
            "take half, w8 or w4, which change the weights alone",
        )
    taken = image_input(base.inputs)
    if taken.channels_last or taken.dtype != "float32":
        raise UsageError(
            f"int8 can't be made of {base.model}: MNN's quantiser fills images into inputs of "
            f"1x3xHxW or 1x1xHxW in float32, and {taken.name} is another",
            "take half, w8 or w4, or export the model with such an input",
        )
    return taken


def taken_images(asked: Int8Images, taken: ImageInput, into: Path) -> TakenImages:
    """Write ``asked.count`` images to the new folder ``into``, each of the input's size, as PNG.

    They are drawn by a fixed seed. Those that can't be decoded are told by name, and others take
    their places. Raises UsageError if there are too few.
    """
    from PIL import Image

    into.mkdir()
    files = image_files(asked.images)
    order = np.random.default_rng(0).permutation(len(files))
    samples: list[Arrays] = []
    unreadable: list[str] = []
    used = hashlib.sha256()
    for place in order:
        if len(samples) == asked.count:
            break
        file = files[int(place)]
        try:
            pixels = cropped(decoded_image(file.path, taken.channels), taken, asked.recipe)
            used.update(os.fsencode(file.name) + b"\0" + sha256_of(file.path).encode())
        except (UnreadableImageError, OSError) as error:
            unreadable.append(f"{shown(file.name)} ({first_words(error)})")
            continue
        plain = pixels[:, :, 0] if taken.channels == 1 else pixels
        Image.fromarray(plain).save(into / f"{len(samples):06}.png")
        samples.append({taken.name: taken.filled(pixels, asked.recipe)})
    _require_count(asked, files, len(samples), unreadable)
    record = CalibrationImages(
        path=str(asked.images.absolute()),
        count=asked.count,
        preprocessing=asked.recipe.key(),
        listing_sha256=asked.listing_sha256,
        images_sha256=used.hexdigest(),
    )
    were = "was" if len(unreadable) == 1 else "were"
    told = (
        f"{counted(len(unreadable), 'image')} can't be decoded and {were} passed over: "
        f"{_some(unreadable)}"
    )
    return TakenImages(samples, record, (told,) if unreadable else ())


def write_int8(base: Path, into: Path, images: Path, taken: ImageInput, asked: Int8Images) -> None:
    """Have MNN's quantiser write ``into``; raise ConversionError if it doesn't.

    Whether the file is right is not looked at.
    """
    recipe = into.with_name("quantiser.json")
    recipe.write_bytes(msgspec.json.encode(_recipe(images, taken, asked)))
    command = [*QUANTISER, str(base.absolute()), str(into.absolute()), str(recipe.absolute())]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=QUANTISER_TIMEOUT_S,
            check=False,
            cwd=into.parent,
        )
    except subprocess.TimeoutExpired as error:
        raise ConversionError(
            f"MNN's quantiser did not finish within {QUANTISER_TIMEOUT_S} s",
            "take fewer images with --count, or w8, which needs none",
        ) from error
    said = done.stdout + done.stderr
    if done.returncode != 0:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"code {done.returncode}"
        raise ConversionError(
            f"MNN's quantiser died of {how}: {_last_words(said)}",
            "take another --count; or w8, which needs no quantiser",
        )
    if "image error" in said:
        raise ConversionError(
            f"MNN's quantiser could not read an image: {_last_words(said)}",
            "free some space where the artifacts are, and try again",
        )
    if not into.exists() or into.stat().st_size == 0:
        raise ConversionError(
            f"MNN's quantiser wrote no file: {_last_words(said)}",
            "free some space where the artifacts are, and try again; or take w8",
        )


def prove_int8(made: Path, base: Path) -> FileFacts:
    """Return how many operators compute in 8 bits; raise ConversionError if too few do."""
    facts = int8_operators(made, base)
    if sha256_of(made) == sha256_of(base) or facts.changed == 0:
        raise ConversionError(
            "MNN's quantiser changed nothing: none of the file's operators computes in 8 bits",
            "report it to MNN, with the model; or take w8",
        )
    if 2 * facts.changed < facts.operators:
        raise ConversionError(
            f"MNN's quantiser left most of the file in fp32: {facts.changed} of "
            f"{facts.operators} convolutions compute in 8 bits",
            "report it to MNN, with the model; or take w8",
        )
    return facts


def _recipe(images: Path, taken: ImageInput, asked: Int8Images) -> dict[str, object]:
    """Return what the quantiser reads: (value - mean) * normal, of values from 0 to 255."""
    mean, normal = _scaling(asked.recipe, taken.channels)
    return {
        "format": "GRAY" if taken.channels == 1 else asked.recipe.channels,
        "mean": mean,
        "normal": normal,
        "width": taken.width,
        "height": taken.height,
        "path": f"{images.absolute()}/",
        "used_image_num": asked.count,
        "batch_size": asked.count,  # anything less loses digits
        "feature_quantize_method": "EMA",  # KL loses 4 % of top-1, ADMM corrupts the heap
        "weight_quantize_method": "MAX_ABS",
    }


def _scaling(recipe: Preprocessing, channels: int) -> tuple[list[float], list[float]]:
    mean, normal = list(recipe.mean), [1 / each for each in recipe.std]
    if recipe.channels == "BGR":
        mean, normal = mean[::-1], normal[::-1]
    return mean[:channels], normal[:channels]


def _require_count(
    asked: Int8Images, files: Sequence[ImageFile], found: int, unreadable: Sequence[str]
) -> None:
    if found == asked.count:
        return
    told = f"; {len(unreadable)} can't be decoded: {_some(unreadable)}" if unreadable else ""
    raise UsageError(
        f"{asked.images} has {found} images that can be decoded, of {len(files)}, and --count asks "
        f"for {asked.count}{told}",
        f"add images, or give --count {found}" if found else "give a folder with images in it",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_TOLD} more" if names[_MOST_TOLD:] else ""
    return ", ".join(names[:_MOST_TOLD]) + more


def _last_words(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return excerpt("; ".join(lines[-2:])) if lines else "it gave no reason"
