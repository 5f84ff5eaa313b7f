"""A mixture is made of an export's own files, and an int8 file is mended with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.engines.tensors import Array, TensorSpec
from asymm_deploy.export.manifest import Manifest
from asymm_deploy.export.quantize import mixed_variant
from asymm_deploy.export.quantize.mixed_file import names_in_int8
from asymm_deploy.export.quantize.mixed_variant import keep_means_whole, make_mixed
from asymm_deploy.export.quantize.variant import Mixing
from tests.export.quantize.made_pair import CONVOLUTIONS, Pair
from tests.export.quantize.test_mixed_file import noise
from tests.export.quantize.test_sensitivity import ran


@pytest.fixture
def base(pair: Pair, save_export: Callable[..., Manifest], tmp_path: Path) -> Manifest:
    made = save_export(inputs=(TensorSpec("x", (1, 3, 16, 16)),), outputs=pair.outputs)
    for name in ("model.onnx", "model.mnn"):
        shutil.copyfile(pair.fp32.with_name(name), tmp_path / "net" / name)
    return made


def test_a_mixture_is_made_of_the_exports_files_and_its_means_are_whole(
    pair: Pair, base: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(file: Path, samples: object, *_more: object, **_wanted: object) -> list[list[Array]]:
        assert samples == pair.samples
        return ran(pair, file)  # a process for each run takes most of the time

    monkeypatch.setattr(mixed_variant, "run_mnn", run)
    folder, into = tmp_path / "net", tmp_path / "mixed.mnn"
    found = make_mixed(pair.int8, base, folder, into, pair.samples, tmp_path, Mixing(in_fp32=1))

    assert found.in_fp32 != ("y",)  # it loses most where means are cut
    assert names_in_int8(into) == found.in_int8
    assert len(found.in_int8) == len(CONVOLUTIONS) - 1
    assert found.sqnr_db > found.int8_db > 20


def test_means_of_an_int8_file_are_made_whole(pair: Pair, base: Manifest, tmp_path: Path) -> None:
    int8 = Path(shutil.copyfile(pair.int8, tmp_path / "int8.mnn"))
    assert keep_means_whole(int8, tmp_path / "net", pair.samples) == ("z",)
    assert noise(int8, pair) < noise(pair.int8, pair) / 20
    assert base.api == "session"
