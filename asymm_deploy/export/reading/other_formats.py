"""Files that people take for weights or for an ONNX graph: what they are, and what to do."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from asymm_deploy.errors import UsageError
from asymm_deploy.files import opened_regular, read_regular

GivenAs: TypeAlias = Literal["weights", "graph"]
"""What a file was given as."""
Advice: TypeAlias = Literal[
    "again",
    "array",
    "arrays",
    "convert",
    "download",
    "graph",
    "objects",
    "program",
    "pull",
    "script",
    "split",
    "stored",
    "unpack",
    "weights",
    "wrong",
]
"""What there is to do about a file; ``hint_for`` has the words."""


@dataclass(frozen=True, slots=True)
class OtherFormat:
    """What a file is, and which advice there is for it."""

    what: str
    """As in ``FILE is WHAT``."""
    advice: Advice


_SAVE = "torch.save(module.state_dict(), 'weights.pt')"
_OF_WEIGHTS: Mapping[Advice, str] = {
    "again": "copy or save it again",
    "pull": "get it: git lfs pull",
    "unpack": "unpack it, and give the file of weights that is in it",
    "download": "download it again, with the link to the file itself",
    "convert": "load it in the framework that wrote it, copy the arrays into the module, and save "
    f"that: {_SAVE}",
    "array": "give all arrays of the model by name: save a dict of tensors with torch.save",
    "objects": "if it is a dict of arrays, make tensors of them and save those: torch.save("
    "{name: torch.as_tensor(array) for name, array in numpy.load(path, allow_pickle=True).item()"
    ".items()}, 'weights.pt')",
    "arrays": "make tensors of them and save those: torch.save({name: torch.as_tensor(array) for "
    "name, array in numpy.load(path).items()}, 'weights.pt')",
    "wrong": "give a file of weights",
    "script": "save its weights: torch.save(torch.jit.load(path).state_dict(), 'weights.pt')",
    "program": "save its weights: torch.save(torch.export.load(path).state_dict, 'weights.pt')",
    "stored": "unpack and load it in Python, then write it again with torch.save",
    "split": f"load the model in Python and save it as one file: {_SAVE}",
    "graph": "give it as the model itself; it has its weights in it",
}
_FROM_PYTHON = "write a function in a file nets.py that returns"
_OF_GRAPHS: Mapping[Advice, str] = {
    **_OF_WEIGHTS,
    "unpack": "unpack it, and give the .onnx file that is in it",
    "convert": "convert it to ONNX, as tf2onnx does for Keras and TensorFlow Lite, and give that",
    "array": "give the .onnx file; a model's own inputs go in with --inputs FILE.npz",
    "objects": "give the .onnx file, or for weights the network that they are of: NAME --weights "
    "FILE",
    "arrays": "give the .onnx file; a model's own inputs go in with --inputs FILE.npz",
    "wrong": "give an .onnx file",
    "script": f"{_FROM_PYTHON} torch.jit.load(path), and give nets:FUNCTION --input-shape SHAPE",
    "program": f"{_FROM_PYTHON} torch.export.load(path).module(), and give nets:FUNCTION "
    "--input-shape SHAPE",
    "weights": "give the network or callable that they are of, and them as its weights: "
    "NAME --weights FILE",
    "split": "give the .onnx file itself",
    "stored": "unpack it, and give the .onnx file that is in it",
}

# What a file has at a place near its beginning, what it is, and what to do.
# fmt: off
_MARKS: tuple[tuple[int, bytes, str, Advice], ...] = (
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file", "pull"),
    (0, b"\x89HDF\r\n\x1a\n",       "an HDF5 file, as Keras writes", "convert"),
    (0, b"\x1f\x8b",                "compressed with gzip", "unpack"),
    (0, b"BZh",                     "compressed with bzip2", "unpack"),
    (0, b"\xfd7zXZ",                "compressed with xz", "unpack"),
    (0, b"\x28\xb5\x2f\xfd",        "compressed with zstd", "unpack"),
    (0, b"7z\xbc\xaf",              "a 7-Zip archive", "unpack"),
    (0, b"Rar!",                    "a RAR archive", "unpack"),
    (257, b"ustar",                 "a tar archive, not one file", "unpack"),
    (0, b"GGUF",                    "a GGUF file, with weights of llama.cpp", "convert"),
    (4, b"TFL3",                    "a TensorFlow Lite model", "convert"),
    (4, b"ORTM",                    "in ONNX Runtime's own format (.ort)", "wrong"),
    (0, b"\x7fELF",                 "a program", "wrong"),
    (0, b"%PDF",                    "a PDF document", "wrong"),
    (0, b"\x89PNG",                 "a picture", "wrong"),
    (0, b"\xff\xd8\xff",            "a picture", "wrong"),
)
# fmt: on
_HEAD = 512
_ONNX_SECOND_TAGS = b"\x12\x1a\x22\x2a\x32\x3a\x42"
"""What follows ONNX's version: the tags of the other fields of a ModelProto."""
_LEVELDB_END = bytes.fromhex("57fb808b247547db")
"""What the index of a TensorFlow checkpoint ends with."""
_LARGEST_SAFETENSORS_HEADER = 100_000_000  # the format's own limit


def hint_for(advice: Advice, wanted: GivenAs) -> str:
    """Return what to do about a file that was given as ``wanted``."""
    return (_OF_WEIGHTS if wanted == "weights" else _OF_GRAPHS)[advice]


def refuse_other_formats(path: Path, wanted: GivenAs) -> None:
    """Raise UsageError, saying what the file is, if it is of a format that is not ``wanted``.

    Raises OSError if it can't be read.
    """
    found = other_format(path)
    if found is not None and found.advice != wanted:
        raise UsageError(f"{path} is {found.what}", hint_for(found.advice, wanted))


def other_format(path: Path) -> OtherFormat | None:
    """Return what a file is by its content; None if nobody here knows it.

    Raises OSError if it can't be read.
    """
    with opened_regular(path) as file:
        head = file.read(_HEAD)
    if not head:
        return OtherFormat("empty", "again")
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    marked = (
        OtherFormat(what, advice)
        for place, mark, what, advice in _MARKS
        if head[place:].startswith(mark)
    )
    return next(marked, None) or _arrays(head) or _text(path, head) or _part_of_tensorflow(path)


def _arrays(head: bytes) -> OtherFormat | None:
    if head.startswith(b"\x93NUMPY"):
        if b"'|O'" in head.partition(b"\n")[0]:
            return OtherFormat("Python objects in a NumPy file (.npy)", "objects")
        return OtherFormat("a single NumPy array (.npy)", "array")
    if begins_as_safetensors(head):
        return OtherFormat("a .safetensors file, with weights alone", "weights")
    if head[:1] == b"\x80" and b"\x02" <= head[1:2] <= b"\x05":
        return OtherFormat("a pickle, as Python and torch.save before 1.6 write", "weights")
    if head[:1] == b"\x08" and head[2:3] and head[2:3] in _ONNX_SECOND_TAGS:
        return OtherFormat("an ONNX model", "graph")
    return None


def begins_as_safetensors(head: bytes) -> bool:
    """Return whether the length of a header comes first, and then JSON."""
    length = int.from_bytes(head[:8], "little")
    return head[8:9] == b"{" and length <= _LARGEST_SAFETENSORS_HEADER


def _archive(path: Path) -> OtherFormat:
    try:
        with opened_regular(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError, EOFError):
        return OtherFormat("a zip archive that is cut short or damaged", "again")
    is_stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    found = archive_format([entry.filename for entry in entries], is_stored=is_stored)
    return found or OtherFormat("a file of torch.save, with weights or a module", "weights")


def archive_format(names: Collection[str], *, is_stored: bool) -> OtherFormat | None:
    """Return what a zip archive with entries of these names is; None if torch.save wrote it."""
    roots = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(roots) != 1:
        return _archive_of_others(list(names))
    code = (f"{roots[0]}constants.pkl", f"{roots[0]}code/")
    if any(name.startswith(code) for name in names):
        return OtherFormat("a TorchScript program (torch.jit.save)", "script")
    if not is_stored:
        return OtherFormat("an archive that was compressed after torch.save wrote it", "stored")
    return None


def _archive_of_others(names: list[str]) -> OtherFormat:
    if names and all(name.endswith(".npy") for name in names):
        return OtherFormat("an archive of NumPy arrays (.npz)", "arrays")
    if any(name.endswith("archive_format") for name in names):
        return OtherFormat("an exported program (torch.export.save)", "program")
    if any(name.endswith(".h5") for name in names):
        return OtherFormat("a Keras archive", "convert")
    if not names:
        return OtherFormat("a zip archive with nothing in it", "again")
    return OtherFormat(f"a zip archive (it holds {', '.join(names[:3])})", "unpack")


def _text(path: Path, head: bytes) -> OtherFormat | None:
    begun = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if begun.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<!--")):
        return OtherFormat("a web page, saved in place of the file", "download")
    if begun.startswith((b"{", b"[")):
        if b'"weight_map"' in read_regular(path):
            return OtherFormat("the index of weights that are split over several files", "split")
        return OtherFormat("JSON text", "wrong")
    return None


def _part_of_tensorflow(path: Path) -> OtherFormat | None:
    with opened_regular(path) as file:
        file.seek(max(0, path.stat().st_size - len(_LEVELDB_END)))
        is_index = file.read() == _LEVELDB_END
    if is_index or path.suffix == ".index" or ".data-0" in path.name:
        return OtherFormat("part of a TensorFlow checkpoint", "convert")
    return None
