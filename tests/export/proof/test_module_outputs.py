"""What a module returns becomes a flat list of named tensors; all else is told and left out."""

from __future__ import annotations

import re
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from asymm_deploy.engines.tensors import TensorSpec
from asymm_deploy.errors import UsageError
from asymm_deploy.export.proof.module_outputs import (
    as_arrays,
    laid_flat,
    output_names,
    what_is_no_tensor,
)

A, B = torch.ones(2), torch.zeros(3)
Pair = namedtuple("Pair", ["first", "second"])
IMAGE = TensorSpec("image", (1, 3, 8, 8))


@dataclass
class Record:
    logits: Any
    hidden: Any = None


class ModelOutput(OrderedDict[str, Any]):
    """A dictionary whose fields are attributes too, as transformers has."""


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (A, ["output"]),
        ((A, B), ["output_0", "output_1"]),
        ([A, [B, (A,)]], ["output_0", "output_1", "output_2"]),
        ({"logits": A}, ["logits"]),
        ({"boxes": A, "levels": [B, A]}, ["boxes", "levels_0", "levels_1"]),
        ([{"boxes": A, "scores": B}], ["boxes", "scores"]),
        ((A, {"aux": B}), ["output_0", "aux"]),
        ([{"boxes": A}, {"boxes": B}], ["output_0", "output_1"]),
        (Pair(A, B), ["first", "second"]),
        (Record(A, [B, B]), ["logits", "hidden_0", "hidden_1"]),
        (ModelOutput(logits=A, past=(B,)), ["logits", "past_0"]),
        ({0: A, 1: B}, ["output_0", "output_1"]),
        ({"0": A, "pool": B}, ["output_0", "output_1"]),
        ({"a/b": A}, ["output"]),
        ({"": A, "b": B}, ["output_0", "b"]),
        ({"image": A}, ["output"]),
        ({"weight": A}, ["output"]),
        ({"a": {"b": A}, "a_b": B}, ["output_0", "output_1"]),
        ((A, None, 3, {"z": B}), ["output_0", "z"]),
    ],
)
def test_keys_and_fields_are_names_where_they_can_be(returned: object, names: list[str]) -> None:
    assert output_names(torch.nn.Linear(2, 2), [IMAGE], laid_flat(returned)) == names


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (None, ["output_0", "output_1"]),
        (7, ["output_0", "output_1"]),
        (len, ["output_0", "output_1"]),
        ("ab", ["output_0", "output_1"]),
        ([1, 2], ["output_0", "output_1"]),
        (("", "b"), ["output_0", "output_1"]),
        (("a", "a"), ["output_0", "output_1"]),
        (("a",), ["output_0", "output_1"]),
        (("image", "b"), ["output_0", "output_1"]),
        (("a", "b"), ["a", "b"]),
        (["a", "b"], ["a", "b"]),
    ],
)
def test_what_can_not_be_names_of_outputs_is_none(names: object, used: list[str]) -> None:
    module: Any = SimpleNamespace(output_names=names, state_dict=dict)
    assert output_names(module, [IMAGE], laid_flat((A, B))) == used


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (A, ""),
        ((A, None, 3), "output 1 is None, output 2 is the number 3"),
        ((A, True, 0.5, "cat"), "output 1 is True, output 2 is the number 0.5, "
                                "output 3 is the text 'cat'"),
        ({"a": A, "loss": None}, "output loss is None"),
        ({"a": A, "more": [A, None]}, "output more.1 is None"),
        (Record(A), "output hidden is None"),
        ((A, SimpleNamespace()), "output 1 is a SimpleNamespace"),
        ((A, np.ones(3)), "output 1 is a ndarray"),
        ((A, *range(7)), "output 1 is the number 0, output 2 is the number 1, output 3 is the "
                         "number 2, output 4 is the number 3, output 5 is the number 4 and 2 more "
                         "are no tensors either"),
    ],
)  # fmt: skip
def test_what_is_no_tensor_is_told(returned: object, told: str) -> None:
    assert what_is_no_tensor(laid_flat(returned)) == told


@pytest.mark.parametrize(
    ("returned", "message", "hint"),
    [
        (3, "the module returns no tensor: output is the number 3", "return tensors"),
        (None, "the module returns no tensor: output is None", "return tensors"),
        ((), "the module returns no tensor: its output is empty", "return tensors"),
        ((A, A.to_sparse()), "output 1 is sparse", r"return its \.to_dense"),
        ({"spectrum": torch.fft.fft(A)}, "output spectrum is complex", "view_as_real"),
        (A.bfloat16(), "output is bfloat16, which can't be compared", r"return its \.float"),
    ],
)
def test_what_can_not_be_compared_says_what_to_return_instead(
    returned: object, message: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        as_arrays(laid_flat(returned))
    assert re.search(hint, caught.value.hint)


def test_arrays_are_copies_that_a_later_run_does_not_change() -> None:
    kept = torch.ones(2, requires_grad=True)
    (array,) = as_arrays(laid_flat(kept))
    with torch.no_grad():
        kept.zero_()
    np.testing.assert_array_equal(array, [1, 1])
