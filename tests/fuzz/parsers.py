"""Every parser of what others wrote: files, a runner's lines, adb's text, arguments.

Each gives a value or raises what it documents, whatever it is given, within bounded memory and
time. ``benchmarks/fuzz.py`` runs the same table for longer than ``test_parsers.py`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import torch

from asymm_deploy.bench import artifact, store, wire
from asymm_deploy.bench.cold.cold_rows import latest_cold_rows
from asymm_deploy.bench.cold.cold_store import cold_runs_of
from asymm_deploy.bench.cold.cold_stream import parse_cold_stream
from asymm_deploy.bench.emulated.count_file import CountFileError, parse_counts
from asymm_deploy.bench.emulated.counted_stream import parse_counted_stream
from asymm_deploy.bench.paired.pair_stream import parse_pair_stream
from asymm_deploy.bench.phone import cpufreq
from asymm_deploy.bench.phone.link import Link
from asymm_deploy.bench.phone.lock import Lock
from asymm_deploy.bench.phone.parse import (
    adb_output,
    dumpsys,
    proc,
    properties,
    sections,
    text_lines,
    toybox,
)
from asymm_deploy.bench.predicted.calibrations import SHIPPED, read_calibration, shipped_file
from asymm_deploy.bench.runner.__main__ import _parse as runner_arguments
from asymm_deploy.bench.runner.cores import RefusedError
from asymm_deploy.bench.runner.recorded import read_recorded
from asymm_deploy.bench.sustained.curves import curves_in
from asymm_deploy.bench.sustained.durations import duration_s
from asymm_deploy.bench.sustained.second_stream import SecondReader
from asymm_deploy.bench.sustained.sustained_rows import sustained_row
from asymm_deploy.check.baseline.baseline_file import read_baseline_file
from asymm_deploy.check.live.block_store import BlockStore
from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import DeployError
from asymm_deploy.export import manifest as manifests
from asymm_deploy.export.onnx_graph import load_onnx
from asymm_deploy.export.proof.samples import load_samples, shapes_in
from asymm_deploy.export.weights import key_names
from asymm_deploy.export.weights.load import load_into
from asymm_deploy.files import read_regular
from asymm_deploy.models import names, source
from asymm_deploy.models.input_shape import parse_input_shapes
from asymm_deploy.report.read import rows_in
from asymm_deploy.versioned import DamagedError, decode_json
from tests.fuzz import samples

_SPECS = (TensorSpec("x", (2, 3)), TensorSpec("n", (4,), "int64"))
_MARK = "4f1c9a"
_PHONE = "phones/sd855"


@dataclass(frozen=True)
class Parser:
    """One parser, and what it may raise."""

    name: str
    samples: Callable[[], Sequence[bytes]]
    """Whole ones, to be damaged."""
    call: Callable[[bytes, Path], object]
    """Gives it an example, and an empty folder for its file."""
    raises: tuple[type[BaseException], ...] = ()


def _file(
    name: str,
    read: Callable[[Path], object],
    in_file: str,
    *whole: Callable[[], bytes],
    raises: tuple[type[BaseException], ...] = (DeployError,),
) -> Parser:
    def call(example: bytes, folder: Path) -> object:
        (folder / in_file).write_bytes(example)
        return read(folder)

    return Parser(name, lambda: tuple(make() for make in whole), call, raises)


def _text(
    name: str,
    read: Callable[[str], object],
    *whole: str | Path,
    raises: tuple[type[BaseException], ...] = (),
) -> Parser:
    """A parser of text; what is not UTF-8 arrives as the link to a phone decodes it."""

    def made() -> Sequence[bytes]:
        return [
            samples.text_of(str(one)) if isinstance(one, Path) else one.encode() for one in whole
        ]

    return Parser(name, made, lambda raw, _: read(raw.decode("utf-8", "replace")), raises)


def _argument(name: str, read: Callable[[str], object], *whole: str) -> Parser:
    """A parser of an argument; what is not UTF-8 arrives as Python decodes a command line."""
    return Parser(
        name,
        lambda: [one.encode() for one in whole],
        lambda raw, _: read(raw.decode("utf-8", "surrogateescape")),
        (DeployError,),
    )


def _data(name: str) -> Callable[[], bytes]:
    return lambda: samples.text_of(f"fuzz/{name}")


def _read_manifest(folder: Path) -> object:
    into = folder / "net"
    into.mkdir(exist_ok=True)
    (folder / manifests.MANIFEST_NAME).replace(into / manifests.MANIFEST_NAME)
    return manifests.load_manifest(into)


def _export(folder: Path) -> Path:
    """Return the folder of an export whose manifest or reference.npz is the example."""
    into = folder / "net"
    into.mkdir(exist_ok=True)
    for name, whole in ((manifests.MANIFEST_NAME, _data("manifest.json")), ("reference.npz", _npz)):
        if (folder / name).exists():
            (folder / name).replace(into / name)
        else:
            (into / name).write_bytes(whole())
    return into


def _npz() -> bytes:
    return samples.npz(output_0=np.zeros((1, 10), np.float32))


@cache
def _layer() -> torch.nn.Module:
    return torch.nn.Linear(3, 2)


def _two_samples() -> bytes:
    return samples.npz(x=np.zeros((2, 2, 3), np.float32), n=np.zeros((2, 4), np.int64))


def _checkpoint() -> object:
    return {"epoch": 3, "state_dict": samples.weights(), "args": ("a", [1.5, None])}


class _Said:
    """In the place of a link: a phone whose answers about the lock are the example."""

    serial = "A1"

    def __init__(self, printed: bytes) -> None:
        self._printed = printed

    def run_sections(self, commands: dict[str, str]) -> dict[str, sections.Section]:
        return sections.named_sections(self._printed, _MARK, commands)


def _lock(printed: bytes, _: Path) -> object:
    lock = Lock(cast(Link, _Said(printed)), lambda _said: None)
    holder, _touched = lock._inspect()
    return None if holder is None else lock._is_gone(holder)


def _renamed(text: str) -> object:
    tensor = torch.zeros(1)
    given = dict.fromkeys(text.split("\n"), tensor)
    prefix = next(iter(given))
    wanted = {"first_block.0.weight": tensor, "fc.weight": tensor, "fc.bias": tensor}
    return [
        *key_names.renamings(given, wanted, is_mxnet=False),
        *key_names.renamings(given, wanted, is_mxnet=True),
        key_names.strip(given, prefix),
    ]


def _runner(raw: bytes, _: Path) -> object:
    return runner_arguments(raw.decode("utf-8", "surrogateescape").split("\n"))


def _seconds(raw: bytes, _: Path) -> object:
    reader = SecondReader(3)
    return [reader.feed(raw[: len(raw) // 2]), reader.feed(raw[len(raw) // 2 :]), reader.finish()]


def _cold_rows(at: Path) -> object:
    path = at / "cold.jsonl"
    return latest_cold_rows(cold_runs_of(read_regular(path), path).records)


def _curves(at: Path) -> object:
    path = at / "sustained.jsonl"
    curves, _torn = curves_in(read_regular(path), path)
    return [sustained_row(curve) for curve in curves]


_REQUEST = wire.request(
    model="m.mnn", engine="mnn", runs=10, warmup=1, threads=1, precision="fp32", cpus=(0, 1),
    inputs=("float32:1,3,8,8:x", "int64:4:n"), output_values=True, inputs_file="inputs.bin",
    module_outputs=("y", "-z"),
)  # fmt: skip
_OWNER = (
    f'{_MARK} there 0\n{{"token":"0123456789abcdef","host":"elsewhere","pid":1,"started":"1"}}\n'
    f"{_MARK} owner 0\n1664582400\n{_MARK} touched 0\n1664582405\n{_MARK} now 0\n"
)
_LISTED = """\
List of devices attached
99091FFAZ001AB         device usb:1-2 product:flame model:Pixel_4 device:flame transport_id:1
127.0.0.1:40555        offline transport_id:12
0123456789ABCDEF       no permissions (missing udev rules?) usb:1-1 transport_id:1
A1\tdevice
"""
_POWER = "  mWakefulness=Awake\nDisplay Power: state=ON\n"
_DF = """\
Filesystem     1K-blocks     Used Available Use% Mounted on
/dev/block/dm-5 52505580 21110272  31379096  41% /data
"""
_CLOCKS = {825600: 1200, 2841600: 231451}

PARSERS: tuple[Parser, ...] = (
    Parser(
        "JSON with a version",
        lambda: [samples.text_of("fuzz/manifest.json")],
        lambda raw, _: decode_json(raw, manifests.Manifest, 2, where="it", hint="another"),
        (DeployError, DamagedError),
    ),
    _file("runs.jsonl", lambda at: store.read_runs(at / "runs.jsonl"), "runs.jsonl",
          _data("runs.jsonl")),
    _file("rows of a report", rows_in, "runs.jsonl", _data("runs.jsonl")),
    _file("blocks.jsonl", BlockStore, "blocks.jsonl", _data("blocks.jsonl")),
    _file("manifest.json", _read_manifest, "manifest.json", _data("manifest.json"),
          raises=(DeployError, manifests.DamagedManifestError)),
    _file("baseline.json", read_baseline_file, "baseline.json", _data("baseline.json")),
    _file("a calibration", lambda at: read_calibration(at / "c.json", SHIPPED), "c.json",
          lambda: shipped_file().read_bytes()),
    _file("an export's manifest", lambda at: artifact.exported(_export(at), "mnn"),
          "manifest.json", _data("manifest.json")),
    _file("reference.npz", lambda at: artifact.exported(_export(at), "mnn"),
          "reference.npz", _npz),
    _file("inputs.bin", lambda at: read_recorded(str(at / "inputs.bin"), _SPECS), "inputs.bin",
          lambda: bytes(2 * 3 * 4 + 4 * 8), raises=(RefusedError,)),
    _file("samples.npz", lambda at: load_samples(at / "s.npz", _SPECS), "s.npz", _two_samples),
    _file("samples.npy", lambda at: load_samples(at / "s.npy", _SPECS[:1]), "s.npy",
          lambda: samples.npy(np.zeros((2, 3), np.float32)),
          lambda: samples.npy(np.zeros((5, 2, 3), ">f8"))),
    _file("shapes of samples", lambda at: shapes_in(at / "s.npz"), "s.npz", _two_samples,
          lambda: samples.npy(np.zeros(3, np.int8))),
    _file("weights.pt", lambda at: load_into(_layer(), at / "w.pt"), "w.pt",
          lambda: samples.torch_archive(samples.weights()),
          lambda: samples.torch_archive(_checkpoint())),
    _file("weights of old torch", lambda at: load_into(_layer(), at / "w.pth"), "w.pth",
          lambda: samples.torch_old_file(samples.weights()),
          lambda: samples.torch_old_file(_checkpoint())),
    _file("a pickle", lambda at: load_into(_layer(), at / "w.pkl"), "w.pkl",
          lambda: samples.pickled({"a": [1, (2.5, None)], "b": b"bytes"}, 2),
          lambda: samples.pickled({"a": {1, 2}, "b": bytearray(9)}, 5)),
    _file("weights.safetensors", lambda at: load_into(_layer(), at / "w.safetensors"),
          "w.safetensors", samples.safetensors),
    _file("weights.params", lambda at: load_into(_layer(), at / "w.params"), "w.params",
          samples.mxnet_params),
    _file("model.onnx", lambda at: load_onnx(at / "m.onnx"), "m.onnx", samples.onnx_graph),
    Parser("a runner's lines", lambda: [samples.text_of("fuzz/stream.jsonl")],
           lambda raw, _: wire.parse_stream(raw), (wire.WireError,)),
    Parser("a runner's pairs", lambda: [samples.text_of("fuzz/pairs.jsonl")],
           lambda raw, _: parse_pair_stream(raw), (wire.WireError,)),
    Parser("a runner's stages", lambda: [samples.cold_stream()],
           lambda raw, _: parse_cold_stream(raw), (wire.WireError,)),
    _file("cold.jsonl", _cold_rows, "cold.jsonl", samples.cold_lines),
    Parser("a runner's seconds", lambda: [samples.seconds_stream()], _seconds, (wire.WireError,)),
    _file("sustained.jsonl", _curves, "sustained.jsonl", samples.sustained_lines),
    _argument(
        "durations", lambda text: duration_s("--for", text, 0.001, 9999, "why"), "30m", "33.3ms"
    ),
    Parser("a counting runner's lines", lambda: [samples.text_of("fuzz/counted.jsonl")],
           lambda raw, _: parse_counted_stream(raw), (wire.WireError,)),
    Parser("the emulator's counts", lambda: [samples.text_of("fuzz/counts")],
           lambda raw, _: parse_counts(raw), (CountFileError,)),
    Parser("a runner's arguments", lambda: ["\n".join(_REQUEST).encode()], _runner,
           (RefusedError,)),
    Parser("the lock's owner", lambda: [_OWNER.encode()], _lock),
    _argument("--input-shape", lambda text: parse_input_shapes(text.split("\n")), "1,3,224,224",
              "ids=1,128:int64:0..999\nt=:float32", "x=2,2:float32:-1.5..1e3"),
    _argument("names of networks", names.parse, "asymmnet_large_035_r2_yolo3", "mobilenetv2_100",
              "resnet50_v1b_action"),
    _argument("what to export", source.resolve, "mbv3_small_100", "package.module:make",
              "/nowhere/model.onnx"),
    _text("names of weights", _renamed,
          "module.first_block.0.weight\nmodule.fc.weight\n_orig_mod.fc.bias"),
    _text("adb devices", adb_output.listed_phones, _LISTED),
    _text("adb connect", adb_output.connect_outcome, "connected to 127.0.0.1:40555\n",
          "failed to resolve host: 'x': Name or service not known"),
    _text("adb push", lambda text: (adb_output.push_failure(text, 0),
                                    adb_output.push_failure(text, 1)),
          "adb: error: failed to copy 'net.mnn' to '/x': Read-only file system",
          "net.mnn: 1 file pushed, 0 skipped. 35.5 MB/s (1048576 bytes in 0.028s)"),
    _text("adb's versions", lambda text: (adb_output.program_version(text),
                                          adb_output.server_version(text),
                                          adb_output.adbd_features(text)),
          "Android Debug Bridge version 1.0.41\n", "0029", "shell_v2,cmd,stat_v2"),
    _text("sections", lambda text: sections.split_sections(text, _MARK), _OWNER),
    _text("lines and numbers", lambda text: [*map(text_lines.number, text_lines.lines(text))],
          "2841600\r\n-1\n"),
    _text("dumpsys battery", dumpsys.battery, Path(f"{_PHONE}/battery.txt")),
    _text("dumpsys thermalservice",
          lambda text: (dumpsys.thermal_status(text), dumpsys.temperatures(text)),
          Path(f"{_PHONE}/thermalservice.txt")),
    _text("dumpsys power", dumpsys.screen_on, _POWER),
    _text("/proc/cpuinfo", proc.soc, Path(f"{_PHONE}/cpuinfo.txt")),
    _text("lists of cores", lambda text: (proc.cpu_list(text), proc.allowed_cpus(text)),
          "0-3,7", "0 1 2 3", "Cpus_allowed_list:\t0-7\n"),
    _text("getprop", properties.properties, Path("phones/pixel4/getprop.txt")),
    _text("settings get", properties.setting_value, "300000\n"),
    _text("df", toybox.free_kb, _DF),
    _text("sha256sum", toybox.digests, f"{'e3' * 32}  /data/net.mnn\n\\{'a0' * 32}  /data/a\\nb\n"),
    _text("cpufreq's clocks", lambda text: (cpufreq.khz(text), cpufreq.frequencies(text)),
          "2841600\n", Path(f"{_PHONE}/policy7_frequencies.txt")),
    _text("cpufreq's time_in_state",
          lambda text: cpufreq.share_at_top(_CLOCKS, cpufreq.time_in_state(text), 2841600),
          "825600 1200\n2841600 231551\n"),
    _text("cpufreq's policies", lambda text: cpufreq.best_core(cpufreq.policies(text), None),
          Path(f"{_PHONE}/policies.txt")),
)  # fmt: skip
