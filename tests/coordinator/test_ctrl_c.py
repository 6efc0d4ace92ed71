"""Ctrl-C between any two steps of a verb on strong keys: what follows goes on as if nothing was."""

from __future__ import annotations

import sys
from itertools import count

import pytest

from tierstore.runtime import Runtime
from tierstore.testing import MemoryRegion, memory_store

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

STRIKES_MAX = 4000
ELSEWHERE = ("memory_region.py", "memory_commits.py", "importlib._bootstrap>", "contextlib.py")


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


def struck(verb, stride=1):
    """What became of `verb` at each of its steps, or at some of them."""
    for number in range(0, STRIKES_MAX, stride):
        found = interrupt(verb, number)
        yield found
        if found == "ended":
            return
    pytest.fail("the verb never ended")


def test_ctrl_c_anywhere_in_a_sequence():
    runtime = Runtime()
    region = MemoryRegion(runtime)
    store, other = (memory_store({}, region=region, runtime=runtime) for _ in range(2))
    numbers, others = store.sequence("n"), other.sequence("n")
    given = [numbers.next()]

    def draw():
        given.append(numbers.next())

    for _ in struck(draw):
        given += [numbers.next(timeout=1) for _ in range(3)]
        given.append(others.next())
    assert len(given) == len(set(given))
    store.close()
    other.close()


def test_ctrl_c_anywhere_in_a_transaction(store, other):
    store.put("s/n", 0)
    done = doubtful = 0

    def count_up(tx):
        tx.put("s/n", tx.get("s/n") + 1)

    for found in struck(lambda: store.transact(count_up), stride=3):
        done += found != "interrupted"
        doubtful += found == "interrupted"
        store.transact(count_up)
        done += 1
    assert done <= other.get("s/n") <= done + doubtful


def test_ctrl_c_anywhere_in_a_block_with_a_lease(store, other, runtime):
    def block():
        with store.lease("l", ttl=6):
            pass

    for _ in struck(block, stride=3):
        runtime.advance(7)
        with other.lease("l"):
            pass


def test_ctrl_c_anywhere_in_a_read_or_write(store, other):
    def use():
        store.put("s/a", 1)
        store.get("s/a", max_age=60)
        store.get_many(["s/a", "s/b"])

    for n, _ in enumerate(struck(use, stride=2), 2):
        other.put("s/a", n)
        assert store.get("s/a") == n
        assert store.get("s/a", max_age=60) == n
    assert not store._core.strong.central._in_flight
