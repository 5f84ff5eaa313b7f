"""The operators that lose most are found by measuring, and as many stay in fp32 as are needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from asymm_deploy.engines.mnn_session import MnnSession
from asymm_deploy.engines.tensors import Array
from asymm_deploy.errors import ConversionError, NumericsError, UsageError
from asymm_deploy.export.quantize import sensitivity
from asymm_deploy.export.quantize.mixed_file import Int8Convolution, names_in_int8, write_mixed
from asymm_deploy.export.quantize.sensitivity import Mixture, write_mixture
from tests.export.quantize.made_pair import CONVOLUTIONS, Pair

Mix = Callable[..., Mixture]


def ran(pair: Pair, model: Path) -> list[list[Array]]:
    """Run in this process, which takes less time than one of its own."""
    session, found = MnnSession(str(model), winograd=False), []
    for sample in pair.samples:
        session.feed(sample)
        session.run()
        outputs = session.outputs()
        found.append([outputs[spec.name] for spec in pair.outputs])
    return found


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("written")


@pytest.fixture
def mix(pair: Pair, tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch) -> Mix:
    """Write a mixture; no file is converted twice, since that takes most of the time."""

    def write_once(
        fp32: Path, convolutions: Sequence[Int8Convolution], into: Path, _ranges: object
    ) -> None:
        kept = written / "-".join(each.name for each in convolutions)
        if not kept.exists():
            write_mixed(fp32, convolutions, kept)
        shutil.copyfile(kept, into)

    monkeypatch.setattr(sensitivity, "write_mixed", write_once)

    def made(
        run: Callable[[Path], Sequence[Sequence[Array]]] | None = None, **wanted: object
    ) -> Mixture:
        into = tmp_path / "mixed.mnn"
        return write_mixture(
            pair.fp32,
            pair.int8,
            into,
            run or (lambda model: ran(pair, model)),
            **wanted,  # type: ignore[arg-type]
        )

    return made


def test_the_operator_that_loses_most_stays_in_fp32_first(mix: Mix, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    found = mix(in_fp32=1, on_step=lambda done, of: steps.append((done, of)))

    assert found.in_fp32 == ("y",)  # it reads means, whose plane MNN cuts to their range
    assert found.in_int8 == ("a", "c", "d") == names_in_int8(tmp_path / "mixed.mnn")
    ratios = [each.sqnr_db for each in found.sensitivities]
    assert {each.operator for each in found.sensitivities} == set(CONVOLUTIONS)
    assert ratios == sorted(ratios)
    assert ratios[0] < 10 < ratios[1]
    assert found.int8_db < 10 < found.sqnr_db
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_goal_is_met_with_as_few_in_fp32_as_will_do(mix: Mix) -> None:
    one = mix(in_fp32=1).sqnr_db
    assert len(mix(goal_db=one - 0.1).in_fp32) == 1
    beyond = mix(goal_db=one + 0.1)
    assert len(beyond.in_fp32) > 1
    assert beyond.sqnr_db >= one + 0.1


def test_int8_alone_is_taken_where_it_is_good_enough(mix: Mix) -> None:
    found = mix(goal_db=1.0)
    assert (found.in_fp32, found.in_int8) == ((), CONVOLUTIONS)
    assert found.sqnr_db == found.int8_db


def test_a_goal_that_leaves_nothing_in_int8_is_refused(mix: Mix) -> None:
    with pytest.raises(NumericsError, match=r"no mixture has 150 dB: .* alone in int8, ") as caught:
        mix(goal_db=150.0)
    assert caught.value.hint.startswith("all in int8 has ")


@pytest.mark.parametrize("count", [4, 5])
def test_all_in_fp32_is_no_mixture(mix: Mix, count: int) -> None:
    with pytest.raises(UsageError, match="none is left in int8: there are 4"):
        mix(in_fp32=count)


def test_a_file_without_int8_is_no_int8_file(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"model\.mnn has no operator in int8"):
        write_mixture(pair.fp32, pair.fp32, tmp_path / "m.mnn", lambda _: [], in_fp32=1)


def test_outputs_that_are_integers_tell_no_loss(mix: Mix) -> None:
    with pytest.raises(ConversionError, match="no output is a floating-point number"):
        mix(lambda _: [[np.zeros(3, np.int32)]], in_fp32=1)


def test_an_operator_that_makes_no_number_of_it_is_the_most_sensitive(
    mix: Mix, tmp_path: Path
) -> None:
    def run(model: Path) -> list[list[Array]]:
        broken = model.name != "model.mnn" and "c" in names_in_int8(model)
        return [[np.array([np.nan if broken else 1.0], np.float32)]]

    found = mix(run, in_fp32=1)
    assert found.in_fp32 == ("c",)
    assert (found.sensitivities[0].sqnr_db, found.int8_db, found.sqnr_db) == (-200, -200, 200)
