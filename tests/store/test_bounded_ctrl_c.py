"""Ctrl-C between any two steps of a sale: the next ones go on, and no unit is sold twice."""

from __future__ import annotations

import sys
from itertools import count

import pytest

pytestmark = pytest.mark.further

STRIKES_MAX = 4000
ELSEWHERE = ("memory_region.py", "memory_commits.py", "importlib._bootstrap>")


def may_strike(frame):
    """Whether this is code of the process: the coordinator is another, and imports are Python's."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.endswith(ELSEWHERE):
            return False
        frame = frame.f_back
    return True


def interrupt(verb, number):
    """Run `verb`, with Ctrl-C at its `number`-th step; "done", "interrupted" or "ended"."""
    steps, is_struck = count(), []

    def strike(frame, event, _):
        if event in ("call", "c_return") and may_strike(frame) and next(steps) == number:
            sys.setprofile(None)
            is_struck.append(True)
            raise KeyboardInterrupt

    sys.setprofile(strike)
    try:
        verb()
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        sys.setprofile(None)
    return "done" if is_struck else "ended"


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
