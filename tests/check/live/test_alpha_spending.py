"""Each look spends a part of the risk, and all together no more than it."""

from __future__ import annotations

import pytest

from asymm_deploy.check.live.alpha_spending import planned_looks, risk_of_look


@pytest.mark.parametrize("most", [8, 9, 10, 20, 33])
def test_the_looks_spend_the_risk_and_no_more(most: int) -> None:
    all_looks = planned_looks(most)
    assert (all_looks[0], all_looks[-1]) == (8, most)
    assert list(all_looks) == sorted(set(all_looks))
    assert sum(risk_of_look(look, most, 0.02) for look in all_looks) == pytest.approx(0.02)
