"""What is said of an input is read as it was meant, or refused with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asymm_deploy.errors import UsageError
from asymm_deploy.models.input_shape import (
    INPUT_TYPES,
    InputShape,
    argument_names,
    parse_input_shapes,
)


def read(text: str) -> InputShape:
    (shape,) = parse_input_shapes([text])
    return shape


def refused(text: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert len(caught.value.what) < 300
    assert "\n" not in caught.value.what + caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,3,224,224", InputShape(None, (1, 3, 224, 224))),
        ("a=b= 1, 10", InputShape("a=b", (1, 10))),
        ("ids=1,128:int64:0..29999", InputShape("ids", (1, 128), "int64", 0, 29999)),
        ("image=1,3,224,224:uint8", InputShape("image", (1, 3, 224, 224), "uint8")),
        ("x=1,1,16,16:float32:0..1", InputShape("x", (1, 1, 16, 16), "float32", 0.0, 1.0)),
        ("t=:float32", InputShape("t", (), "float32")),
        (":int64", InputShape(None, (), "int64")),
        ("t=:int64:5..5", InputShape("t", (), "int64", 5, 5)),
        ("x=7:float64:-1..1", InputShape("x", (7,), "float64", -1.0, 1.0)),
        ("x=7:float32:-1.5..2e-3", InputShape("x", (7,), "float32", -1.5, 0.002)),
        ("x=7:float16:.25..+.5", InputShape("x", (7,), "float16", 0.25, 0.5)),
        ("x=7:int8:-128..127", InputShape("x", (7,), "int8", -128, 127)),
        ("x=7:int32:0..1e6", InputShape("x", (7,), "int32", 0, 1000000)),
        ("serving_default_x:0=1,3", InputShape("serving_default_x:0", (1, 3))),
        ("a/b.c[0]:1=1,3:bool", InputShape("a/b.c[0]:1", (1, 3), "bool")),
        (" x=1 : int8 : 0 .. 9 ", InputShape(" x", (1,), "int8", 0, 9)),
    ],
)
def test_a_shape_has_a_name_a_type_and_a_range_where_they_are_given(
    text: str, expected: InputShape
) -> None:
    found = read(text)
    assert found == expected
    assert type(found.low) is type(expected.low)


def test_bounds_of_integers_are_exact() -> None:
    found = read(f"x=1:uint64:{2**64 - 2}..{2**64 - 1}")
    assert (found.low, found.high) == (2**64 - 2, 2**64 - 1)
    assert read(f"x=1:int64:{-(2**63)}..{2**63 - 1}").values == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize("dtype", INPUT_TYPES)
def test_every_type_is_one_of_numpys(dtype: str) -> None:
    assert np.dtype(dtype).name == dtype == read(f"1,2:{dtype}").dtype


@pytest.mark.parametrize("dtype", [name for name in INPUT_TYPES if name != "bool"])
def test_a_range_goes_up_to_what_the_type_holds_and_no_further(dtype: str) -> None:
    limits: Any = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    least, most = limits.min.item() if dtype.startswith("float") else limits.min, limits.max
    most = most.item() if dtype.startswith("float") else most
    assert read(f"x=1:{dtype}:{least!r}..{most!r}").values == (least, most)
    beyond = f"{most * 1.001!r}" if dtype.startswith("float") else str(most + 1)
    if dtype != "float64":
        assert f"{dtype} can't hold" in refused(f"x=1:{dtype}:0..{beyond}").what
    assert f"{dtype} can't hold" in refused(f"x=1:{dtype}:-1e999..0").what


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("int", "int64"),
        ("float", "float32"),
        ("double", "float64"),
        ("half", "float16"),
        ("long", "int64"),
        ("torch.long", "int64"),
        ("np.uint8", "uint8"),
        ("Float32", "float32"),
        ("INT64", "int64"),
        ("int64_t", "int64"),
        ("flaot32", "float32"),
        ("boolean", "bool"),
    ],
)
def test_a_type_that_has_another_name_is_suggested(written: str, meant: str) -> None:
    error = refused(f"x=1,3:{written}")
    assert f"can't have the type {written!r}" in error.what
    assert error.hint.startswith(f"did you mean {meant}?")
    assert all(name in error.hint for name in INPUT_TYPES)


@pytest.mark.parametrize("written", ["bfloat16", "complex64", "string", "object", "1", "x" * 500])
def test_any_other_type_is_refused_with_those_there_are(written: str) -> None:
    assert all(name in refused(f"x=1,3:{written}").hint for name in INPUT_TYPES)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x=1:int64:5..4", "begins above its end"),
        ("x=1:float32:0.5..0.25", "begins above its end"),
        ("x=1:uint8:0..256", "uint8 can't hold '256': its values go from 0 to 255"),
        ("x=1:uint8:-1..5", "uint8 can't hold '-1'"),
        ("x=1:float16:0..1e5", "float16 can't hold '1e5'"),
        ("x=1:bool:0..1", "gives a range to a bool"),
        ("x=1:int64:0.5..2", "'0.5' is no whole number"),
        ("x=1:int64:0..25e-1", "'25e-1' is no whole number"),
        ("x=1:float32:nan..1", "not a finite number"),
        ("x=1:float32:-inf..inf", "not a finite number"),
        ("x=1:float32:0..-Infinity", "not a finite number"),
        ("x=1:float32:0", "is not a range of two numbers"),
        ("x=1:float32:0..", "is not a range of two numbers"),
        ("x=1:float32:..1", "is not a range of two numbers"),
        ("x=1:float32:", "is not a range of two numbers"),
        ("x=1:float32:0-1", "is not a range of two numbers"),
        ("x=1:float32:0..1..2", "is not a range of two numbers"),
        ("x=1:float32:0x1..0x2", "is not a range of two numbers"),
        ("x=1:int64:1_0..2_0", "is not a range of two numbers"),
        ("x=1:int64:\u0661..\u0662", "is not a range of two numbers"),
        ("x=1:int64:0..1:2", "more than a shape, a type and a range"),
        ("x=1:", "has no type after the ':'"),
        ("x=1::0..1", "has no type after the ':'"),
        ("x=1,3:0..1", "has a range, but no type before it"),
        ("x=", "is not a shape of positive integers"),
        ("", "is not a shape of positive integers"),
        ("t=0:float32", "is not a shape of positive integers"),
        ("=:float32", "has no input name before the '='"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_the_reason(text: str, what: str) -> None:
    assert what in refused(text).what


def test_a_range_without_a_type_is_shown_with_one() -> None:
    assert "--input-shape x=1,3:float32:0..1" in refused("x=1,3:0..1").hint


def test_an_exponent_of_any_length_takes_no_time() -> None:
    assert "can't hold" in refused("x=1:int64:0..1e9999").what
    assert "not a range" in refused("x=1:int64:0..1e99999999").what
    assert "can't hold" in refused(f"x=1:int64:0..{'9' * 400}").what
    assert "not a range" in refused(f"x=1:int64:0..{'9' * 5000}").what


@st.composite
def input_shapes(draw: st.DrawFn) -> InputShape:
    dtype = draw(st.none() | st.sampled_from(INPUT_TYPES))
    shape = draw(st.lists(st.integers(1, 8), min_size=dtype is None, max_size=5))
    names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1)
    values: list[float] = []
    if dtype not in (None, "bool") and draw(st.booleans()):
        if dtype.startswith("float"):
            most = float(np.finfo(dtype).max)
            numbers: st.SearchStrategy[float] = st.floats(-most, most)
        else:
            numbers = st.integers(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
        values = sorted([draw(numbers), draw(numbers)])
    low, high = values or (None, None)
    return InputShape(draw(st.none() | names), tuple(shape), dtype, low, high)


@given(input_shapes())
def test_what_was_read_is_written_so_that_it_reads_the_same(shape: InputShape) -> None:
    assert read(shape.text) == shape


@given(
    st.text(max_size=30) | st.from_regex(r"(x=)?[0-9,]*:[a-z0-9]*(:[-+.0-9e]*)?", fullmatch=True)
)
def test_no_text_leads_anywhere_but_to_a_shape_or_a_usage_error(text: str) -> None:
    try:
        shape = read(text)
    except UsageError:
        return
    assert read(shape.text) == shape


# fmt: off
BAD_SHAPES = [
    "", "0,3", "-1,3", "1,,3", "1x3", "1.5,3", "+1", "1,3,", "\u0661,3", "1_0", "=1,3", "\n=1",
    "x=", "9" * 5000, "65536,65536", "2147483649",
]
# fmt: on


@pytest.mark.parametrize("text", BAD_SHAPES)
def test_a_bad_shape_is_an_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input_shapes([text])

    assert len(caught.value.what) < 300


def test_an_input_has_one_shape() -> None:
    with pytest.raises(UsageError, match="the shape of input 'x' is given 2 times"):
        parse_input_shapes(["x=1,3", "y=1,3", "x=1,4"])


def test_arguments_are_called_as_given_or_by_position() -> None:
    def names(*given: str | None) -> list[str]:
        return argument_names([InputShape(name, (1,)) for name in given])

    assert names() == []
    assert names(None) == ["input"]
    assert names("ids") == ["ids"]
    assert names(None, "mask", None) == ["input_0", "mask", "input_2"]


def test_a_shape_of_more_axes_than_an_array_has_is_refused() -> None:
    with pytest.raises(UsageError, match="5000 axes"):
        parse_input_shapes([",".join(["1"] * 5000)])


@pytest.mark.parametrize(
    ("text", "wrong", "hint"),
    [
        ("Soft:1,64", "Soft", "--input-shape Soft=1,64"),
        ("flaot:1,64", "flaot", "the type comes after the shape: --input-shape 1,64:float32"),
        ("x=torch.int64:1,64", "torch.int64", "--input-shape x=1,64:int64"),
        ("input:1,64:int64:0..9", "input", "--input-shape input=1,64:int64:0..9"),
        ("N,3,96,96", "N", "give sizes with commas"),
        ("1,-1", "-1", "give sizes with commas"),
        ("0,3", "0", "give sizes with commas"),
        ("x=[1,3,9,9]:float32", "[1", "--input-shape x=1,3,9,9:float32"),
    ],
)
def test_the_part_that_is_no_shape_is_named_with_what_it_may_mean(
    text: str, wrong: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input_shapes([text])
    assert caught.value.what.endswith(f"is not a shape of positive integers: {wrong!r} is none")
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["1x3x64x64", "1 3 64 64", "(1, 3, 64, 64)", "1;3;64;64"])
def test_other_ways_to_write_a_shape_are_told_with_the_right_one(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input_shapes([text])
    assert caught.value.hint.endswith("--input-shape 1,3,64,64")
