"""Which models of two results folders are compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from asymm_deploy.check.recorded.recorded_comparison import RecordedComparison
from asymm_deploy.errors import UsageError

Compared = Callable[..., RecordedComparison]


def test_models_in_one_only_are_named(compared: Compared, folder: Callable[..., Path]) -> None:
    folder("old")
    old = folder("old", model="gone")
    folder("new")
    new = folder("new", model="added")
    found = compared(old, new)
    assert (found.only_baseline, found.only_candidate) == (("gone",), ("added",))
    assert compared(old, new, models=("net",)).only_candidate == ()


def test_a_pattern_that_means_nothing_is_refused(
    compared: Compared, folder: Callable[..., Path]
) -> None:
    with pytest.raises(UsageError, match="--models nte matches no model"):
        compared(folder("old"), folder("new"), models=("net", "nte"))


@pytest.mark.parametrize(
    ("untold", "said"),
    [
        ({"peak_memory_mb": None}, "Peak memory was not compared, as the runner did not tell it"),
        ({"init_ns": 0}, "Load time was not compared, as the runner did not tell it"),
        ({"madds": None}, "Multiply-adds were not compared, as only one side tells them: net."),
        ({"params": None}, "Parameters were not compared, as only one side tells them: net."),
    ],
)
def test_what_launches_do_not_tell_is_named(
    compared: Compared, folder: Callable[..., Path], untold: dict[str, object], said: str
) -> None:
    found = compared(folder("old"), folder("new", **untold))
    (note,) = found.notes
    assert note.startswith(said)
    assert note.endswith(": net.")
