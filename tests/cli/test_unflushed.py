"""`unflushed`: nothing that a journal holds is out of reach."""

from __future__ import annotations

import json

import pytest

import tierstore
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.testing import FaultPlan, FaultyRegion, MemoryRegion

POLICY = """\
version: 1
tiers: {edge: {journal: journal}, regional: {url: "sqlite:///region.db"}}
replication: {flush: 1h, pull: 1h}
rules: [{match: "n/*", type: counter}, {match: "s/*", type: set}]
"""


@pytest.fixture
def policy(folder):
    path = folder / "tierstore.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture
def left(policy, folder):
    """A journal with writes of each kind, which its region never got."""
    runtime, plan = Runtime(), FaultPlan()
    region = FaultyRegion(MemoryRegion(runtime), plan)
    store = wire(load(str(policy)), runtime, region=region)
    store.put("first", 0)
    store.flush()
    plan.is_region_down = True
    store.put("a", {"x": [1, b"2"]}, metadata={"by": "me"}, ttl="1h")
    store.put("b", 1)
    store.delete("b")
    store.counter("n/1").add(5)
    store.counter("n/1").add(-2)
    store.members("s/1").add("p", 7)
    with pytest.raises(tierstore.UnavailableError):
        store.flush(0.2)  # seals what there is
    store.put("later", None)
    store.close(0)
    return folder / "journal" / "worker-0001.journal"


def lines(cli, *words):
    done = cli("unflushed", *words)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_all_that_waits_is_told_and_stays(cli, policy, left):
    for _ in range(2):
        told = lines(cli)
        by_key = {write["key"]: write for write in told}
        assert {key: (w["verb"], w["value"]) for key, w in by_key.items()} == {
            "a": ("put", {"x": [1, {"$bytes": "Mg=="}]}),
            "b": ("delete", None),
            "n/1": ("change", {"add": 3}),
            "s/1": ("change", {"add": [7, "p"], "discard": []}),
            "later": ("put", None),
        }
        assert by_key["a"]["metadata"] == {"by": "me"}
        assert by_key["a"]["expires_at"] == pytest.approx(by_key["a"]["written_at"] + 3600)
        assert (by_key["n/1"]["type"], by_key["later"]["batch"]) == ("counter", None)
        assert by_key["a"]["batch"] == 2
    with tierstore.open(str(policy)) as store:  # nothing is lost by looking
        assert store.get("a") == {"x": [1, b"2"]}


def test_a_file_that_was_moved_away_can_be_read(cli, left, folder):
    moved = left.rename(folder / "moved.journal")
    for suffix in ("-wal", "-shm"):
        beside = left.with_name(left.name + suffix)
        if beside.exists():
            beside.rename(folder / f"moved.journal{suffix}")
    assert len(lines(cli, str(moved))) == 5
    assert lines(cli) == []


def test_a_file_in_use_or_absent_is_refused(cli, policy, folder):
    with tierstore.open(str(policy)) as store:
        store.put("a", 1)
        done = cli("unflushed", "journal/worker-0001.journal")
        assert (done.exit_code, lines(cli)) == (3, [])
        assert "in use" in done.stderr
    done = cli("unflushed", "journal/worker-0009.journal")
    assert done.exit_code == 3
    assert "there is no journal" in done.stderr
