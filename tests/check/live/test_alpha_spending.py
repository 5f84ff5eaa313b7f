"""Each look spends a part of the risk, and all together no more than it."""

from __future__ import annotations

import pytest

from asymm_deploy.check.live.alpha_spending import planned_looks, risk_of_look


@pytest.mark.parametrize("most", [8, 9, 10, 20, 33])
def test_the_looks_spend_the_risk_and_no_more(most: int) -> None:
    all_looks = planned_looks(8, most)
    assert (all_looks[0], all_looks[-1]) == (8, most)
    assert list(all_looks) == sorted(set(all_looks))
    assert sum(risk_of_look(look, all_looks, 0.02) for look in all_looks) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("most", "looks"),
    [(8, (8,)), (9, (8, 9)), (10, (8, 10)), (13, (8, 10, 12, 13)), (14, (8, 10, 12, 14))],
)
def test_every_second_block_is_looked_at_and_the_last_one(
    most: int, looks: tuple[int, ...]
) -> None:
    assert planned_looks(8, most) == looks


def test_paired_launches_are_looked_at_sooner() -> None:
    assert planned_looks(4, 9) == (4, 6, 8, 9)


def test_the_first_look_spends_half_and_the_others_share_the_rest() -> None:
    looks = planned_looks(8, 20)
    assert risk_of_look(8, (8,), 0.05) == 0.05
    assert risk_of_look(8, looks, 0.05) == 0.025
    assert {risk_of_look(look, looks, 0.05) for look in looks[1:]} == {0.025 / 6}
    assert risk_of_look(9, (8, 9), 0.05) == 0.025
