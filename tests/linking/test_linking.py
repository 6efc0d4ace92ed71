"""Who runs the links of a region, and what becomes of those that fail."""

from __future__ import annotations

from itertools import pairwise

import pytest
from linked import World
from restored import back_up, restore

from tierstore.errors import FencedError, UnavailableError
from tierstore.linking.linking import LEASE_MS, Linking
from tierstore.linking.relay import Relay
from tierstore.linking.standing import standings
from tierstore.policy import load
from tierstore.testing import memory_store
from tierstore.trace.scaling import relocate

BOTH = (("A", "B"), ("B", "A"))


def linking(world, *pairs):
    ends = {name: world.end(name) for name in world.regions}
    pairs = [(ends[source], ends[target]) for source, target in pairs]
    return Linking(pairs, world.runtime, max_drift_s=60.0, repair_s=3600.0)


def test_of_two_processes_one_runs_a_link(world):
    one, two = linking(world, *BOTH), linking(world, *BOTH)
    one.step()
    two.step()
    assert [figures.is_running for figures in one.figures()] == [True, True]
    assert [figures.is_running for figures in two.figures()] == [False, False]
    world.regions["A"].calls.clear()
    two.step()
    assert world.regions["A"].calls == []


@pytest.mark.parametrize("is_released", [True, False])
def test_another_process_goes_on_where_one_ended(world, is_released):
    one, two = linking(world, ("A", "B")), linking(world, ("A", "B"))
    one.step()
    two.step()
    world.put("A", "k", b"1")
    if is_released:
        one.close()
        world.runtime.advance(20)
    else:
        world.runtime.advance(LEASE_MS / 1000 + 1)
    two.step()
    assert two.figures()[0].is_running
    assert world.rows("B")["k"].record.payload == b"1"


def test_a_lease_is_renewed_while_its_process_lives(world):
    one, two = linking(world, ("A", "B")), linking(world, ("A", "B"))
    for _ in range(50):
        one.step()
        two.step()
        world.runtime.advance(3)
    assert one.figures()[0].is_running
    assert not two.figures()[0].is_running


def test_a_target_that_was_restored_is_told_anew_before_long(world):
    """Also by a link that has nothing to do, whose source does not change any more."""
    links, target = linking(world, ("A", "B")), world.regions["B"].inner
    backup = back_up(target)
    world.put("A", "k", b"1")
    links.step()
    assert "k" in world.rows("B")
    restore(target, backup)
    target.reincarnate(1.0)
    for _ in range(5):
        world.runtime.advance(1)
        links.step()
    assert world.rows("B")["k"].record.payload == b"1"


def test_a_peer_that_is_away_holds_back_only_its_own_link():
    world = World("ABC")
    world.put("B", "k", b"1")
    links = linking(world, ("C", "A"), ("B", "A"))
    world.regions["C"].connect = _away
    with pytest.raises(UnavailableError, match="away"):
        links.step()
    assert world.rows("A")["k"].record.payload == b"1"
    away, fine = links.figures()
    assert (away.error, fine.error) == ("away", None)


def _away(*_):
    raise UnavailableError("away")


@pytest.mark.parametrize(("error", "bound_s"), [(UnavailableError, 5), (FencedError, 30)])
def test_what_fails_is_tried_less_and_less_often(world, error, bound_s):
    def fail(*_):
        tries.append(world.runtime.monotonic())
        raise error("away")

    links = linking(world, ("A", "B"))
    tries = []
    world.regions["A"].connect = fail
    for _ in range(200):
        with pytest.raises(error):
            links.step()
        world.runtime.advance(1)
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert 200 / bound_s <= len(tries) <= 400 / bound_s + 10
    assert gaps[0] < bound_s / 2 < max(gaps) <= bound_s + 1


def test_anti_entropy_runs_by_itself(world):
    links = linking(world, *BOTH)
    for number in range(10):
        world.put("A", f"k/{number}", b"x")
    links.step()
    links.step()
    del world.rows("B")["k/3"]
    for _ in range(120):
        world.runtime.advance(60)
        links.step()
    assert "k/3" in world.rows("B")
    assert all(figures.rounds >= 1 for figures in links.figures())


def test_a_relay_ends_once_all_have_what_there_is(world):
    for number in range(1500):
        world.put("A", f"k/{number}", b"x")
    world.add("B", "c", 7)
    told = []
    relay = Relay(linking(world, *BOTH), world.runtime, 1.0, told.append)
    relay.run_once(60.0)
    assert world.records("A") == world.records("B")
    assert told == []


def test_a_relay_that_gets_nowhere_says_why(world):
    world.regions["B"].connect = _away
    told = []
    with pytest.raises(UnavailableError, match="away"):
        Relay(linking(world, *BOTH), world.runtime, 1.0, told.append).run_once(5.0)
    assert told == ["A to B: away", "B to A: away"]


def test_standings_tell_how_far_each_has_got(world):
    world.settle(*BOTH)
    world.runtime.advance(2)
    world.settle(*BOTH)
    for _ in range(3):
        world.put("A", "k", b"x")
    world.put("B", "k", b"y")
    (standing,) = standings(world.end("A"), [world.end("B")])
    assert (standing.peer, standing.is_whole, standing.is_late) == ("B", True, False)
    assert (standing.lag_positions, standing.lag_there_positions) == (1, 3)
    world.regions["B"].connect = _away
    named, known = standings(world.end("A"), [world.end("B")])
    assert (named.error, named.region, known.peer) == ("away", None, None)
    assert known.region == standing.region


def test_what_an_operator_should_know_of_a_peer_is_its_trouble(world):
    links = linking(world, ("B", "A"))
    (fresh,) = links.standings()
    assert (fresh.trouble, "not all" in fresh.told) == (None, True)
    links.step()
    (standing,) = links.standings()
    assert (standing.trouble, "0 positions behind" in standing.told) == (None, True)
    info = world.regions["B"].connect(2.0)
    for reader in (1001, 1002):
        world.regions["A"].introduce(info, reader, 2.0)
    assert "peers --trust" in links.standings()[0].trouble
    world.regions["B"].connect = _away
    assert links.standings()[0].trouble == "away"


def test_stores_of_tests_and_replays_reach_for_no_peer(tmp_path):
    """A policy in use names peers that are somebody's data."""
    policy = {
        "replication": {"peers": {"us": {"url": "sqlite:///us.db"}}, "pull": "10ms"},
        "rules": [{"match": "**", "durability": "memory"}],
    }
    with memory_store(policy) as store:
        store.put("k", 1)
        assert store.maintain().ok
        assert store.stats()["links"] == []
    replayed = relocate(load(policy, tmp_path), str(tmp_path / "replay"))
    assert not replayed.replication.peers
    assert list(tmp_path.iterdir()) == []
