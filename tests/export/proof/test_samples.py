"""The user's own inputs are taken as they are, or refused with what is wrong and where."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.engines.tensors import Arrays, TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export.proof.samples import (
    completed_by_samples,
    load_samples,
    shaped_by_samples,
    shapes_in,
)
from asymm_deploy.models.input_shape import InputShape, parse_input_shapes
from asymm_deploy.models.source import OnnxFile

X = TensorSpec("x", (2, 3))
IDS = TensorSpec("ids", (1, 4), "int64")
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write arrays as np.savez does, with names or by position."""

    def write(*unnamed: Any, **named: Any) -> Path:
        np.savez(tmp_path / "s.npz", *unnamed, **named)
        return tmp_path / "s.npz"

    return write


def refused(path: Path, *specs: TensorSpec) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_samples(path, specs)
    assert str(path) in caught.value.what
    assert "\n" not in caught.value.what + caught.value.hint
    return caught.value


def ones(*shape: int, dtype: str = "float32") -> Any:
    return np.ones(shape, dtype)


def test_an_array_of_the_inputs_shape_is_one_sample(save: Save) -> None:
    x, ids = np.arange(6, dtype=np.float32).reshape(2, 3), np.arange(4).reshape(1, 4)
    (sample,) = load_samples(save(ids=ids, x=x), [X, IDS])
    assert list(sample) == ["x", "ids"]
    np.testing.assert_array_equal(sample["x"], x)
    np.testing.assert_array_equal(sample["ids"], ids)


def test_samples_lie_along_an_axis_in_front(save: Save) -> None:
    x = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    found = load_samples(save(x=x), [X])
    assert len(found) == 3
    for one, expected in zip(found, x, strict=True):
        np.testing.assert_array_equal(one["x"], expected)


def test_an_array_of_the_inputs_own_shape_stands_in_every_sample(save: Save) -> None:
    found = load_samples(save(x=ones(3, 2, 3), ids=ones(1, 4, dtype="int64")), [X, IDS])
    assert len(found) == 3
    assert all(sample["ids"].shape == (1, 4) for sample in found)


def test_samples_of_a_scalar_are_arrays_without_axes(save: Save) -> None:
    spec = TensorSpec("t", (), "float32")
    (one,) = load_samples(save(t=np.float32(4)), [spec])
    assert (one["t"].shape, one["t"].item()) == ((), 4)
    found = load_samples(save(t=np.array([1, 2, 3], np.float32)), [spec])
    assert [sample["t"].item() for sample in found] == [1, 2, 3]
    assert all(isinstance(s["t"], np.ndarray) and s["t"].shape == () for s in found)


def test_what_is_loaded_is_in_row_major_order_in_this_machines_bytes(save: Save) -> None:
    x = np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3))
    for array in (x, np.stack([x, x])):
        for sample in load_samples(save(x=array), [X]):
            assert sample["x"].flags.c_contiguous
            assert sample["x"].dtype.isnative
            np.testing.assert_array_equal(sample["x"], x)


@pytest.mark.parametrize("name", ["x", "image", "arr_0", "a/b:0"])
def test_the_only_array_of_a_single_input_has_any_name(save: Save, name: str) -> None:
    (sample,) = load_samples(save(**{name: ones(2, 3)}), [X])
    assert list(sample) == ["x"]
    (sample,) = load_samples(save(ones(2, 3)), [X])
    assert list(sample) == ["x"]


def test_a_single_input_may_be_an_npy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ones(4, 2, 3))
    assert len(load_samples(tmp_path / "x.npy", [X])) == 4
    error = refused(tmp_path / "x.npy", X, IDS)
    assert "has the arrays array, and the model has the inputs ids, x" in error.what


def test_a_file_that_python_2_wrote_is_read_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ones(4, 2, 3))
    raw = (tmp_path / "x.npy").read_bytes()
    assert b"(4, 2, 3), } " in raw
    (tmp_path / "x.npy").write_bytes(raw.replace(b"(4, 2, 3), } ", b"(4L, 2, 3), }"))
    assert len(load_samples(tmp_path / "x.npy", [X])) == 4


def test_compressed_arrays_are_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "s.npz", x=ones(2, 3))
    assert len(load_samples(tmp_path / "s.npz", [X])) == 1


@pytest.mark.parametrize(
    ("names", "held"),
    [
        (["x"], "x"),
        (["x", "ids", "z"], "ids, x, z"),
        (["x", "idx"], "idx, x"),
        ([], "none"),
    ],
)
def test_arrays_that_are_not_the_inputs_are_listed_beside_them(
    save: Save, names: list[str], held: str
) -> None:
    error = refused(save(**{name: ones(2, 3) for name in names}), X, IDS)
    assert f"has the arrays {held}, and the model has the inputs ids, x" in error.what
    assert "np.savez" in error.hint


def test_unnamed_arrays_are_not_guessed_where_there_are_several_inputs(save: Save) -> None:
    error = refused(save(ones(2, 3), ones(1, 4, dtype="int64")), X, IDS)
    assert "arr_0, arr_1" in error.what


@pytest.mark.parametrize("shape", [(3, 2), (2,), (2, 3, 1), (5, 5, 2, 3), (), (6,), (2, 4)])
def test_another_shape_is_refused_with_both(save: Save, shape: tuple[int, ...]) -> None:
    error = refused(save(x=ones(*shape)), X)
    assert "and the input [2, 3]" in error.what


def test_a_batch_is_told_from_samples_and_shown_as_them(save: Save) -> None:
    error = refused(save(x=ones(5, 3, 8, 8)), TensorSpec("x", (1, 3, 8, 8)))
    assert "x has shape [5, 3, 8, 8], and the input [1, 3, 8, 8]" in error.what
    assert "x[:, None] has shape [5, 1, 3, 8, 8]" in error.hint


def test_no_sample_at_all_is_refused(save: Save) -> None:
    assert "holds no sample of x" in refused(save(x=ones(0, 2, 3)), X).what


def test_every_input_has_as_many_samples(save: Save) -> None:
    error = refused(save(x=ones(3, 2, 3), ids=ones(2, 1, 4, dtype="int64")), X, IDS)
    assert "has 3 of x, 2 of ids" in error.what


@pytest.mark.parametrize(
    ("held", "wanted", "values"),
    [
        ("float64", "float32", [0.1, -2.5]),
        ("float32", "float16", [0.1, 65504]),
        ("float16", "float64", [0.5, 1]),
        ("int64", "int32", [-(2**31), 2**31 - 1]),
        ("int32", "int64", [-1, 5]),
        ("int64", "uint8", [0, 255]),
        ("uint64", "int64", [0, 2**63 - 1]),
        ("uint8", "float32", [0, 255]),
        ("int64", "float32", [-(2**24), 2**24]),
        ("bool", "uint8", [False, True]),
        ("bool", "int64", [False, True]),
        ("bool", "float32", [False, True]),
        ("uint8", "bool", [0, 1]),
        ("int64", "bool", [0, 1]),
    ],
)
def test_a_type_is_changed_where_no_value_is(
    save: Save, held: str, wanted: str, values: list[Any]
) -> None:
    array = np.array(values, held)
    (sample,) = load_samples(save(v=array), [TensorSpec("v", (2,), wanted)])
    assert sample["v"].dtype == wanted
    np.testing.assert_allclose(sample["v"].astype("float64"), array.astype("float64"), rtol=1e-3)


@pytest.mark.parametrize(
    ("held", "wanted", "value"),
    [
        ("int64", "int32", 2**31),
        ("int64", "int32", -(2**31) - 1),
        ("int64", "uint8", 256),
        ("int64", "uint8", -1),
        ("int8", "uint8", -1),
        ("int64", "uint64", -1),
        ("uint64", "int64", 2**63),
        ("uint8", "int8", 128),
        ("uint8", "bool", 2),
        ("int64", "bool", -1),
        ("int64", "float32", 2**24 + 1),
        ("float32", "float16", 70000),
        ("float64", "float32", 1e39),
    ],
)
def test_a_value_that_the_inputs_type_can_not_hold_is_named(
    save: Save, held: str, wanted: str, value: float
) -> None:
    error = refused(save(v=np.array([0, value], held)), TensorSpec("v", (2,), wanted))
    assert f"v holds {np.array(value, held)} at [1], which its type, {wanted}, can't hold" in (
        error.what
    )


@pytest.mark.parametrize("wanted", ["int64", "uint8", "bool"])
def test_floats_are_never_rounded_to_integers(save: Save, wanted: str) -> None:
    error = refused(save(v=np.array([1.0, 0.0])), TensorSpec("v", (2,), wanted))
    assert f"v has type float64, and the input takes {wanted}" in error.what
    assert f"array.astype('{wanted}')" in error.hint


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_an_error_that_names_the_sample(
    save: Save, value: float
) -> None:
    x = ones(4, 2, 3)
    x[2, 1, 0] = value
    error = refused(save(x=x), X)
    assert f"x holds {value} (in sample 2, at [2, 1, 0])" in error.what
    assert f"x holds {value} (at [1, 0])" in refused(save(x=x[2]), X).what


@pytest.mark.parametrize(
    "array", [np.array(["a", "b"]), np.array([1 + 2j, 0]), np.array(["2020-01-01"], "M8[D]")]
)
def test_a_type_that_no_input_has_is_refused(save: Save, array: Any) -> None:
    assert f"x has type {array.dtype.name}, which no input has" in refused(save(x=array), X).what


RAN: list[int] = []


class Hostile:
    """A pickle that runs code when it is loaded."""

    def __reduce__(self) -> Any:
        return RAN.append, (1,)


def test_python_objects_are_refused_and_run_nothing(tmp_path: Path) -> None:
    objects = np.array([Hostile()], object)
    np.savez(tmp_path / "s.npz", x=objects)
    np.save(tmp_path / "s.npy", objects)
    (tmp_path / "s.pkl").write_bytes(pickle.dumps(Hostile()))
    assert "x holds Python objects" in refused(tmp_path / "s.npz", X).what
    assert "array holds Python objects" in refused(tmp_path / "s.npy", X).what
    assert "is no .npz file" in refused(tmp_path / "s.pkl", X).what
    for name in ("s.npz", "s.npy", "s.pkl"):
        with pytest.raises(UsageError):
            shapes_in(tmp_path / name)
    assert RAN == []


@pytest.mark.parametrize("content", [b"", b"PK", b"x,y\n1,2\n", b"\x93NUMPY", b"\x89PNG"])
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.npz").write_bytes(content)
    assert refused(tmp_path / "s.npz", X)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "none.npz", X).what
    assert "it is a folder, not a file" in refused(tmp_path, X).what


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert "is damaged" in refused(tmp_path / "s.npz", X).what


@given(st.data())
def test_a_damaged_file_is_refused_and_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = io.BytesIO()
    np.savez(whole, x=np.arange(6, dtype=np.float32).reshape(2, 3))
    raw = bytearray(whole.getvalue())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(raw)
    with suppress(UsageError):
        assert all(sample["x"].shape == (2, 3) for sample in load_samples(path, [X]))
    with suppress(UsageError):
        shapes_in(path)


def test_an_array_that_claims_more_than_memory_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "s.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (2**40,)}
        np.lib.format.write_array_header_1_0(file, header)
    assert "larger than 8 GiB" in refused(tmp_path / "s.npy", X).what


def test_shapes_are_read_without_the_values(save: Save, tmp_path: Path) -> None:
    assert shapes_in(save(x=ones(3, 2, 3), ids=ones(1, 4, dtype="int64"), t=np.float64(1))) == {
        "x": ((3, 2, 3), "float32"),
        "ids": ((1, 4), "int64"),
        "t": ((), "float64"),
    }
    np.save(tmp_path / "x.npy", ones(4, dtype="bool"))
    assert shapes_in(tmp_path / "x.npy") == {"array": ((4,), "bool")}


# a callable's inputs


def test_without_shapes_each_array_is_one_sample_of_an_argument(save: Save) -> None:
    path = save(ids=ones(1, 4, dtype="int64"), image=ones(1, 3, 8, 8, dtype="float64"))
    assert completed_by_samples((), path) == (
        InputShape("ids", (1, 4), "int64"),
        InputShape("image", (1, 3, 8, 8), "float32"),  # numpy's own default is no wish
    )


def test_one_array_without_a_name_is_the_only_argument(save: Save, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ones(1, 4, dtype="uint8"))
    expected = (InputShape(None, (1, 4), "uint8"),)
    assert completed_by_samples((), save(ones(1, 4, dtype="uint8"))) == expected
    assert completed_by_samples((), tmp_path / "x.npy") == expected
    with pytest.raises(UsageError, match="doesn't say which inputs arr_0, arr_1 are for"):
        completed_by_samples((), save(ones(1), ones(1)))


def test_a_type_that_was_not_given_is_the_arrays(save: Save) -> None:
    shapes = parse_input_shapes(["ids=1,4", "x=2,3:float64", "mask=1,4:bool", "other=5"])
    path = save(ids=ones(7, 1, 4, dtype="int32"), x=ones(2, 3), mask=ones(1, 4, dtype="uint8"))
    assert [shape.text for shape in completed_by_samples(shapes, path)] == [
        "ids=1,4:int32",
        "x=2,3:float64",
        "mask=1,4:bool",
        "other=5",
    ]
    shapes = parse_input_shapes(["1,4"])
    assert completed_by_samples(shapes, save(ones(9, 1, 4, dtype="int64"))) == (
        InputShape(None, (1, 4), "int64"),
    )


# an .onnx file's open axes


def graph(inputs: str) -> onnx.ModelProto:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g ({inputs}) => (float y) {{ y = Neg(x) }}'
    return onnx.parser.parse_model(text)


def shaped(inputs: str, path: Path | None, *shapes: str) -> list[str]:
    source = OnnxFile(Path("net.onnx"), parse_input_shapes(shapes))
    found = shaped_by_samples(graph(inputs), source, path)
    assert found.path == source.path
    return [shape.text for shape in found.input_shapes]


def test_open_axes_are_those_of_the_samples(save: Save) -> None:
    path = save(x=ones(2, 3, 8, 8), ids=ones(5, 1, 16, dtype="int64"))
    assert shaped("float[N,3,H,W] x, int64[1,L] ids", path) == ["x=2,3,8,8", "ids=1,16"]
    assert shaped("float[N,3,8,8] x, int64[1,16] ids", path) == ["x=2,3,8,8"]


def test_shapes_that_were_given_stay(save: Save) -> None:
    path = save(x=ones(2, 3), ids=ones(4, dtype="int64"))
    assert shaped("float[N,M] x, int64[L] ids", path, "x=1,3") == ["x=1,3", "ids=4"]
    assert shaped("float[N,M] x, int64[L] ids", None, "x=1,3") == ["x=1,3"]
    assert shaped("float[N,M] x", save(ones(2, 3)), "1,3") == ["1,3"]


def test_the_only_array_has_the_axes_of_the_only_input(save: Save) -> None:
    assert shaped("float[N,M] x", save(ones(2, 3))) == ["x=2,3"]
    assert shaped("float[N,M] x", save(image=ones(9, 2, 3))) == ["x=2,3"]


def test_samples_of_no_open_input_change_nothing(save: Save) -> None:
    assert shaped("float[1,2] x", save(x=ones(1, 2))) == []
    assert shaped("float[N,2] x, float[2] z", save(other=ones(1, 2))) == []


def test_what_was_shaped_is_what_is_loaded(save: Save) -> None:
    samples: list[Arrays] = load_samples(
        save(x=ones(9, 2, 3)), [TensorSpec("x", (2, 3), "float32")]
    )
    assert len(samples) == 9
