"""What comes first is drawn, and balanced."""

from __future__ import annotations

import itertools

from asymm_deploy.bench.paired.pair_order import PairOrder, drawn_order


def test_four_launches_have_all_four_orders_and_two_of_them_nothing_in_common() -> None:
    for about in "abcdefgh":
        for start in (0, 4, 8):
            orders = [drawn_order(about, start + number) for number in range(4)]
            assert set(orders) == {PairOrder(*x) for x in itertools.product((0, 1), repeat=2)}
            for one, other in (orders[:2], orders[2:]):
                assert (one.loads, one.runs) == (1 - other.loads, 1 - other.runs)


def test_the_order_is_the_same_whenever_it_is_asked_for_and_another_for_another_text() -> None:
    assert drawn_order("a", 5) == drawn_order("a", 5)
    first = {tuple(drawn_order(about, number) for number in range(4)) for about in "abcdefgh"}
    assert len(first) > 1
    of_one = {tuple(drawn_order("a", 4 * of + number) for number in range(4)) for of in range(8)}
    assert len(of_one) > 1
