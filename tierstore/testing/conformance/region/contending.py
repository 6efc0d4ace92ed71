"""Commits at the same time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.region.commits import version_of
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.committer import (
    Committer,
    absent,
    delete,
    extend,
    has,
    put,
)
from tierstore.testing.conformance.region.committing import CommitBench
from tierstore.testing.conformance.together import Waiting, outcomes_of, together
from tierstore.values.msgpack import pack, unpack

if TYPE_CHECKING:
    from tierstore.region.commits import CommitReply, Version
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness

WRITERS, ROUNDS = 4, 12


class Contending(CommitBench):
    """Strictly serializable, whoever commits at the same time."""

    @pytest.fixture
    def crowd(
        self, committer: Committer, harness: RegionHarness, clock: ManualRuntime
    ) -> Committer:
        """One whom threads share; it waits as the system does."""
        return Committer(harness.open(Waiting(clock)), clock)

    def test_of_those_who_expect_one_version_one_wins(self, crowd: Committer) -> None:
        """So counting by compare-and-set loses nothing."""

        def count() -> None:
            for _ in range(ROUNDS):
                while not _add_one(crowd, "n"):
                    pass

        together(*[count] * WRITERS)
        assert unpack(crowd.payload("n") or b"") == WRITERS * ROUNDS

    def test_of_those_who_find_a_key_absent_one_creates_it(self, crowd: Committer) -> None:
        """In either space: a key that is not there is locked all the same."""
        for number in range(ROUNDS):
            for key in (f"k{number}", f":k{number}"):
                calls = [partial(crowd.commit, absent(key), put(key))] * WRITERS
                verdicts = [cast("CommitReply", found).verdict for found in outcomes_of(calls)]
                assert sorted(verdicts) == ["committed", *["conflict"] * (WRITERS - 1)]

    def test_no_write_skew_over_keys_that_are_absent(self, crowd: Committer) -> None:
        """Two who each write what the other has found absent: one of them is refused."""
        for number in range(ROUNDS):
            a, b = f"a{number}", f":b{number}"
            calls = [
                partial(crowd.commit, absent(a), put(b)),
                partial(crowd.commit, absent(b), put(a)),
            ]
            verdicts = [cast("CommitReply", found).verdict for found in outcomes_of(calls)]
            assert sorted(verdicts) == ["committed", "conflict"]

    def test_no_write_skew_over_keys_that_are_there(self, crowd: Committer) -> None:
        """Nor where each checks what the other writes."""
        for number in range(ROUNDS):
            a, b = f"a{number}", f"b{number}"
            versions = crowd.put(a), crowd.put(b)
            calls = [
                partial(crowd.commit, has(a, versions[0]), has(b, versions[1]), put(key))
                for key in (a, b)
            ]
            verdicts = [cast("CommitReply", found).verdict for found in outcomes_of(calls)]
            assert sorted(verdicts) == ["committed", "conflict"]

    def test_one_operation_sent_by_several_at_once_happens_once(self, crowd: Committer) -> None:
        """All are told of the same version, and all but one that it was before."""
        for number in range(ROUNDS):
            key, name = f"k{number}", crowd.operation()
            calls = [partial(crowd.commit, absent(key), put(key), operation_id=name)] * WRITERS
            replies = [cast("CommitReply", found) for found in outcomes_of(calls)]
            assert {reply.verdict for reply in replies} == {"committed"}
            assert len({reply.version for reply in replies}) == 1
            assert [reply.repeated for reply in replies].count(False) == 1

    def test_one_id_for_two_requests_at_once_is_of_one(self, crowd: Committer) -> None:
        """The other is refused, although it names other keys."""
        for number in range(ROUNDS):
            name = f"mine {number}"
            calls = [
                partial(crowd.commit, put(f"{n}/{number}"), operation_id=name) for n in range(3)
            ]
            verdicts = [cast("CommitReply", found).verdict for found in outcomes_of(calls)]
            assert sorted(verdicts) == ["committed", "reused", "reused"]
            written = [crowd.payload(f"{n}/{number}") for n in range(3)]
            assert written == [b"\x01" if v == "committed" else None for v in verdicts]

    def test_what_is_asked_about_while_it_is_committed(self, crowd: Committer) -> None:
        """It has happened or it never does, as the answers say."""
        for number in range(ROUNDS):
            key, name = f"k{number}", crowd.operation()
            commit, settle = outcomes_of(
                [
                    partial(crowd.commit, put(key), operation_id=name),
                    partial(crowd.region.settle, name, TIMEOUT_S),
                ]
            )
            verdicts = cast("CommitReply", commit).verdict, cast("CommitReply", settle).verdict
            assert verdicts in (("committed", "committed"), ("late", "abandoned"))
            assert crowd.payload(key) == (b"\x01" if verdicts[0] == "committed" else None)

    def test_money_is_neither_made_nor_lost(self, crowd: Committer) -> None:
        """Transfers between accounts, and readers who see the sum whenever they look."""
        accounts = [f"account/{number}" for number in range(4)]
        crowd.commit(*[put(key, pack(100)) for key in accounts])
        done = list[bool]()

        def transfer(first: int) -> None:
            for number in range(ROUNDS):
                source, target = accounts[first], accounts[(first + 1 + number % 3) % 4]
                while not _transfer(crowd, source, target):
                    pass
            done.append(True)

        def audit() -> None:
            while len(done) < 3:
                rows = crowd.region.read(accounts, 0, TIMEOUT_S).rows
                assert sum(_number(row.record.payload) for row in rows.values()) == 400

        together(audit, *[partial(transfer, number) for number in range(3)])

    def test_versions_of_a_key_grow_in_the_order_of_its_writes(self, crowd: Committer) -> None:
        """Whoever reads sees them grow; no two commits have the same number."""
        given: list[int] = []
        done = list[bool]()

        def write(number: int) -> None:
            for _ in range(ROUNDS):
                given.append(crowd.put("k").number)
            done.append(True)

        def read() -> None:
            last = 0
            while len(done) < 3:
                row = crowd.region.read(["k"], 0, TIMEOUT_S).rows.get("k")
                number = 0 if row is None else version_of(row).number
                assert number >= last
                last = number

        together(read, *[partial(write, number) for number in range(3)])
        assert len(set(given)) == 3 * ROUNDS

    def test_keys_named_in_any_order_never_block_each_other_for_good(
        self, crowd: Committer
    ) -> None:
        """Locks are taken in one order, whatever the commit says."""
        keys = ["a", "b", "c", ":a", ":b"]

        def write(number: int) -> None:
            for step in range(ROUNDS):
                at = (number + step) % len(keys)
                order = [*keys[at:], *keys[:at]][:: 1 if step % 2 else -1]
                writes = [put(key) if n % 2 else delete(key) for n, key in enumerate(order)]
                assert crowd.commit(*writes).verdict == "committed"

        together(*[partial(write, number) for number in range(WRITERS)])

    def test_a_longer_life_does_not_bring_back_what_was_replaced(self, crowd: Committer) -> None:
        """EXTEND under a check of the version and a put of another: the put stands."""
        for number in range(ROUNDS):
            key = f"k{number}"
            version = crowd.put(key, b"\x01", 60_000)
            outcomes_of(
                [
                    partial(crowd.commit, has(key, version), extend(key, 120_000)),
                    partial(crowd.commit, put(key, b"\x02")),
                ]
            )
            assert crowd.payload(key) == b"\x02"


def _add_one(committer: Committer, key: str) -> bool:
    row = committer.region.read([key], 0, TIMEOUT_S).rows.get(key)
    if row is None:
        check, number = absent(key), 0
    else:
        check, number = has(key, version_of(row)), _number(row.record.payload)
    return committer.commit(check, put(key, pack(number + 1))).verdict == "committed"


def _transfer(committer: Committer, source: str, target: str) -> bool:
    rows = committer.region.read([source, target], 0, TIMEOUT_S).rows
    versions: dict[str, Version] = {key: version_of(row) for key, row in rows.items()}
    left = pack(_number(rows[source].record.payload) - 1)
    more = pack(_number(rows[target].record.payload) + 1)
    checks = [has(key, version) for key, version in versions.items()]
    return committer.commit(*checks, put(source, left), put(target, more)).verdict == "committed"


def _number(payload: bytes | None) -> int:
    number = unpack(payload or b"")
    assert isinstance(number, int)
    return number
