"""Whole samples of the files and texts that parsers read; small, and made without any model."""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import msgspec
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save

from asymm_deploy.bench.records import LaunchRecord
from asymm_deploy.bench.sustained.curves import lines_of_curves
from tests.made_cold import cold_record, memory_record
from tests.made_curves import made_curve, made_loop, made_reading

_DATA = Path(__file__).parents[1] / "data"


def text_of(name: str) -> bytes:
    """Return a file of tests/data: a journal, a manifest, or what a phone printed."""
    return (_DATA / name).read_bytes()


def npz(**arrays: object) -> bytes:
    into = io.BytesIO()
    np.savez(into, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return into.getvalue()


def npy(array: object) -> bytes:
    into = io.BytesIO()
    np.save(into, np.asarray(array))
    return into.getvalue()


def weights() -> OrderedDict[str, torch.Tensor]:
    return OrderedDict(
        {
            "weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
            "bias": torch.zeros(2),
        }
    )


def torch_archive(content: object) -> bytes:
    into = io.BytesIO()
    torch.save(content, into)
    return into.getvalue()


def torch_old_file(content: object) -> bytes:
    into = io.BytesIO()
    torch.save(content, into, _use_new_zipfile_serialization=False)
    return into.getvalue()


def safetensors() -> bytes:
    raw: bytes = save(dict(weights()))
    return raw


def pickled(content: object, protocol: int) -> bytes:
    return pickle.dumps(content, protocol)


def mxnet_params() -> bytes:
    """Two arrays of MXNet's second dense layout, and their names."""
    raw = struct.pack("<QQQ", 0x112, 0, 2)
    for shape in ((2, 3), (2,)):
        raw += struct.pack("<IiI", 0xF993FAC9, 0, len(shape)) + struct.pack(
            f"<{len(shape)}q", *shape
        )
        raw += struct.pack("<iii", 1, 0, 0) + np.zeros(shape, "<f4").tobytes()
    raw += struct.pack("<Q", 2)
    for name in (b"arg:weight", b"bias"):
        raw += struct.pack("<Q", len(name)) + name
    return raw


def onnx_graph() -> bytes:
    """One convolution and an activation, with its weights inside."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, (2, 1, 3, 3), [0.1] * 18)
    raw: bytes = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
                helper.make_node("Relu", ["c"], ["y"]),
            ],
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 4, 4))],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 2, 4, 4))],
            [weight],
        ),
        opset_imports=[onnx.OperatorSetIdProto(domain="", version=17)],
        ir_version=8,
    ).SerializeToString()
    return raw


_STAGES = (
    b'{"type":"stages","engine_ns":null,"read_ns":2100000,"create_ns":31000000,"first_ns":14200000,'
    b'"second_ns":9800000,"read_cpu_ns":900000,"create_cpu_ns":30900000,"first_cpu_ns":14100000,'
    b'"second_cpu_ns":9790000,"wall_ns":57300000,"cpu_ns":55900000,"waited_ns":0,"steal_ns":null,'
    b'"core":7,"pages":1521,"resident":0,"major_faults":0}\n'
)


def cold_stream() -> bytes:
    """What a runner prints that starts a model cold."""
    lines = text_of("fuzz/stream.jsonl").splitlines(keepends=True)
    return b"".join([*lines[:2], _STAGES, *lines[2:]])


def cold_lines() -> bytes:
    """A cold.jsonl with a launch that timed, and one that read the memory."""
    first = text_of("fuzz/runs.jsonl").splitlines()[0]
    launch = msgspec.structs.replace(
        msgspec.json.decode(first, type=LaunchRecord), process_ns=10**10, error=None
    )
    made = (cold_record(launch), memory_record(launch))
    return b"".join(msgspec.json.encode(record) + b"\n" for record in made)


def seconds_stream() -> bytes:
    """What a runner prints that goes on for three seconds."""
    made = made_curve([19.0, 19.0, 20.0])
    loop = made_loop(made)
    lines = text_of("fuzz/stream.jsonl").splitlines(keepends=True)
    told = [line for line in lines if b'"samples"' not in line]
    encoded = [msgspec.json.encode(each) + b"\n" for each in (*made.seconds, loop)]
    done = msgspec.json.encode({"type": "done", "count": loop.runs}) + b"\n"
    return b"".join([*told[:2], *encoded[:3], *told[2:4], encoded[3], told[4], done])


def sustained_lines() -> bytes:
    """A sustained.jsonl with one launch."""
    return lines_of_curves([made_curve([20.0, 20.0, 21.0], [made_reading(), None, None])])
