"""Sales are on disk before they are acknowledged, also beside whatever ends a grant."""

from __future__ import annotations

import threading

import pytest

from tierstore.coordinator.escrow_plan import Grant
from tierstore.coordinator.escrow_purse import Holding, NotesInMemory, Purse, blank
from tierstore.errors import StoreClosedError, UnavailableError
from tierstore.runtime import Runtime

KEY, EPOCH = "stock", 5
DEADLINE_S = 20.0


class Notes(NotesInMemory):
    """Notes whose commits can be held up, or fail."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.puts = 0
        self.fails = False

    def put(self, notes):
        self.puts += 1
        self.entered.release()
        assert self.gate.wait(DEADLINE_S)
        if self.fails:
            raise UnavailableError("the disk is full")
        super().put(notes)


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def purse(notes):
    return Purse(notes, threading.Lock(), Runtime())


@pytest.fixture
def holding():
    holding = Holding(blank(KEY, 1), Runtime(), is_kept=True)
    holding.agree(Grant(KEY, 1, EPOCH, granted=100), 1, 0.0)
    return holding


def reserve(purse, holding, units):
    with purse.lock:
        return purse.reserve(holding, units)


def sell(purse, holding, units):
    purse.keep(holding, units, reserve(purse, holding, units))


@pytest.mark.parametrize("ending", ["retire", "intend", "settle"])
def test_what_is_reserved_is_written_before_a_grant_ends(ending, purse, notes, holding):
    sale = reserve(purse, holding, 3)
    {
        "retire": lambda: purse.retire([holding]),
        "intend": lambda: purse.intend(holding, "r", 1, 9),
        "settle": purse.settle,
    }[ending]()
    assert notes.load()[KEY].spent == 3
    puts = notes.puts
    purse.keep(holding, 3, sale)
    assert notes.puts == puts
    if ending == "settle":
        with pytest.raises(StoreClosedError):
            reserve(purse, holding, 1)
    else:
        assert reserve(purse, holding, 1) is None


def test_those_who_come_meanwhile_share_the_next_commit(purse, notes, holding):
    notes.gate.clear()
    sellers = [threading.Thread(target=sell, args=(purse, holding, 1)) for _ in range(20)]
    sellers[0].start()
    assert notes.entered.acquire(timeout=DEADLINE_S)
    for seller in sellers[1:]:
        seller.start()
    while len(purse._line) < 19:
        assert sellers[0].is_alive()
    notes.gate.set()
    for seller in sellers:
        seller.join(DEADLINE_S)
    assert (notes.puts, notes.load()[KEY].spent, holding.written) == (2, 20, 20)


def test_a_commit_that_fails_fails_for_each_who_tries_it(purse, notes, holding):
    notes.gate.clear()
    notes.fails = True
    failed = []

    def try_to_sell():
        try:
            sell(purse, holding, 1)
        except UnavailableError as error:
            failed.append(error)

    sellers = [threading.Thread(target=try_to_sell) for _ in range(5)]
    for seller in sellers:
        seller.start()
    notes.gate.set()
    for seller in sellers:
        seller.join(DEADLINE_S)
    assert len(failed) == 5
    assert (holding.spent, holding.written, holding.rights) == (0, 0, 100)
    notes.fails = False
    sell(purse, holding, 2)
    assert (notes.load()[KEY].spent, holding.rights) == (2, 98)


def test_a_commit_that_failed_and_was_made_good_by_another_counts_for_both(notes, holding):
    """Another seller comes between the failure and the one who hears of it."""

    class Interrupted(Purse):
        def _lead(self, sale):
            try:
                super()._lead(sale)
            except UnavailableError:
                notes.fails = False
                sell(self, holding, 1)
                raise

    notes.fails = True
    sell(Interrupted(notes, threading.Lock(), Runtime()), holding, 2)
    assert (notes.load()[KEY].spent, holding.spent, holding.written) == (3, 3, 3)


def test_many_threads_sell_what_there_is(purse, notes, holding):
    sold = []

    def buyer():
        while True:
            sale = reserve(purse, holding, 1)
            if sale is None:
                return
            purse.keep(holding, 1, sale)
            assert notes.load()[KEY].spent >= 1
            sold.append(sale)

    buyers = [threading.Thread(target=buyer) for _ in range(8)]
    for thread in buyers:
        thread.start()
    for thread in buyers:
        thread.join(DEADLINE_S)
    assert (len(sold), len(set(sold)), notes.load()[KEY].spent) == (100, 100, 100)
