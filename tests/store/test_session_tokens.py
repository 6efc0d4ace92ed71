"""Tokens of sessions: what they hold, how long they are, and who may have made them."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import InvalidArgumentError, PolicyError, StaleReplicaError
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.record import REPLICA_MAX
from tierstore.region.rows import RegionInfo
from tierstore.replica.seen import LIFE_MAX, POSITION_MAX, TOKEN, Seen, life_of
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store
from tierstore.values.opaque import Keyring

OLD_KEY, NEW_KEY = "an old key of 24 letters", "a new key of 24 letters."
KEYS = Keyring([b"k" * 16], "session token")
LIVES = st.integers(0, LIFE_MAX)
POSITIONS = st.integers(0, POSITION_MAX)
SEEN = st.dictionaries(LIVES, POSITIONS, max_size=8)
FORMAT_1 = "lgHZIGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFizwAAAYvP5WgAzTA5zwAf________Bw"
FORMAT_2 = "lgLPAB________8HAc8aA8YSBpXQqM0wOQ"
LIFE = life_of(RegionInfo("ab" * 16, 1_700_000_000_000))


def store_of(*keys, region=None, seed=1):
    policy = {"replication": {"flush": "1h", "pull": "1h"}}
    if keys:
        policy["security"] = {"session_key": list(keys)}
    runtime = ManualRuntime(seed=seed)
    return memory_store(policy, region=region or MemoryRegion(runtime), runtime=runtime)


def made(positions, replica=0, number=0, home=0, keys=None, *, is_of_queues=False):
    seen = Seen(None, keys)
    seen.is_of_queues = is_of_queues
    seen.positions, seen.home = positions, home
    seen.pending = {replica: number} if replica or number else {}
    return seen.token()


@given(SEEN, st.integers(0, REPLICA_MAX), POSITIONS, st.data())
def test_a_token_comes_back_and_is_short(positions, replica, number, data):
    home = data.draw(st.sampled_from([0, *positions]))
    for keys in (None, KEYS):
        token = made(positions, replica, number, home, keys)
        seen = Seen(token, keys)
        pending = {replica: number} if replica or number else {}
        assert (seen.positions, seen.pending, seen.home) == (positions, pending, home)
        assert len(token) < 256
        assert seen.token() == token


def test_the_longest_token_of_eight_regions_is_short():
    lives = {LIFE_MAX - n: POSITION_MAX for n in range(8)}
    for wide in (False, True):
        token = made(lives, REPLICA_MAX, POSITION_MAX, LIFE_MAX, KEYS, is_of_queues=wide)
        assert len(token) < 256


@given(SEEN, st.dictionaries(st.integers(1, REPLICA_MAX), POSITIONS, min_size=1), st.data())
def test_a_token_of_several_queues_comes_back(positions, pending, data):
    seen = Seen(None, KEYS)
    seen.positions, seen.pending, seen.is_of_queues = positions, pending, True
    seen.home = data.draw(st.sampled_from([0, *positions]))
    again = Seen(seen.token(), KEYS)
    assert (again.positions, again.pending, again.home) == (positions, pending, seen.home)
    assert seen.is_too_long == (len(pending) > 1 and len(seen.token()) > 255)


@pytest.mark.parametrize(
    "fields",
    [
        (0, 0), (1, 0), (1, 5, 5), (2, 5, 5, 0), (2, 5, 5, 5, 6, 0), (1, 5, 5, 1), (-1, 5, 5, 0),
        (1, REPLICA_MAX + 1, 5, 0), (1, 5, POSITION_MAX + 1, 0), (1, 5, 5, 0, 5),
    ],
)  # fmt: skip
def test_what_no_token_of_queues_says_is_refused(fields):
    with pytest.raises(InvalidArgumentError):
        Seen(TOKEN.encode(3, *fields))


def test_tokens_of_the_first_format_are_read():
    seen = Seen(FORMAT_1)
    assert (seen.positions, seen.home) == ({LIFE: 12_345}, LIFE)
    assert seen.pending == {REPLICA_MAX: 7}
    assert seen.token() == FORMAT_2
    assert Seen("lgGgAAAAAA").positions == {}


@pytest.mark.parametrize(
    "fields",
    [
        (0, 0), (0, 0, 1), (0, 0, 0, 5), (0, 0, 0, 5, -1), (0, 0, -1, 5, 5), (0, 0, 2, 5, 5),
        (REPLICA_MAX + 1, 0, 0), (0, POSITION_MAX + 1, 0), (0, 0, 0, 5, 5, 5, 6), (0, True, 0),
        (0, 0, 0, "5", 5),
    ],
)  # fmt: skip
def test_fields_that_no_session_has_are_refused(fields):
    with pytest.raises(InvalidArgumentError, match="token: not one of a session"):
        Seen(TOKEN.encode(2, *fields))


def test_a_token_is_taken_by_who_has_the_key_that_signed_it():
    with store_of(OLD_KEY) as old, store_of(NEW_KEY, OLD_KEY) as both, store_of(NEW_KEY) as new:
        first = old.session().session_token
        second = both.session(first).session_token
        assert new.session(second).get("x") is None
        assert both.session(second).get("x") is None
        for store, token in ((new, first), (old, second)):
            with pytest.raises(InvalidArgumentError, match="token: not signed with any security"):
                store.session(token)


def test_what_is_not_signed_is_refused_where_there_is_a_key_and_the_reverse():
    with store_of() as plain, store_of(NEW_KEY) as strict:
        with pytest.raises(InvalidArgumentError, match="token: not signed, which security"):
            strict.session(plain.session().session_token)
        with pytest.raises(InvalidArgumentError, match=r"token: signed, but no security\.session"):
            plain.session(strict.session().session_token)


@given(st.data())
def test_no_bit_of_a_signed_token_can_be_changed(data):
    token = made({LIFE: 5}, 1, 2, LIFE, KEYS)
    raw = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for text in (raw, raw[: data.draw(st.integers(0, len(raw)))]):
        with pytest.raises(InvalidArgumentError, match="token: "):
            Seen(urlsafe_b64encode(text).decode().rstrip("="), KEYS)


def test_a_signature_for_another_purpose_is_worth_nothing():
    other = Keyring([b"k" * 16], "something else")
    with pytest.raises(InvalidArgumentError, match="token: not signed with any"):
        Seen(made({}, keys=other), KEYS)


def test_keys_come_from_the_environment_and_are_shown_nowhere(monkeypatch):
    with store_of("${env:TIERSTORE_KEY}") as store:
        monkeypatch.setenv("TIERSTORE_KEY", "hunter2 hunter2 hunter2")
        session = store.session()
        told = f"{store.session(session.session_token)!r} {session._context.seen._keys!r}"
        assert "hunter2" not in told + repr(store._core.policy)
        monkeypatch.setenv("TIERSTORE_KEY", "hunter2")
        with pytest.raises(PolicyError, match="a key has at least 16 bytes") as caught:
            store.session()
        assert "hunter2" not in str(caught.value)
        monkeypatch.delenv("TIERSTORE_KEY")
        with pytest.raises(PolicyError, match="TIERSTORE_KEY is not set"):
            store.session()


def linked():
    """Two regions, and what lets each take over the other's rows."""
    runtime = ManualRuntime()
    regions = [MemoryRegion(runtime), MemoryRegion(runtime)]
    ends = [End("one", lambda: regions[0], 2.0), End("two", lambda: regions[1], 2.0)]
    links = [Link(*ends, runtime, 60_000), Link(*reversed(ends), runtime, 60_000)]

    def link():
        for each in (*links, *links):
            while each.step():
                pass
            each.finish()

    return *regions, link


def test_what_was_seen_of_other_regions_goes_along():
    here, elsewhere, link = linked()
    with store_of(region=here) as a, store_of(region=elsewhere, seed=2) as b:
        for store in (a, b):
            store.put("x", 1)
            store.flush()
        link()
        first = a.session()
        first.get("x")
        second = b.session(first.session_token)
        second.get("x")
        assert len(Seen(second.session_token).positions) == 2
        third = a.session(second.session_token)
        assert third.get("x") == 1
        assert Seen(third.session_token).positions == Seen(second.session_token).positions


def test_of_a_batch_that_waits_in_another_region_nothing_is_known():
    here, elsewhere, link = linked()
    with store_of(region=here) as a, store_of(region=elsewhere, seed=2) as b:
        first = a.session()
        first.get("y")
        first.put("x", 1)
        second = b.session(first.session_token)
        with pytest.raises(StaleReplicaError, match="in another region") as caught:
            second.get("x")
        assert not caught.value.lost
        a.flush()
        second.forget()
        assert second.get("x") is None
        link()
        assert b.session(first.session_token).get("x") == 1


def test_another_life_of_a_region_is_told_apart():
    runtime = ManualRuntime(seed=1)
    with store_of(region=MemoryRegion(runtime)) as store:
        store.flush()
        store.session().get("x")
        info = store._core.replica.state.link.register(store._core.deadline(None)).info
        lost = store.session(made({life_of(RegionInfo(info.region, info.incarnation + 1)): 0}))
        with pytest.raises(StaleReplicaError, match="another life") as caught:
            lost.get("x")
        assert caught.value.lost
