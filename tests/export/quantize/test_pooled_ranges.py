"""What a mean is taken of isn't cut to the range of the mean."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.engines.mnn_observed import MnnWatched
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.quantize.mixed_file import int8_convolutions, write_mixed
from asymm_deploy.export.quantize.pooled_ranges import (
    Range,
    add_ranges,
    pooled_tensors,
    ranges_of,
)
from tests.export.quantize.made_pair import Pair
from tests.export.quantize.test_mixed_file import noise

Copied = Callable[[str], Path]


@pytest.fixture
def ranges(pair: Pair) -> dict[str, Range]:
    return ranges_of(pair.fp32.with_suffix(".onnx"), pooled_tensors(pair.fp32), pair.samples)


@pytest.fixture
def copied(pair: Pair, tmp_path: Path) -> Copied:
    def copy(name: str) -> Path:
        path: Path = getattr(pair, name)
        return Path(shutil.copyfile(path, tmp_path / path.name))

    return copy


def types(model: Path, pair: Pair) -> dict[str, str]:
    return {each.name: each.type for each in MnnWatched(str(model)).run(pair.samples[0])}


def test_ranges_are_of_what_is_averaged_over_all_samples(
    pair: Pair, ranges: dict[str, Range]
) -> None:
    assert pooled_tensors(pair.fp32) == pooled_tensors(pair.int8) == ("z",)
    least, most = ranges["z"]
    assert least < -3
    assert most > 10
    (few,) = ranges_of(pair.fp32.with_suffix(".onnx"), ("z",), pair.samples[:1]).values()
    assert few[1] < most or few[0] > least


def test_a_range_mends_what_int8_loses_at_a_mean(
    pair: Pair, ranges: dict[str, Range], copied: Copied
) -> None:
    int8 = copied("int8")
    assert add_ranges(int8, ranges) == ("z",)
    assert noise(pair.int8, pair) > 0.1
    assert noise(int8, pair) < 0.01
    before, after = types(pair.int8, pair), types(int8, pair)
    assert [before[name] for name in before if "p_raster" in name] == ["Pooling [ DT_INT8 ] "]
    assert [after[name] for name in after if "p_raster" in name] == ["Pooling"]
    assert "INT8" in after["y"]


def test_the_rest_of_the_file_stays_as_it_was(
    pair: Pair, ranges: dict[str, Range], copied: Copied
) -> None:
    int8 = copied("int8")
    add_ranges(int8, ranges)
    assert int8_convolutions(int8, pair.fp32) == int8_convolutions(pair.int8, pair.fp32)
    assert add_ranges(int8, ranges) == ()  # it has them


def test_a_mixture_gets_its_ranges_as_well(
    pair: Pair, ranges: dict[str, Range], tmp_path: Path
) -> None:
    last = int8_convolutions(pair.int8, pair.fp32)[-1:]
    write_mixed(pair.fp32, last, tmp_path / "without.mnn")
    write_mixed(pair.fp32, last, tmp_path / "with.mnn", ranges)
    assert noise(tmp_path / "with.mnn", pair) < 0.01 * noise(tmp_path / "without.mnn", pair)


def test_a_file_in_fp32_has_nothing_to_mend(
    pair: Pair, ranges: dict[str, Range], copied: Copied
) -> None:
    fp32 = copied("fp32")
    assert add_ranges(fp32, ranges) == ()
    assert fp32.read_bytes() == pair.fp32.read_bytes()


@pytest.mark.parametrize("ranges", [{}, {"z": (0.0, 0.0)}, {"other": (0.0, 1.0)}])
def test_without_a_range_the_file_stays(
    pair: Pair, ranges: dict[str, Range], copied: Copied
) -> None:
    int8 = copied("int8")
    assert add_ranges(int8, ranges) == ()
    assert int8.read_bytes() == pair.int8.read_bytes()


def test_a_tensor_that_onnx_does_not_have_is_left_out(pair: Pair) -> None:
    assert ranges_of(pair.fp32.with_suffix(".onnx"), ("nowhere",), pair.samples) == {}


def test_damage_is_told(tmp_path: Path) -> None:
    (tmp_path / "broken.mnn").write_bytes(b"no model at all")
    with pytest.raises(ConversionError, match=r"broken\.mnn: "):
        add_ranges(tmp_path / "broken.mnn", {})
