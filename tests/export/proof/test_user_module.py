"""A user's module gets its inputs as it takes them, and a failure says what to change."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import UsageError
from asymm_deploy.export.proof.reference import reference_of_module
from asymm_deploy.export.proof.user_module import UserModule, two_runs_differ, typed_inputs
from asymm_deploy.export.request import ExportRequest
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.source import CallableModule


def request(*shapes: InputShape) -> ExportRequest:
    return ExportRequest(CallableModule("nets", "net", shapes), Path())


def shape(*sizes: int, name: str | None = None, dtype: str | None = None) -> InputShape:
    return InputShape(name, sizes, dtype)


class Two(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return 10 * x if mask is None else 10 * x + mask


class Last(nn.Module):
    def forward(self, x: Tensor, *, scale: Tensor) -> Tensor:
        return 10 * x + scale


class Any2(nn.Module):
    def forward(self, *args: Tensor, **kwargs: Tensor) -> Tensor:
        return 10 * kwargs["x"] + kwargs["y"] if kwargs else 10 * args[0] + args[1]


class OneAndAny(nn.Module):
    def forward(self, x: Tensor, **kwargs: Tensor) -> Tensor:
        y: Tensor = 10 * x + kwargs["more"]
        return y


class Starred(nn.Module):
    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        return 10 * x + others[0]


class Only(nn.Module):
    def forward(self, input_0: Tensor, x: Tensor) -> Tensor:
        return 10 * input_0 + x


@pytest.mark.parametrize(
    ("module", "names", "expected"),
    [
        (Two(), ["x", "mask"], 12),
        (Two(), ["mask", "x"], 21),
        (Two(), ["image", "other"], 12),  # labels: by position
        (Two(), ["input_0", "input_1"], 12),
        (Last(), ["scale", "x"], 21),
        (Any2(), ["x", "y"], 12),
        (Any2(), ["y", "x"], 21),
        (Any2(), ["input_0", "input_1"], 12),
        (OneAndAny(), ["more", "x"], 21),
        (Starred(), ["x", "other"], 12),
        (Only(), ["input_0", "input_1"], 12),
        (nn.DataParallel(Two()), ["mask", "x"], 21),
    ],
)
def test_inputs_go_by_keyword_where_a_name_is_an_argument_of_forward(
    module: nn.Module, names: list[str], expected: int
) -> None:
    arrays: Arrays = {name: np.full(1, i, np.float32) for i, name in enumerate(names, 1)}
    (output,) = UserModule(module, names).arrays(arrays)
    assert output == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own
@pytest.mark.parametrize(
    "wrap", [torch.jit.script, lambda module: torch.compile(module, backend="eager")]
)
def test_scripted_and_compiled_modules_have_arguments_too(wrap: Any) -> None:
    arrays: Arrays = {"mask": np.ones(1, np.float32), "x": np.full(1, 2, np.float32)}
    module = wrap(Two())

    assert UserModule(module, ["mask", "x"]).arrays(arrays)[0] == 21
    relabelled = {"a": arrays["mask"], "b": arrays["x"]}
    assert UserModule(module, ["a", "b"]).arrays(relabelled)[0] == 12


@pytest.mark.parametrize("names", [["x", "msak"], ["x", "input_1"]])
def test_a_name_that_is_no_argument_beside_one_that_is_lists_them(names: list[str]) -> None:
    with pytest.raises(UsageError, match=f"forward of Two has no argument {names[1]}") as caught:
        UserModule(Two(), names)
    assert "its arguments are: x, mask;" in caught.value.hint


class Function(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


def test_a_run_leaves_its_inputs_as_they_are() -> None:
    arrays: Arrays = {"x": np.ones((1, 4), np.float32)}
    user = UserModule(Function(lambda x: x.add_(1)), ["x"])

    for _ in range(2):
        np.testing.assert_array_equal(user.arrays(arrays)[0], 2 * np.ones((1, 4)))
    np.testing.assert_array_equal(arrays["x"], np.ones((1, 4)))


def test_what_a_module_prints_is_no_data_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    UserModule(Function(lambda x: print("shape", x.shape) or x), ["x"]).arrays({"x": np.ones(1)})
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "shape" in printed.err


@pytest.mark.parametrize(
    ("module", "differ"),
    [
        (Function(lambda x: x + torch.randn_like(x)), True),
        (Function(lambda x: nn.functional.dropout(x, 0.5)), True),
        (Function(lambda x: torch.randint(9, (8,))), True),
        (Function(lambda x: x[: torch.randint(1, 5, ()) if x.sum() else 0]), True),
        (Function(lambda x: x.add_(1)), False),
        (Function(lambda x: x / 0), False),
        (Function(lambda x: (x.argmax(), None)), False),
    ],
)
def test_randomness_shows_in_a_second_run(module: nn.Module, differ: bool) -> None:
    torch.manual_seed(0)
    assert two_runs_differ(module, {"x": np.arange(8, dtype=np.float32)}) is differ


@pytest.mark.parametrize(
    ("module", "given", "dtype"),
    [
        (nn.Linear(4, 2), None, "float32"),
        (nn.Linear(4, 2).half(), None, "float16"),
        (nn.Linear(4, 2).double(), None, "float64"),
        (nn.Linear(4, 2).half(), "int64", None),
        (nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2).half()), None, "float32"),
        (nn.ReLU(), None, "float32"),
    ],
)
def test_inputs_take_the_modules_precision_where_no_type_is_given(
    module: nn.Module, given: str | None, dtype: str | None
) -> None:
    asked = request(shape(1, 4, dtype=given))
    (spec,) = typed_inputs(asked, module)
    assert spec.dtype == (dtype or asked.module_inputs()[0].dtype)


def test_samples_of_integers_stay_integers_in_a_module_of_another_precision(tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", ids=np.ones((1, 4), np.int64), scale=np.ones((1, 2)))
    for given in ((), (shape(1, 4, name="ids"), shape(1, 2, name="scale"))):
        asked = replace(request(*given), samples=tmp_path / "s.npz")
        specs = typed_inputs(asked, nn.Linear(4, 2).half())
        assert [(spec.name, spec.dtype) for spec in specs] == [
            ("ids", "int64"),
            ("scale", "float16"),
        ]


def test_bfloat16_says_exactly_what_to_change() -> None:
    with pytest.raises(UsageError, match="nets:net are in bfloat16") as caught:
        typed_inputs(request(shape(1, 4)), nn.Linear(4, 2).bfloat16())
    assert "`module.float()`" in caught.value.hint


class Ids(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 8)

    def forward(self, ids: Tensor, scale: Tensor | None = None) -> Tensor:
        mean: Tensor = self.embed(ids).mean(1)
        return mean if scale is None else mean * scale


class Chosen(nn.Module):
    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        return x[:, positions]


@pytest.mark.parametrize(
    ("module", "shapes", "hint"),
    [
        (Ids(), [shape(1, 16)], "give --input-shape 1,16:int64"),
        (
            Ids(),
            [shape(1, 8, name="scale"), shape(1, 16, name="ids")],
            "give --input-shape scale=1,8 --input-shape ids=1,16:int64",
        ),
        (
            Chosen(),
            [shape(1, 9), shape(3)],
            "give --input-shape 1,9 --input-shape 3:int64",
        ),
        (nn.Linear(3, 2), [shape(1, 4)], r"one for each argument in order \(input\)"),
        (Chosen(), [shape(1, 9)], r"in order \(x, positions\)"),
    ],
)
def test_a_module_that_wants_integers_gets_the_option_to_type(
    module: nn.Module, shapes: list[InputShape], hint: str
) -> None:
    with pytest.raises(UsageError, match="nets:net fails on inputs of shape ") as caught:
        reference_of_module(request(*shapes), module)
    assert re.search(hint, caught.value.hint)


def test_a_module_that_exits_is_told_like_one_that_raises() -> None:
    with pytest.raises(UsageError, match=r"it ends the program with exit\(3\)"):
        reference_of_module(request(shape(1, 4)), Function(lambda x: exit(3)))


def test_what_can_not_be_counted_costs_nothing_but_the_count() -> None:
    class Counted(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if torch.utils._python_dispatch._get_current_dispatch_mode() is not None:
                raise ValueError("watched")
            return x

    complexity = UserModule(Counted(), ["x"]).complexity({"x": np.ones((1, 4), np.float32)})
    assert complexity.madds == 0
    assert "watched" in complexity.uncounted[0]


def test_attention_is_computed_as_it_is_exported_and_torch_is_left_as_it_was() -> None:
    seen = []

    def look(x: Tensor) -> Tensor:
        seen.append(torch.backends.mha.get_fastpath_enabled())
        return x

    UserModule(Function(look), ["x"]).arrays({"x": np.ones(1)})
    assert (seen, torch.backends.mha.get_fastpath_enabled()) == ([False], True)


@pytest.mark.parametrize("where", [sys, os], ids=["exit", "_exit"])
def test_a_module_that_exits_is_not_told_to_take_other_shapes(where: Any) -> None:
    def leave(_: Tensor) -> None:
        if where is sys:
            sys.exit(0)
        os._exit(0)

    real = os._exit
    with pytest.raises(UsageError, match=r"it ends the program with exit\(0\)") as caught:
        reference_of_module(request(shape(1, 4)), Function(leave))
    assert "--input-shape" not in caught.value.hint
    assert os._exit is real


class Without(nn.Module):
    def forward(self) -> Tensor:
        return torch.ones(3)


def test_a_module_without_inputs_is_told_to_take_one() -> None:
    with pytest.raises(UsageError, match="takes 1 positional argument") as caught:
        reference_of_module(request(shape(1, 4)), Without())
    assert caught.value.hint.startswith("forward takes no arguments: give it one")


def test_a_list_as_an_argument_is_told_to_become_tensors() -> None:
    with pytest.raises(UsageError, match="fails on inputs") as caught:
        reference_of_module(request(shape(1, 4)), Function(lambda x: x["image"]))
    assert "put a module around it that takes tensors" in caught.value.hint


def test_a_module_without_values_is_refused() -> None:
    with pytest.raises(UsageError, match="on the device meta") as caught:
        typed_inputs(request(shape(1, 4)), nn.Linear(4, 2, device="meta"))
    assert "on the CPU" in caught.value.hint
