"""A mixed file is int8 exactly where it is wanted, and computes what its operators should."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from asymm_deploy.engines.mnn_file import read_mnn
from asymm_deploy.engines.mnn_observed import MnnWatched
from asymm_deploy.engines.mnn_session import MnnSession
from asymm_deploy.engines.tensors import Arrays
from asymm_deploy.errors import ConversionError
from asymm_deploy.export.quantize.mixed_file import int8_convolutions, names_in_int8, write_mixed
from tests.export.quantize.made_pair import CONVOLUTIONS, Pair, made


def outputs(model: Path, sample: Arrays) -> Arrays:
    session = MnnSession(str(model), winograd=False)
    session.feed(sample)
    session.run()
    return session.outputs()


def noise(model: Path, pair: Pair) -> float:
    """Return the noise of all outputs over the first sample's, as a share of their power."""
    expected, found = outputs(pair.fp32, pair.samples[0]), outputs(model, pair.samples[0])
    return sum(
        float(np.square(np.subtract(found[name], value)).sum() / np.square(value).sum())
        for name, value in expected.items()
    )


def test_int8_operators_get_the_names_that_the_quantiser_took_from_them(pair: Pair) -> None:
    renamed = [each.name for each in read_mnn(pair.int8.read_bytes()).operators]
    assert "d" not in renamed  # else this test shows nothing
    assert tuple(each.name for each in int8_convolutions(pair.int8, pair.fp32)) == CONVOLUTIONS


@pytest.mark.parametrize("wanted", [(), ("c", "y"), CONVOLUTIONS])
def test_the_engine_runs_in_int8_what_is_wanted_and_nothing_else(
    pair: Pair, tmp_path: Path, wanted: tuple[str, ...]
) -> None:
    known = int8_convolutions(pair.int8, pair.fp32)
    write_mixed(pair.fp32, [each for each in known if each.name in wanted], tmp_path / "m.mnn")

    ran = {
        each.name: each.type for each in MnnWatched(str(tmp_path / "m.mnn")).run(pair.samples[0])
    }
    assert tuple(name for name in CONVOLUTIONS if "INT8" in ran[name]) == wanted
    assert names_in_int8(tmp_path / "m.mnn") == wanted


def test_a_file_with_everything_in_int8_is_what_the_quantiser_made(
    pair: Pair, tmp_path: Path
) -> None:
    write_mixed(pair.fp32, int8_convolutions(pair.int8, pair.fp32), tmp_path / "m.mnn")
    assert noise(tmp_path / "m.mnn", pair) == pytest.approx(noise(pair.int8, pair), rel=0.02)


def test_a_file_with_nothing_in_int8_computes_what_the_fp32_file_does(
    pair: Pair, tmp_path: Path
) -> None:
    write_mixed(pair.fp32, [], tmp_path / "none.mnn")
    assert noise(tmp_path / "none.mnn", pair) == 0


def test_a_mean_over_a_plane_is_mended_by_the_convolution_behind_it(
    pair: Pair, tmp_path: Path
) -> None:
    """MNN cuts what an int8 pooling averages to the range of the averages."""
    *others, last = int8_convolutions(pair.int8, pair.fp32)
    assert last.reads == "p"
    write_mixed(pair.fp32, others, tmp_path / "others.mnn")
    assert noise(pair.int8, pair) > 0.1
    assert noise(tmp_path / "others.mnn", pair) < 0.01


def test_tiles_for_winograds_method_are_kept(pair: Pair, tmp_path: Path) -> None:
    stem = int8_convolutions(pair.int8, pair.fp32)[0]
    assert stem.steps.winograd
    write_mixed(pair.fp32, [stem], tmp_path / "m.mnn")
    found = int8_convolutions(tmp_path / "m.mnn", pair.fp32)[0]
    assert found.steps.winograd == stem.steps.winograd


def test_a_mixed_file_can_be_mixed_again(pair: Pair, tmp_path: Path) -> None:
    known = int8_convolutions(pair.int8, pair.fp32)
    write_mixed(pair.fp32, known[1:], tmp_path / "m.mnn")
    assert int8_convolutions(tmp_path / "m.mnn", pair.fp32) == known[1:]


def test_files_of_two_models_are_told_apart(pair: Pair, tmp_path: Path) -> None:
    other = made(tmp_path, seed=1)
    with pytest.raises(ConversionError, match=r"int8.mnn and model.mnn aren't of one model"):
        int8_convolutions(pair.int8, other.fp32)


def test_a_damaged_file_is_named(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "broken.mnn").write_bytes(pair.int8.read_bytes()[:100])
    with pytest.raises(ConversionError, match=r"broken\.mnn: the file is damaged"):
        int8_convolutions(tmp_path / "broken.mnn", pair.fp32)


def test_an_operator_that_the_converter_passes_over_is_told(pair: Pair, tmp_path: Path) -> None:
    known = int8_convolutions(pair.int8, pair.fp32)
    unknown = msgspec.structs.replace(known[1], writes="nothing")
    with pytest.raises(ConversionError, match="left c in fp32"):
        write_mixed(pair.fp32, [known[0], unknown], tmp_path / "m.mnn")
