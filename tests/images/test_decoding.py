"""Image files as people have them: every kind becomes RGB, and what can't be says why."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asymm_deploy.images.decoding import UnreadableImageError, decoded_image


def saved(path: Path, image: Image.Image, *more: Image.Image) -> Path:
    if more:
        image.save(path, save_all=True, append_images=more)
    else:
        image.save(path)
    return path


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_png_of_any_mode_is_read(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGB", (9, 7), (200, 200, 200))
    made = (
        Image.fromarray(np.full((7, 9), 200 * 257, np.uint16))
        if mode == "I;16"
        else image.convert(mode)
    )
    found = decoded_image(saved(tmp_path / "a.png", made), 3)
    assert (found.mode, found.size) == ("RGB", (9, 7))
    red = found.getpixel((3, 3))
    assert isinstance(red, tuple)
    assert red[0] in (0, 255) if mode == "1" else abs(red[0] - 200) <= 4  # a palette is coarse


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.avif", "a.bmp", "a.tiff", "a.gif"])
def test_other_formats_are_read(tmp_path: Path, name: str) -> None:
    found = decoded_image(saved(tmp_path / name, Image.new("RGB", (32, 32), (10, 200, 90))), 3)
    assert (found.mode, found.size) == ("RGB", (32, 32))


def test_cmyk_floats_and_the_first_of_several_pictures_are_read(tmp_path: Path) -> None:
    cmyk = saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    assert decoded_image(cmyk, 3).mode == "RGB"
    floats = saved(tmp_path / "f.tiff", Image.fromarray(np.full((8, 8), 77.0, np.float32)))
    assert decoded_image(floats, 1).getpixel((0, 0)) == 77
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    moving = saved(tmp_path / "m.gif", first, second)
    assert decoded_image(moving, 3).getpixel((1, 1)) == (255, 0, 0)


@pytest.mark.parametrize("name", ["dark.png", "dark.tiff", "dark.pgm"])
def test_16_bits_are_cut_to_8_also_where_all_is_dark(tmp_path: Path, name: str) -> None:
    image = Image.fromarray(np.full((8, 8), 200, np.uint16))
    assert decoded_image(saved(tmp_path / name, image), 1).getpixel((0, 0)) == 0


def test_lab_becomes_grey_and_nan_black(tmp_path: Path) -> None:
    lab = saved(tmp_path / "lab.tiff", Image.new("LAB", (8, 8), (128, 128, 128)))
    assert decoded_image(lab, 1).mode == "L"
    nan = saved(tmp_path / "nan.tiff", Image.fromarray(np.full((8, 8), np.nan, np.float32)))
    assert decoded_image(nan, 1).getpixel((0, 0)) == 0


def test_postscript_by_the_name_of_a_photograph_starts_no_other_program(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    with pytest.raises(UnreadableImageError, match="it is no image"):
        decoded_image(tmp_path / "a.jpg", 3)


def test_what_the_system_refuses_may_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnreadableImageError) as gone:
        decoded_image(tmp_path / "gone.jpg", 3)
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(UnreadableImageError) as damaged:
        decoded_image(tmp_path / "text.jpg", 3)
    assert (gone.value.may_pass, damaged.value.may_pass) == (True, False)

    def too_large(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", too_large)
    with pytest.raises(UnreadableImageError, match="memory ran out") as scarce:
        decoded_image(tmp_path / "text.jpg", 3)
    assert scarce.value.may_pass


def png_that_claims(width: int, height: int) -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 9))


def gif_that_claims(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0, 0, 0)
    return head + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\2\2\x4c\1\0;"


def tiff_that_claims(width: int, height: int) -> bytes:
    long, short = 4, 3
    tags = [
        *((256, long, width), (257, long, height), (258, short, 8), (259, short, 1)),
        *((262, short, 1), (273, long, 8), (277, short, 1), (278, long, height), (279, long, 9)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def webp_that_claims(width: int, height: int) -> bytes:
    size = b"".join(struct.pack("<I", side - 1)[:3] for side in (width, height))
    part = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
    part += b"VP8L" + struct.pack("<I", 10) + b"\x2f\xff\xff\xff\x0f" + bytes(5)
    return b"RIFF" + struct.pack("<I", len(part) + 4) + b"WEBP" + part


def test_what_can_t_be_decoded_says_why_on_one_line(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.jpg", Image.effect_noise((64, 64), 90)).read_bytes()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.png").mkdir()
    cases = {
        "empty.png": (b"", "the file is empty"),
        "cut.jpg": (whole[: len(whole) // 2], ""),
        "text.jpg": (b"hello", "it is no image"),
        "bomb.png": (png_that_claims(60_000, 60_000), "60000 x 60000 pixels"),
        "bomb.gif": (gif_that_claims((65_535, 65_535), (1, 1)), "65535 x 65535 pixels"),
        "frame.gif": (gif_that_claims((1, 1), (65_535, 65_535)), "65535 x 65535 pixels"),
        "bomb.tiff": (tiff_that_claims(100_000, 100_000), "100000 x 100000 pixels"),
        "short.tiff": (tiff_that_claims(4_000, 4_000), "truncated"),
        "bomb.webp": (webp_that_claims(16_384, 16_384), ""),
        "short.png": (png_that_claims(64, 64), ""),
        "gone.jpg": (None, "No such file"),
        "pipe.jpg": (None, "pipe"),
        "folder.png": (None, "folder"),
    }
    for name, (content, why) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableImageError) as caught:
            decoded_image(tmp_path / name, 3)
        assert why in str(caught.value), name
        assert str(caught.value), name
        assert "\n" not in str(caught.value)


def test_floats_up_to_one_are_as_bright_as_those_up_to_255_and_others_are_told(
    tmp_path: Path,
) -> None:
    def grey(largest: float) -> object:
        pixels = np.full((8, 8), largest / 5, np.float32)
        pixels[0, 0] = largest
        path = saved(tmp_path / f"{largest}.tiff", Image.fromarray(pixels))
        return decoded_image(path, 1).getpixel((4, 4))

    assert (grey(1), grey(255)) == (51, 51)
    with pytest.raises(UnreadableImageError, match="floats go up to 1000"):
        grey(1000)
