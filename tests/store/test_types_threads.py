"""Many threads at one handle, while it is flushed, pulled and evicted."""

from __future__ import annotations

import threading

import pytest

import tierstore

THREADS, ROUNDS = 6, 400
POLICY = {
    "version": 1,
    "tiers": {"edge": {"capacity": "2KiB", "journal": "journal"}},
    "replication": {"flush": "1ms", "pull": "1ms"},
    "rules": [
        {"match": "jrn/n/*", "type": "counter"},
        {"match": "mem/n/*", "type": "counter", "durability": "memory"},
        {"match": "mem/s/*", "type": "set", "durability": "memory"},
    ],
}


def run_all(work):
    """`work(number)` in as many threads; re-raises what one of them raised."""
    errors = []

    def run(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_no_increment_of_any_thread_is_lost_or_counted_twice(tmp_path):
    other = POLICY | {"tiers": {"edge": {"journal": "other"}}}
    with (
        tierstore.open(POLICY, base_dir=tmp_path) as store,
        tierstore.open(other, base_dir=tmp_path) as second,
    ):

        def count(number):
            here = (store, second)[number % 2]
            own = here.counter(f"mem/n/own{number}")
            for turn in range(ROUNDS):
                here.counter("mem/n/all").add(1)
                own.add(-1)
                if turn % 20 == 0:
                    here.counter("jrn/n/all").add(1)
                    assert own.get() == -turn - 1
                    here.put(f"filler/{turn}", "x" * 200)  # lets copies be evicted
                if turn % 100 == 0:
                    here.flush()

        run_all(count)
        store.flush(), second.flush()
        store.maintain(), second.maintain()
        for here in (store, second):
            assert here.counter("mem/n/all").get() == THREADS * ROUNDS
            assert here.counter("jrn/n/all").get() == THREADS * (ROUNDS // 20)
            for number in range(THREADS):
                assert here.counter(f"mem/n/own{number}").get() == -ROUNDS
            assert here._core.replica.state.outbox.dirty_bytes == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_set_can_be_read_while_it_changes(tmp_path):
    with tierstore.open(POLICY, base_dir=tmp_path) as store:
        members = store.members("mem/s/all")

        def change(number):
            for turn in range(ROUNDS // 4):
                members.add(f"{number}/{turn}")
                assert members.contains(f"{number}/{turn}")
                if turn % 2:
                    members.discard(f"{number}/{turn}")
                assert len(members.all()) <= THREADS * ROUNDS

        run_all(change)
        store.flush()
        store.maintain()
        kept = {f"{n}/{t}" for n in range(THREADS) for t in range(0, ROUNDS // 4, 2)}
        assert members.all() == kept
        assert store._core.replica.state.outbox.dirty_bytes == 0
