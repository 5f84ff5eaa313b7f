"""What goes into a model is for the model that it was given for, or the command says how."""

from __future__ import annotations

from pathlib import Path

import pytest

from asymm_deploy.commands.options.input_options import (
    NamedModel,
    classes_count,
    named_models,
    named_models_and_files,
)
from asymm_deploy.errors import UsageError
from asymm_deploy.models.input_shape import InputShape, parse_input_shapes
from asymm_deploy.models.source import CallableModule, NamedNetwork, OnnxFile, own_classes

NET = "asymmnet_small_035"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with two graphs and a file of samples."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.onnx", "b.onnx", "s.npz"):
        (tmp_path / name).write_bytes(b"any bytes")
    return tmp_path


def given(models: list[str], *shapes: str) -> dict[str, list[str]]:
    """Return the shapes of each model, by its folder, as they would be typed."""
    found: dict[str, list[str]] = {}
    for each in named_models(models, None, shapes):
        source = each.source
        own = (
            ([source.given] if source.given else [])
            if isinstance(source, NamedNetwork)
            else source.input_shapes
        )
        found[source.model] = [shape.text for shape in own]
    return found


def samples(models: list[str], *inputs: str) -> dict[str, Path | None]:
    return {each.source.model: each.samples for each in named_models(models, None, None, inputs)}


def refused(models: list[str], shapes: list[str], inputs: list[str] | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        named_models(models, None, shapes, inputs)
    return caught.value


def test_each_model_is_taken_once_in_the_order_given() -> None:
    named = ["mbv3_small_035", NET, "mbv3_small_035"]
    assert [each.source.model for each in named_models(named, None)] == ["mbv3_small_035", NET]


@pytest.mark.parametrize(
    ("models", "which", "said"), [((), None, "no model"), (("mbv3_small_035",), 5, "both models")]
)
def test_models_or_a_table_have_to_be_named(
    models: tuple[str, ...], which: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        named_models(models, which)


def test_two_models_of_one_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.onnx").write_bytes(b"any bytes")
    with pytest.raises(UsageError, match="same folder, a"):
        named_models(["a.onnx", "other/a.onnx"], None)


def test_a_shape_alone_is_for_every_model_that_has_none_of_its_own() -> None:
    assert given([NET, "m:make"], "1,3,64,64") == {NET: ["1,3,64,64"], "m.make": ["1,3,64,64"]}
    assert given([NET, "m:make"], "1,3,64,64", "m:make:ids=1,16:int64") == {
        NET: ["1,3,64,64"],
        "m.make": ["ids=1,16:int64"],
    }


def test_models_of_every_kind_have_shapes_of_their_own() -> None:
    models = [NET, "b.onnx", "m:make", "pkg.mod:Nets.two", "a.onnx"]
    assert given(
        models,
        "b.onnx:x=1,3,8,8",
        "m:make:1,16",
        "pkg.mod:Nets.two:ids=1,16:int64:0..9",
        "pkg.mod:Nets.two:t=:float32",
        "b.onnx:serving:0=1,3:uint8",
        f"{NET}:1,3,64,64:float32:0..1",
    ) == {
        NET: ["1,3,64,64:float32:0..1"],
        "b": ["x=1,3,8,8", "serving:0=1,3:uint8"],
        "m.make": ["1,16"],
        "pkg.mod.Nets.two": ["ids=1,16:int64:0..9", "t=:float32"],
        "a": [],
    }


def test_the_model_stands_before_a_shape_as_it_was_typed(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.onnx"
    assert given([path], f"{path}:x=1,3") == {"a": ["x=1,3"]}
    assert given(["a.onnx"], "a.onnx::float32") == {"a": [":float32"]}
    assert "not among the models: a.onnx" in refused(["a.onnx"], [f"{path}:x=1,3"]).what


def test_the_models_of_a_table_can_stand_before_a_shape() -> None:
    found = {e.source.model: e.source for e in named_models(None, 5, [f"{NET}:1,3,64,64"])}
    small, other = found[NET], found["mbv3_small_035"]
    assert isinstance(small, NamedNetwork)
    assert isinstance(other, NamedNetwork)
    assert small.spec.input_shape == (1, 3, 64, 64)
    assert other.given is None


def test_a_callable_whose_module_is_called_like_a_network_keeps_its_shapes() -> None:
    assert given([NET, f"{NET}:make"], f"{NET}:make:1,4", f"{NET}:1,3,64,64") == {
        NET: ["1,3,64,64"],
        f"{NET}.make": ["1,4"],
    }


def test_names_of_inputs_may_hold_colons() -> None:
    assert given(["a.onnx"], "serving_default_x:0=1,3") == {"a": ["serving_default_x:0=1,3"]}
    assert given(["a.onnx"], "x:0=1,3:int64:0..5") == {"a": ["x:0=1,3:int64:0..5"]}


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("c.onnx:x=1,3", "c.onnx"),
        ("C.ONNX:1,3", "C.ONNX"),
        ("../a.onnx:x=1,3:int64", "../a.onnx"),
        ("net.mnn:1,3", "net.mnn"),
        ("pkg.mod:make:x=1,3", "pkg.mod:make"),
        ("mod:make:1,3:int64:0..5", "mod:make"),
        ("mbv3_small_035:1,3,64,64", "mbv3_small_035"),
    ],
)
def test_a_shape_for_a_model_that_is_not_named_is_refused(text: str, other: str) -> None:
    for models in (["a.onnx"], ["a.onnx", "m:make"]):
        error = refused(models, [text])
        assert f"is for {other}, which is not among the models: {', '.join(models)}" in error.what
        assert "--input-shape a.onnx:" in error.hint


def test_a_type_after_a_bad_shape_is_not_taken_for_a_model() -> None:
    assert "not a shape of positive integers" in refused(["a.onnx"], ["ids:int64:0..9"]).what


def test_a_shape_that_no_model_takes_is_refused() -> None:
    error = refused(["a.onnx", "m:f"], ["a.onnx:1,2", "m:f:1,2", "x=1,3"])
    assert error.what == (
        "--input-shape x=1,3 is for none of the models: each has shapes of its own"
    )
    assert "a.onnx:x=1,3" in error.hint


@pytest.mark.parametrize("shapes", [["x=1,3,8,8"], ["1,3,8,8", "1,3,8,8"], ["1,3,8,8:uint8"]])
def test_a_shape_that_does_not_fit_a_network_says_how_to_give_it_to_another(
    shapes: list[str],
) -> None:
    error = refused([NET, "a.onnx"], shapes)
    assert error.what.startswith(NET)
    assert f"--input-shape {NET}:1,3,224,224" in error.hint


def test_an_input_has_one_shape_in_each_model() -> None:
    assert given(["a.onnx", "b.onnx"], "a.onnx:x=1,2", "b.onnx:x=1,3") == {
        "a": ["x=1,2"],
        "b": ["x=1,3"],
    }
    assert "'x' is given 2 times" in refused(["a.onnx"], ["a.onnx:x=1,2", "a.onnx:x=1,3"]).what


def test_samples_of_a_single_model_are_a_file() -> None:
    assert samples(["m:f"], "s.npz") == {"m.f": Path("s.npz")}
    assert samples(["m:f"], "m:f:s.npz") == {"m.f": Path("s.npz")}
    assert samples(["m:f"]) == {"m.f": None}
    assert samples(["m:f"], "not:there.npz") == {"m.f": Path("not:there.npz")}


def test_a_file_whose_name_looks_like_a_model_is_a_file(folder: Path) -> None:
    (folder / "c.onnx:s.npz").write_bytes(b"any bytes")
    assert samples(["a.onnx"], "c.onnx:s.npz") == {"a": Path("c.onnx:s.npz")}


def test_samples_of_several_models_name_theirs() -> None:
    assert samples(["a.onnx", "m:f", NET], "m:f:s.npz", "a.onnx:t.npz") == {
        "a": Path("t.npz"),
        "m.f": Path("s.npz"),
        NET: None,
    }
    error = refused(["a.onnx", "m:f"], [], ["s.npz"])
    assert error.what == "--inputs s.npz doesn't say which of the 2 models it is for"
    assert "--inputs a.onnx:s.npz" in error.hint


def test_samples_of_a_model_that_is_not_named_are_refused() -> None:
    error = refused(["a.onnx", "m:f"], [], ["c.onnx:s.npz"])
    assert "is for c.onnx, which is not among the models: a.onnx, m:f" in error.what


def test_a_model_has_one_file_of_samples() -> None:
    error = refused(["a.onnx"], [], ["s.npz", "a.onnx:t.npz"])
    assert error.what == "a.onnx has two files of samples, s.npz and t.npz"


def test_a_named_model_is_its_source_and_its_samples() -> None:
    shapes = parse_input_shapes(["x=1,2"])
    assert named_models(["m:f", "a.onnx"], None, ["x=1,2"], ["m:f:s.npz"]) == [
        NamedModel(CallableModule("m", "f", shapes), Path("s.npz")),
        NamedModel(OnnxFile(Path("a.onnx"), (InputShape("x", (1, 2)),)), None),
    ]


def test_a_model_that_is_nearly_one_of_the_command_is_told_with_that() -> None:
    error = refused(["asymmnet_small_035"], ["asymmnet_small_35:x=1,3,64,64:float32"])
    assert "asymmnet_small_35, which is not among the models" in error.what
    assert "--input-shape asymmnet_small_035:x=1,3,64,64:float32?" in error.hint


def test_classes_are_for_every_network_and_a_table_means_the_papers() -> None:
    found = [each.source for each in named_models([NET, "mbv3_small_035"], None, classes=10)]
    assert [own_classes(source) for source in found] == [10, 10]
    assert all(
        isinstance(each.source, NamedNetwork) and each.source.is_listed
        for each in named_models(None, 5)
    )
    with pytest.raises(UsageError, match="brings its own outputs"):
        named_models([NET, "m:make"], None, classes=10)
    with pytest.raises(UsageError, match=r"net\.mnn is timed as it is: .*--classes"):
        named_models_and_files(["net.mnn"], None, None, None, 10, done="timed")


@pytest.mark.parametrize(
    ("text", "count"), [(None, None), ("10", 10), ("classes.txt", None), ("./10", None), ("+7", 7)]
)
def test_a_number_says_how_many_classes_and_all_else_is_a_file(
    text: str | None, count: int | None
) -> None:
    assert classes_count(text) == count


@pytest.mark.parametrize("text", ["0", "-3", "100001", "9" * 5000])
def test_no_network_has_so_many_classes(text: str) -> None:
    with pytest.raises(UsageError, match=r"--classes .* is out of range"):
        classes_count(text)
