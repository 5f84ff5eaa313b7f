"""What ``int8-mixed`` is mixed by is asked for once, and for something."""

from __future__ import annotations

import pytest

from asymm_deploy.commands.options.variant_options import chosen_mixing
from asymm_deploy.errors import UsageError
from asymm_deploy.export.quantize.variant import Mixing


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None), Mixing(in_fp32=None, goal_db=35.0)),
        ((3, None), Mixing(in_fp32=3)),
        ((0, None), Mixing(in_fp32=0)),
        ((None, 40.0), Mixing(goal_db=40.0)),
    ],
)
def test_a_number_or_a_goal_is_taken_or_the_usual_goal(
    given: tuple[int | None, float | None], expected: Mixing
) -> None:
    assert chosen_mixing(*given, ("w8", "int8-mixed")) == expected


def test_without_a_mixture_there_is_nothing_to_choose() -> None:
    assert chosen_mixing(None, None, ("int8",)) is None


@pytest.mark.parametrize(
    ("number", "goal", "variant", "message"),
    [
        (3, 40.0, "int8-mixed", "exclude each other"),
        (3, None, "int8", "none is to be made"),
        (None, 40.0, "w8", "none is to be made"),
    ],
)
def test_what_is_given_for_nothing_is_refused(
    number: int | None, goal: float | None, variant: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        chosen_mixing(number, goal, (variant,))  # type: ignore[arg-type]
