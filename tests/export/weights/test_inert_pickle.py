"""Nothing that a pickle names is ever run, whatever the pickle does with it."""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime
import enum
import functools
import importlib
import io
import operator
import pathlib
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from asymm_deploy.errors import UsageError
from asymm_deploy.export.weights import load_into
from asymm_deploy.export.weights.inert_pickle import RefusedGlobalError, read_pickle


class Calls:
    """An object whose pickle calls ``function`` when it is loaded."""

    def __init__(self, function: object, *arguments: object, state: object = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts

    def __call__(self) -> None:
        """Pickle wants to be sure that it can be called."""


def hostile(marker: Path, *, written: bool = True) -> dict[str, object]:
    """Objects whose pickles make ``marker`` when loaded by pickle."""
    shell = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    inner = pickle.dumps(Calls(eval, code))
    if written:
        (marker.parent / "inner.npy").write_bytes(_object_array(inner))
        (marker.parent / "inner.pt").write_bytes(inner)
    return {
        "os.system": Calls(importlib.import_module("posix").system, shell),
        "builtins.eval": Calls(eval, code),
        "builtins.exec": Calls(exec, code),
        "subprocess": Calls(subprocess.check_call, ["touch", str(marker)]),
        "functools.partial": Calls(Calls(functools.partial, eval, code)),
        "operator.methodcaller": Calls(Calls(operator.methodcaller, "touch"), marker),
        "importlib": Calls(
            Calls(getattr, Calls(importlib.import_module, "posix"), "system"), shell
        ),
        "getattr": Calls(Calls(getattr, marker, "touch")),
        "map": Calls(list, Calls(map, eval, [code])),
        "pickle.loads": Calls(pickle.loads, inner),
        "numpy.load": Calls(np.load, str(marker.parent / "inner.npy"), None, True),
        "torch.load": Calls(
            functools.partial(torch.load, str(marker.parent / "inner.pt"), weights_only=False)
        ),
        "setstate": Calls(argparse.Namespace, state={"__class__": Calls(eval, code)}),
        "in a dict": {"a": [Calls(eval, code)], Calls(eval, code): 1},
    }


def _object_array(inner: bytes) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([0]))
    head = file.getvalue().replace(b"'<i8'", b"'|O' ").split(b"\n")[0] + b"\n"
    return head + inner


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside weights"])
def test_hostile_objects_never_run(tmp_path: Path, protocol: int, beside: bool) -> None:
    marker = tmp_path / "marker"
    module = nn.Linear(2, 1)
    for name, harm in hostile(marker).items():
        path = tmp_path / "w.pt"
        content = {"state_dict": module.state_dict(), "x": harm} if beside else harm
        torch.save(content, path, pickle_protocol=max(protocol, 2))
        _load_anyhow(path)
        torch.save(content, path, _use_new_zipfile_serialization=False)
        _load_anyhow(path)
        if not beside:
            path.write_bytes(pickle.dumps(harm, protocol=protocol))
            _load_anyhow(path)
        assert not marker.exists(), name


def _load_anyhow(path: Path) -> None:
    """Load; a refusal is as good as weights, as long as nothing runs and nothing else is raised."""
    with contextlib.suppress(UsageError):
        load_into(nn.Linear(2, 1), path)


@pytest.mark.parametrize("name", sorted(hostile(Path("/nowhere/marker"), written=False)))
def test_each_of_them_does_harm_where_nothing_guards(tmp_path: Path, name: str) -> None:
    marker = tmp_path / "marker"
    harm = pickle.dumps(hostile(marker)[name])
    with contextlib.suppress(Exception):  # after the harm
        pickle.loads(harm)
    assert marker.exists()


@pytest.mark.parametrize(
    "name",
    [
        "posix system", "nt system", "os system", "builtins eval", "__builtin__ eval",
        "subprocess Popen", "importlib import_module", "functools partial", "operator attrgetter",
        "torch load", "torch.hub load", "torch.storage _load_from_bytes", "numpy load",
        "numpy.f2py.crackfortran myeval", "sys exit", "pickle loads", "copyreg add_extension",
        "asymm_deploy.files write_whole", "torch._utils _import_dotted_name", "os.path join",
    ],
)  # fmt: skip
def test_what_no_checkpoint_needs_is_refused_by_name(name: str) -> None:
    with pytest.raises(RefusedGlobalError):
        read_pickle(io.BytesIO(f"c{name.replace(' ', chr(10))}\n.".encode()))


class Colour(enum.Enum):
    RED = 1


class Settings(dict[str, int]):
    """A class of the user's own, as easydict and others make."""


def beside() -> dict[str, object]:
    return {
        "args": argparse.Namespace(lr=0.1, path=pathlib.Path("x"), nested={"a": [1]}),
        "best": np.float64(0.7),
        "best32": np.float32(0.5),
        "array": np.arange(6).reshape(2, 3),
        "path": pathlib.PurePosixPath("/a/b"),
        "when": datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC),
        "counts": collections.defaultdict(list, {"a": [1]}),
        "counter": collections.Counter("aab"),
        "queue": collections.deque([1, 2], maxlen=3),
        "ordered": collections.OrderedDict(a=1),
        "colour": Colour.RED,
        "colours": {Colour.RED: 1},
        "settings": Settings(a=1),
        "device": torch.device("cpu"),
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "set": {1, 2},
        "frozen": frozenset({1}),
        "bytes": b"abc",
        "complex": 1 + 2j,
        "range": range(3),
        "loss": nn.CrossEntropyLoss(weight=torch.ones(3)),
        "generator": torch.get_rng_state(),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "old file"])
def test_what_training_scripts_keep_beside_the_tensors_is_skipped(
    tmp_path: Path, protocol: int, zipped: bool
) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    content = {**beside(), "state_dict": source.state_dict()}
    torch.save(
        content,
        tmp_path / "w.ckpt",
        pickle_protocol=protocol,
        _use_new_zipfile_serialization=zipped,
    )
    notes = load_into(target, tmp_path / "w.ckpt")
    assert torch.equal(target.weight, source.weight)
    assert notes[0] == "weights: taken from 'state_dict'"
    assert "objects in the file were skipped" in notes[1]
    assert "Settings" in notes[1]


def test_a_state_dict_in_a_dict_of_another_class_is_found(tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    weights: dict[str, Any] = collections.defaultdict(list)
    weights.update(source.state_dict())
    torch.save({"model": weights}, tmp_path / "w.pt")
    load_into(target, tmp_path / "w.pt")
    assert torch.equal(target.weight, source.weight)


def test_an_optimiser_and_its_scheduler_are_skipped(tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    optimiser = torch.optim.Adam(source.parameters())
    source(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    content = {
        "net": source.state_dict(),
        "optimizer": optimiser.state_dict(),
        "whole optimizer": optimiser,
    }
    torch.save(content, tmp_path / "w.pt")
    load_into(target, tmp_path / "w.pt")
    assert torch.equal(target.weight, source.weight)


def test_objects_get_no_state_and_nothing_is_imported() -> None:
    before = set(sys.modules)
    found = read_pickle(io.BytesIO(b"\x80\x02ctheir.code\nThing\n)\x81}U\x01aK\x01sb."))
    assert found.left_aside == ("their.code.Thing",)
    assert set(sys.modules) == before
    assert not hasattr(found.content, "a")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x80\x02]r\xff\xff\xff\x7f.",  # remembers the 2,147,483,647th object
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x02(U\x07storageK\x01tQ.",
        b"\x80\x02K\x01Q.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x00.",  # a bytearray of 2**56
        b"\x80\x02}}K\x01s.",
        b"\x80\x02X\xff\xff\xff\x7fa.",
    ],
)
def test_pickles_that_promise_too_much_end_in_a_refusal(tmp_path: Path, raw: bytes) -> None:
    plain, zipped = tmp_path / "w.pt", tmp_path / "z.pt"
    plain.write_bytes(raw)
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", raw)
    for path in (plain, zipped):
        with pytest.raises(UsageError):
            load_into(nn.Linear(1, 1), path)


@pytest.mark.parametrize(
    ("count", "offset", "shape", "stride"),
    [
        (2**40, 0, (2, 3), (3, 1)),
        (6, 10**9, (2, 3), (3, 1)),
        (6, 0, (2, 3), (10**12, 1)),
        (6, 1, (2, 3), (3, 1)),
        (6, 0, (10**12, 10**6), (0, 0)),
        (6, -1, (2, 3), (3, 1)),
        (6, 0, (2, 3), (-3, 1)),
        (6, 0, (2, -3), (3, 1)),
        (6, 0, (2, 3), (3,)),
        (6, 0, "23", "31"),
        (True, 0, (2, 3), (3, 1)),
    ],
)
def test_a_tensor_beyond_its_data_is_never_read(
    tmp_path: Path, count: int, offset: int, shape: Any, stride: Any
) -> None:
    class Tensor:
        def __reduce__(self) -> Any:
            arguments: Any = (Storage(), offset, shape, stride, False, collections.OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Storage: ...

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> Any:
            if isinstance(obj, Storage):
                return ("storage", torch.FloatStorage, "0", "cpu", count)
            return None

    file = io.BytesIO()
    Pickler(file, protocol=2).dump({"weight": Tensor(), "bias": Tensor()})
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", file.getvalue())
        archive.writestr("archive/data/0", bytes(24))
    with pytest.raises(UsageError):
        load_into(nn.Linear(3, 2), path)


@pytest.mark.parametrize("protocol", [2, 4])
def test_types_beside_weights_are_no_code(tmp_path: Path, protocol: int) -> None:
    module = nn.Linear(2, 1)
    counts = collections.defaultdict(int, {"steps": 3})
    beside = {"counts": counts, "text": str, "types": [int, float, bool, bytes, range, set, object]}
    torch.save(
        {"model": module.state_dict(), **beside}, tmp_path / "w.pt", pickle_protocol=protocol
    )
    notes = load_into(nn.Linear(2, 1), tmp_path / "w.pt")
    assert notes == ["weights: taken from 'model'"]


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_name_that_python_2_had_for_it_is_refused_as_well(protocol: int) -> None:
    harm = pickle.dumps(Calls(subprocess.Popen, ["true"]), protocol=protocol)
    with pytest.raises(RefusedGlobalError, match=r"subprocess\.Popen"):
        read_pickle(io.BytesIO(harm))


def doubled(times: int) -> bytes:
    """Opcodes that make a tuple of twice the same tuple, and so on."""
    return b")q\x00" + b"".join(b"h%c\x86q%c" % (i, i + 1) for i in range(times))


BOMBS = {
    "key of a dict": b"\x80\x02}" + doubled(60) + b"K\x01s.",
    "element of a set": b"\x80\x04\x8f(" + doubled(60) + b"\x90.",
    "element of a frozenset": b"\x80\x04(" + doubled(60) + b"\x91.",
    "deep key": b"\x80\x02})" + b"\x85" * 300_000 + b"K\x01s.",
    "bytes that are not there": b"\x80\x05\x96" + (2**36).to_bytes(8, "little") + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_costs_neither_hours_nor_memory(name: str) -> None:
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        read_pickle(io.BytesIO(BOMBS[name]))


def test_tuples_as_checkpoints_have_them_are_read() -> None:
    content = {"best": (("a", (1, 2)), tuple((i, (i, i)) for i in range(20_000)))}
    assert read_pickle(io.BytesIO(pickle.dumps(content, protocol=2))).content == content
