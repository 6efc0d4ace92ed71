"""`crashes` lets every tier call go wrong in every way, and tells what was not recovered from."""

from __future__ import annotations

import pytest

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.testing import Fault, ScheduleError, World, crashes, explore

KINDS = {"error", "lost", "crash", "crash after"}
CALLS = ["accounts.read", "accounts.put", "accounts.put"]


class Accounts:
    """Two numbers whose sum should stay, and a note of what is under way."""

    def __init__(self):
        self.values = {"left": 10, "right": 0}

    def read(self, name):
        return self.values.get(name)

    def put(self, name, value):
        self.values[name] = value


class Bank(World):
    def __init__(self):
        super().__init__()
        self.inner = Accounts()
        self.accounts = self.wrap(self.inner, "accounts")
        self.heard = []


def move(bank):
    """Move everything without a word to anybody: not safe."""
    amount = bank.accounts.read("left")
    bank.accounts.put("right", amount)
    bank.accounts.put("left", 0)


def move_with_intent(bank):
    """Note what is under way first, and forget it last."""
    amount = bank.accounts.read("left")
    bank.accounts.put("intent", amount)
    finish(bank)


def finish(bank):
    amount = bank.accounts.read("intent")
    if amount:
        bank.accounts.put("right", amount)
        bank.accounts.put("left", 0)
        bank.accounts.put("intent", 0)


def nothing(bank):
    pass


def sum_stays(bank):
    values = bank.inner.values
    assert values["left"] + values["right"] == 10, values


def test_every_call_goes_wrong_in_every_way():
    seen = crashes(Bank, move, nothing, nothing)
    assert seen.at == CALLS
    assert seen.runs == len(CALLS) * len(KINDS)
    assert dict(seen.by_kind) == dict.fromkeys(KINDS, len(CALLS))


def test_each_boundary_is_crashed_at_once():
    states = []
    crashes(
        Bank, move, nothing, lambda b: states.append(b.inner.values), kinds=["crash", "crash after"]
    )
    start, half, done = ({"left": 10, "right": 0}, {"left": 10, "right": 10}, {"left": 0})
    done = {**half, **done}
    assert states == [start, start, half, done, start, half, done, done]


def test_what_cannot_be_recovered_is_told():
    with pytest.raises(ScheduleError, match="'error' at tier call 3") as caught:
        crashes(Bank, move, nothing, sum_stays)
    assert [line.split(maxsplit=1)[1] for line in caught.value.story.splitlines()] == [
        "actor  accounts.read('left') → 10",
        "actor  accounts.put('right', 10) → None",
        "actor  accounts.put('left', 0) raises UnavailableError: accounts.put: made to fail",
    ]


def test_a_crash_is_told():
    with pytest.raises(ScheduleError, match="'crash after' at tier call 2") as caught:
        crashes(Bank, move, nothing, sum_stays, kinds=["crash after"])
    assert "crashes" in caught.value.story


def test_what_is_recovered_passes():
    assert crashes(Bank, move_with_intent, finish, sum_stays).runs == 6 * len(KINDS)


def test_an_error_without_a_fault_fails():
    def fails(bank):
        raise UnavailableError("by itself")

    with pytest.raises(ScheduleError, match="by itself"):
        crashes(Bank, fails, nothing, nothing)


def test_another_error_because_of_a_fault_fails():
    def fails(bank):
        try:
            bank.accounts.read("left")
        except TierStoreError as error:
            raise KeyError("confused") from error

    with pytest.raises(ScheduleError, match="confused"):
        crashes(Bank, fails, nothing, nothing)


def test_a_lost_reply_leaves_a_write_unknown_and_a_read_unavailable():
    def notes(bank):
        for call in (
            lambda: bank.accounts.read("left"),
            lambda: bank.accounts.put("right", 1),
        ):
            try:
                call()
            except TierStoreError as error:
                bank.heard.append(type(error))

    heard = []
    crashes(Bank, notes, nothing, lambda bank: heard.append(tuple(bank.heard)), kinds=["lost"])
    assert heard == [(UnavailableError,), (OutcomeUnknownError,), ()]


def test_faults_and_schedules_together():
    """A reader beside a mover that crashes sees the money once or twice, never not at all."""

    def reads(bank):
        bank.heard.append((bank.accounts.read("right"), bank.accounts.read("left")))

    def check(bank):
        totals.update(map(sum, bank.heard))

    totals: set[int] = set()
    for n in (1, 2, 3):
        explore(
            Bank,
            {"mover": move, "reader": reads},
            check,
            processes={"mover": "m", "reader": "r"},
            faults={"mover": Fault(n, "crash")},
        )
    assert totals == {10, 20}
