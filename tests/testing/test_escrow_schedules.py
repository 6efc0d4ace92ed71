"""Two sellers at once, at two processes or at one: every schedule of every pair, and every fault.

Whatever the order, no unit is sold twice, and in the end each is either sold or in the pool.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from escrow_world import KEY
from escrow_world import World as Sale

from tierstore.errors import InsufficientRightsError, TierStoreError
from tierstore.testing import World, crashes, explore
from tierstore.testing.explorer import Fault
from tierstore.testing.faults import KINDS

pytestmark = pytest.mark.further

GIVEN = 3


class Shop(World):
    """One unit is sold, process `a` has the rights to another, and the third is in the pool."""

    def __init__(self):
        super().__init__()
        self.sale = Sale(2, self.runtime, self.wrap)
        self.sale.timeout_s = 1000.0
        self.sale.give(GIVEN)
        self.processes = dict(zip("ab", self.sale.processes, strict=True))
        a = self.processes["a"]
        a.escrow.take(KEY, 1, a.deadline)
        self.sale.sold += 1
        a.escrow.step()
        assert (a.escrow.rights(KEY), self.sale.ledger().pool) == (1, 1)


def take(shop, name):
    process = shop.processes[name]
    try:
        process.escrow.take(KEY, 1, process.deadline)
    except InsufficientRightsError:
        return
    except TierStoreError:
        shop.sale.doubtful += 1
        raise
    shop.sale.sold += 1


def take_two(shop, name):
    process = shop.processes[name]
    try:
        process.escrow.take(KEY, 2, process.deadline)
    except InsufficientRightsError:
        return
    shop.sale.sold += 2


def step(shop, name):
    shop.processes[name].escrow.step()


def rest(shop, name):
    """After a while in which nothing was sold, all of it goes back, and is forgotten."""
    shop.runtime.sleep(100.0)
    shop.processes[name].escrow.step()
    shop.processes[name].escrow.step()


ACTS = {"take": take, "take two": take_two, "step": step, "rest": rest}
PAIRS = list(combinations_with_replacement(ACTS, 2))


def check(shop):
    shop.sale.check()
    shop.sale.finish()


@pytest.mark.parametrize("names", ["aa", "ab", "ba"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_at_once(first, second, names):
    actors = {
        f"{n} {name}": lambda shop, act=ACTS[act], name=name: act(shop, name)
        for n, (act, name) in enumerate(zip((first, second), names, strict=True))
    }
    processes = dict(zip(actors, names, strict=True))
    seen = explore(Shop, actors, check, processes=processes, preemptions_max=2)
    assert seen.is_complete


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", ["take two", "step"])
def test_a_sale_that_is_not_kept_is_not_reported(other, kind):
    """One thread's journal fails, or ends the process, while another thread asks or reports."""
    actors = {
        "taker": lambda shop: _doubting(shop, lambda: take(shop, "a")),
        "other": lambda shop: _doubting(shop, lambda: ACTS[other](shop, "a")),
    }
    seen = explore(
        Shop, actors, check, processes=dict.fromkeys(actors, "a"), preemptions_max=2,
        faults={"taker": Fault(1, kind)},
    )  # fmt: skip
    assert seen.is_complete


def _doubting(shop, act):
    """Count what is neither sold nor refused, should the process end, as in doubt."""
    shop.sale.doubtful += 2
    try:
        act()
        shop.sale.doubtful -= 2
    except TierStoreError:
        return


def recover(shop):
    """What a new process finds: the disk of the one that may be dead."""
    for process in shop.sale.processes:
        process.open()


@pytest.mark.parametrize("name", "ab")
@pytest.mark.parametrize("act", ACTS)
def test_whatever_fails(act, name):
    def acting(shop):
        doubtful = shop.sale.doubtful = 2  # as the call of the fault may be the one that is kept
        ACTS[act](shop, name)
        shop.sale.doubtful = doubtful - 2

    seen = crashes(Shop, acting, recover, check)
    assert seen.runs >= len(KINDS)


def test_a_dead_process_is_adopted_whatever_fails():
    def adopt(shop):
        dead, living = shop.processes["a"], shop.processes["b"]
        living.escrow.adopt(dead.notes, living.deadline())

    def finish(shop):
        shop.sale.check()
        adopt(shop)
        assert shop.sale.grants() == {}
        shop.sale.finish()

    seen = crashes(Shop, adopt, recover, finish)
    assert seen.runs >= 3 * len(KINDS)
