"""Ctrl-C between any two steps of a sale: the next ones go on, and no unit is sold twice."""

from __future__ import annotations

import pytest
from ctrl_c import interrupt

pytestmark = pytest.mark.further

STRIKES_MAX = 4000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("asks", "stride"), [(False, 1), (True, 5)])
def test_ctrl_c_anywhere_in_a_sale(asks, stride, open_store):
    store = open_store(rules=[{"match": "stock/**", "type": "bounded_counter"}])
    given, sold, doubtful = 0, 0, 0
    found = "interrupted"
    stock = store.bounded_counter("stock/1")
    for number in range(0, STRIKES_MAX, stride):
        if asks and (rights := stock.rights()):
            stock.take(rights)
            sold += rights
        stock.give(3)
        given += 3
        found = interrupt(stock.take, number)
        sold += found != "interrupted"
        doubtful += found == "interrupted"
        if found == "ended":
            break
        stock.take(1)
        sold += 1
    assert found == "ended", "more steps than are tried"
    store.close()
    again = open_store(rules=[{"match": "stock/**", "type": "bounded_counter"}])
    rest = again.bounded_counter("stock/1").get()
    assert sold <= given - rest <= sold + doubtful
    while again.bounded_counter("stock/1").try_take():
        rest -= 1
    assert rest == 0
