"""Files that people take for weights of PyTorch: what they are, and what to do with them."""

from __future__ import annotations

from pathlib import Path

from asymm_deploy.errors import UsageError
from asymm_deploy.files import opened_regular, read_regular

CONVERT = (
    "load it in the framework that wrote it, copy the arrays into the module, and save that: "
    "torch.save(module.state_dict(), 'weights.pt')"
)
_UNPACK = "unpack it, and give the file of weights that is in it"
_DOWNLOAD = "download it again, with the link to the file itself"

# What a file begins with, what it is, and what to do.
# fmt: off
_BEGINNINGS = (
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "get it: git lfs pull"),
    (b"\x89HDF\r\n\x1a\n",       "an HDF5 file, as Keras writes", CONVERT),
    (b"\x1f\x8b",                "compressed with gzip", _UNPACK),
    (b"BZh",                     "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ",                "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd",        "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf",              "a 7-Zip archive", _UNPACK),
    (b"Rar!",                    "a RAR archive", _UNPACK),
    (b"\x93NUMPY",               "a single NumPy array (.npy)", CONVERT),
    (b"GGUF",                    "a GGUF file, with weights of llama.cpp", CONVERT),
    (b"\x7fELF",                 "a program", "give a file of weights"),
)
# fmt: on
_ONNX_SECOND_TAGS = b"\x12\x1a\x22\x2a\x32\x3a\x42"
"""What follows ONNX's version: the tags of the other fields of a ModelProto."""
_LEVELDB_END = bytes.fromhex("57fb808b247547db")
"""What the index of a TensorFlow checkpoint ends with."""


def refuse_other_formats(path: Path, head: bytes) -> None:
    """Raise UsageError, saying what the file is, if ``head`` is how another format begins."""
    if not head:
        raise UsageError(f"{path} is empty", "copy or save it again")
    for beginning, what, hint in _BEGINNINGS:
        if head.startswith(beginning):
            raise UsageError(f"{path} is {what}", hint)
    if head[4:8] == b"TFL3":
        raise UsageError(f"{path} is a TensorFlow Lite model", CONVERT)
    if head[257:262] == b"ustar":
        raise UsageError(f"{path} is a tar archive, not one file of weights", _UNPACK)
    if head[:1] == b"\x08" and head[2:3] and head[2:3] in _ONNX_SECOND_TAGS:
        raise UsageError(
            f"{path} is an ONNX model",
            "give it as the model itself; it has its weights in it",
        )
    _refuse_text(path, head)
    if path.suffix == ".index" or ".data-0" in path.name or _ends_with(path, _LEVELDB_END):
        raise UsageError(f"{path} is part of a TensorFlow checkpoint", CONVERT)


def _refuse_text(path: Path, head: bytes) -> None:
    begun = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if begun.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        raise UsageError(f"{path} is a web page, saved in place of the file", _DOWNLOAD)
    if begun.startswith((b"{", b"[")):
        if b'"weight_map"' in read_regular(path):
            raise UsageError(
                f"{path} is the index of weights that are split over several files",
                "load the model in Python and save it as one file: "
                "torch.save(module.state_dict(), 'weights.pt')",
            )
        raise UsageError(f"{path} is JSON text, not weights", "give the file of weights itself")


def _ends_with(path: Path, end: bytes) -> bool:
    with opened_regular(path) as file:
        file.seek(max(0, path.stat().st_size - len(end)))
        return file.read() == end
