"""The catalog lists the paper's networks, and finds any other that builds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from asymm_deploy.errors import UsageError
from asymm_deploy.models.catalog import CatalogEntry, catalog, count_source, matching
from asymm_deploy.models.input_shape import InputShape
from asymm_deploy.models.names import known
from asymm_deploy.models.source import CallableModule, resolve


def test_without_a_pattern_every_known_network_matches() -> None:
    assert matching() == known()
    assert len(known()) == 30 + 4 + 2 + 3 * 5 + 4 + 8


def test_a_pattern_is_a_glob_or_a_part_of_the_name() -> None:
    assert matching("mobilenet") == (
        "mobilenetv1_100",
        "mobilenetv2_100",
        "mobilenetv1_100_yolo3",
    )
    assert matching("*_100_r?") == tuple(name for name in known() if "_r" in name)
    assert len(matching("pruned_*")) == 10


def test_a_network_of_no_table_matches_by_its_name() -> None:
    assert matching("asymmnet_small_073_r1") == ("asymmnet_small_073",)


@pytest.mark.parametrize("pattern", ["vgg", "x*", "[", "asymmnet_small_000"])
def test_a_pattern_that_fits_nothing_is_an_error(pattern: str) -> None:
    with pytest.raises(UsageError, match="no model matches"):
        matching(pattern)


def test_an_entry_has_the_exact_counts() -> None:
    assert catalog("*v1_100") == (
        CatalogEntry("mobilenetv1_100", (1, 3, 224, 224), 568_740_352, 4_231_976),
    )


def test_describe_counts_at_the_resolution_asked_for() -> None:
    whole = count_source(resolve("pruned_small_035"))  # type: ignore[arg-type]
    half = count_source(resolve("pruned_small_035", (InputShape(None, (1, 3, 112, 112)),)))  # type: ignore[arg-type]

    assert whole.layers[0].madds == 4 * half.layers[0].madds
    assert whole.params == half.params


def test_describe_counts_what_a_callable_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("described_models.py").write_text(
        "from torch import nn\ndef pair(): return nn.Bilinear(4, 5, 6)\n"
    )
    shapes = (InputShape(None, (2, 4)), InputShape(None, (2, 5)))

    cost = count_source(CallableModule("described_models", "pair", shapes))

    assert cost.params == 126
    assert cost.uncounted == ("_trilinear in Bilinear",)
