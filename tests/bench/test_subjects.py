"""What an export left is timed, what it could not make keeps a row, and .mnn files are as is."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from asymm_deploy.bench import artifact
from asymm_deploy.bench.artifact import Artifact, Missing
from asymm_deploy.bench.plan import Plan
from asymm_deploy.bench.subjects import (
    bare_files,
    counterparts_of,
    exported_subject,
    require_alike,
)
from asymm_deploy.errors import ConversionError, ExitCode, NumericsError, UsageError
from asymm_deploy.models.input_shape import parse_input_shapes
from asymm_deploy.models.source import NamedNetwork, own_classes, resolve, with_given_classes


def outcome(text: str, failure: Exception | None = None, shapes: Any = ()) -> Any:
    source = resolve(text, shapes)
    request = SimpleNamespace(source=source, folder=Path("artifacts") / source.model)
    return SimpleNamespace(request=request, failure=failure)


def test_what_was_exported_is_taken_from_its_folder_with_what_the_name_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[Any] = []

    def exported(folder: Path, engine: str, spec: Any) -> str:
        taken.append((folder, engine, spec and (spec.family, spec.scale, spec.width)))
        return "an artifact"

    monkeypatch.setattr(artifact, "exported", exported)
    plan = Plan(engine="onnxruntime")
    found: object = exported_subject(outcome("asymmnet_small_035"), plan)
    assert found == "an artifact"
    folder = Path("artifacts/asymmnet_small_035")
    assert taken == [(folder, "onnxruntime", ("asymmnet", "small", 0.35))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConversionError("MNN gave up", "simplify it"), ExitCode.CONVERSION),
        (NumericsError("it is another function", "report it"), ExitCode.NUMERICS),
    ],
)
def test_a_failed_export_is_a_row_with_its_reason_and_code(error: Any, code: ExitCode) -> None:
    found = exported_subject(outcome("mbv3_large_075", error), Plan())
    assert found == Missing(
        model="mbv3_large_075",
        reason=error.what,
        exit_code=code,
        network="mbv3",
        scale="large",
        multiplier=0.75,
        input_shape=(1, 3, 224, 224),
    )


def test_a_model_of_the_users_has_no_family(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"broken")
    error = ConversionError("it is broken", "mend it")
    found = exported_subject(outcome(str(tmp_path / "net.onnx"), error), Plan())
    assert found == Missing("net", "it is broken", ExitCode.CONVERSION)


def test_bare_files_are_timed_in_the_order_given(tmp_path: Path) -> None:
    paths = [tmp_path / "b.mnn", tmp_path / "a.mnn"]
    for path in paths:
        path.write_bytes(path.name.encode())
    found = bare_files(paths, Plan())
    assert [each.model for each in found] == ["b", "a"]
    assert all(isinstance(each, Artifact) and each.reference is None for each in found)
    assert bare_files([], Plan(engine="onnxruntime")) == []


def test_another_engine_can_not_run_them() -> None:
    with pytest.raises(UsageError, match=r"onnxruntime can't run a\.mnn") as refused:
        bare_files([Path("a.mnn")], Plan(engine="onnxruntime"))
    assert "--engine" in refused.value.hint


def test_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=os.strerror(2)):
        bare_files([tmp_path / "none.mnn"], Plan())


def test_each_network_of_table_5_has_the_mbv3_of_its_size() -> None:
    names = ["asymmnet_small_100", "pruned_large_050", "mbv3_large_050", "mobilenetv2_100"]
    found = counterparts_of([resolve(name) for name in names], [Path("net.mnn")])
    assert found.pairs == (
        ("asymmnet_small_100", "mbv3_small_100"),
        ("pruned_large_050", "mbv3_large_050"),
    )
    assert [each.model for each in found.added] == ["mbv3_small_100"]
    assert found.without == ("mobilenetv2_100", "net")


def test_an_mbv3_is_added_once_and_at_the_resolution_of_its_network() -> None:
    shapes = parse_input_shapes(["1,3,192,192"])
    sources = [resolve(name, shapes) for name in ("asymmnet_small_100", "pruned_small_100")]
    (added,) = counterparts_of(sources, []).added
    assert isinstance(added, NamedNetwork)
    assert added.spec.input_shape == (1, 3, 192, 192)
    mbv3 = resolve("mbv3_small_100")
    with pytest.raises(UsageError, match="their inputs are 1,3,192,192 and 1,3,224,224") as refused:
        counterparts_of([*sources, mbv3], [])
    assert "--input-shape" in refused.value.hint


def test_a_variant_is_timed_in_turns_with_the_same_variant_of_its_mbv3() -> None:
    found = counterparts_of([resolve("asymmnet_small_100@w8"), resolve("asymmnet_small_100")], [])
    assert found.pairs == (
        ("asymmnet_small_100@w8", "mbv3_small_100@w8"),
        ("asymmnet_small_100", "mbv3_small_100"),
    )
    assert [each.model for each in found.added] == ["mbv3_small_100@w8", "mbv3_small_100"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["mbv3_small_100"], "mbv3_small_100 has none"),
        (["asymmnet_small_060"], "asymmnet_small_060 has none"),
        (["asymmnet_small_100_face", "mobilefacenet"], "asymmnet_small_100_face, mobilefacenet "),
    ],
)
def test_without_any_mbv3_there_is_nothing_to_pair(names: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        counterparts_of([resolve(name) for name in names], [])
    assert "leave out --paired" in refused.value.hint
    with pytest.raises(UsageError, match="a, b, c and 2 more have none"):
        counterparts_of([], [Path(f"{name}.mnn") for name in "abcde"])


def test_an_mbv3_has_the_classes_of_its_network() -> None:
    network = with_given_classes(resolve("asymmnet_small_100"), 10)
    found = counterparts_of([network], [])
    assert [own_classes(each) for each in found.added] == [10]
    require_alike(found.pairs, [network, *found.added])
    paper = resolve("mbv3_small_100")
    with pytest.raises(UsageError, match="10 classes at 1,3,224,224 and 1000 classes") as refused:
        require_alike(found.pairs, [network, paper])
    assert "--classes" in refused.value.hint
