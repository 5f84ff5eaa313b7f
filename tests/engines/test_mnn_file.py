"""What is read of an .mnn file is what was converted, and damage ends in words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymm_deploy.engines.engine_error import EngineError
from asymm_deploy.engines.mnn_file import MnnFile, read_mnn

NET = """g (float[1,2,8,8] x) => (float[1,6,4,4] y) {
    a = Conv<pads=[1,2,1,2], strides=[2,2], dilations=[1,2]>(x, w, b)
    c = Relu(a)
    y = Concat<axis=1>(c, c)
}"""
WEIGHT = np.arange(54, dtype=np.float32).reshape(3, 2, 3, 3)
BIAS = np.array([0.5, -1, 2], np.float32)


@pytest.fixture
def data(make_files: Callable[..., Path]) -> bytes:
    return make_files(NET, w=WEIGHT, b=BIAS).with_suffix(".mnn").read_bytes()


def floats(data: bytes, start: int, count: int) -> list[float]:
    return list(np.frombuffer(data, np.float32, count, start))


def test_operators_come_in_order_with_what_they_read_and_write(data: bytes) -> None:
    found = read_mnn(data)
    kinds = [each.type for each in found.operators if each.type != "ConvertTensor"]
    assert kinds == ["Input", "Convolution", "Concat"]
    convolution = next(each for each in found.operators if each.type == "Convolution")
    concat = next(each for each in found.operators if each.type == "Concat")
    assert concat.inputs == convolution.outputs * 2
    assert concat.name == "y"
    assert [each.index for each in found.operators] == list(range(len(found.operators)))


def test_a_fused_activation_gives_the_tensor_its_name_and_the_convolution_keeps_its_own(
    data: bytes,
) -> None:
    found = read_mnn(data)
    convolution = next(each for each in found.operators if each.type == "Convolution")
    assert convolution.name == "a"
    assert [found.tensors[each] for each in convolution.outputs] == ["c"]


def test_a_convolution_has_its_shape_its_activation_and_where_its_values_lie(data: bytes) -> None:
    found = next(each.convolution for each in read_mnn(data).operators if each.convolution)
    assert (found.kernel, found.strides, found.dilations) == ((3, 3), (2, 2), (1, 2))
    assert (found.pads, found.groups, found.outputs) == ((1, 2, 1, 2), 1, 3)
    assert (found.relu, found.relu6) == (True, False)
    assert (found.encoded, found.int8) == (None, None)
    assert found.weight is not None
    assert found.bias is not None
    assert floats(data, found.weight.start, found.weight.count) == list(WEIGHT.ravel())
    assert floats(data, found.bias.start, found.bias.count) == list(BIAS)
    assert (found.encoded, found.scales) == (None, None)


@pytest.mark.parametrize("bad", [b"", b"\x00", b"not a model at all", b"\x00" * 64, b"\xff" * 64])
def test_what_is_no_mnn_file_is_refused_in_words(bad: bytes) -> None:
    with pytest.raises(EngineError, match=r"damaged or no \.mnn file"):
        read_mnn(bad)


@settings(max_examples=100)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_more(
    make_files: Callable[..., Path], draw: st.DataObject
) -> None:
    path = make_files(NET, w=WEIGHT, b=BIAS).with_suffix(".mnn")
    damaged = bytearray(path.read_bytes())
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = draw.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
    end = draw.draw(st.one_of(st.just(len(damaged)), st.integers(0, len(damaged))))
    try:
        found = read_mnn(bytes(damaged[:end]))
    except EngineError:
        return
    assert isinstance(found, MnnFile)
    for each in found.operators:
        spans = each.convolution and (each.convolution.weight, each.convolution.bias)
        assert all(span.start + 4 * span.count <= end for span in spans or () if span)
