"""`explain` says what is so, once, and nothing that another line of it contradicts."""

from __future__ import annotations

from datetime import datetime

import pytest

RULES = [
    {"match": "near/**", "durability": "memory", "read": {"max_age": "1s"}},
    {"match": "patient/**", "read": {"max_age": "1s", "stale_if_error": "1h"}},
    {"match": "far/**", "durability": "regional", "place": {"never": ["edge"]}},
    {"match": "large/**", "edge": {"max_value": "10B"}},
]
PLACEMENT = ("edge copy", "at the edge", "home is", "are not served")
OF_VALUES = {"value", "edge", "home", "heat", "clocks", "next"}


@pytest.fixture
def store(open_store):
    return open_store(rules=RULES)


def lines(explanation):
    """The lines of the report by what they are about; those after `because` in a list."""
    _, *rest = str(explanation).splitlines()
    found = {line.split()[0]: line.split(maxsplit=1)[1] for line in rest}
    return found | {"because": [line.split(maxsplit=1)[1] for line in rest if "because" in line]}


@pytest.mark.parametrize("folder", ["near", "patient", "far", "large"])
@pytest.mark.parametrize("end", ["delete", "expire", "none"])
def test_a_dead_key_is_nowhere_for_no_reason_of_placement(store, runtime, folder, end):
    key = f"{folder}/k"
    if end != "none":
        store.put(key, b"x" * 20, ttl=5)
    if end == "delete":
        store.delete(key)
    runtime.advance(10)
    explanation = store.explain(key)
    assert (explanation.found, explanation.tiers) == (False, ())
    told = lines(explanation)
    assert not [reason for reason in told["because"] if any(p in reason for p in PLACEMENT)]
    assert not OF_VALUES & told.keys()
    assert (explanation.version, explanation.home, explanation.written_at) == (None, None, None)
    said = {"delete": ["it was deleted"], "expire": ["it has expired"], "none": []}[end]
    assert [r for r in told["because"][1:] if "waits for the next flush" not in r] == said


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("near/k", "hot is auto, so that keys compete for capacity: an edge copy is kept"),
        ("far/k", "place keeps it off the edge: no edge copy"),
        ("large/k", "29B is more than edge.max_value 10B: no edge copy"),
    ],
)
def test_a_live_key_has_one_reason_to_have_a_copy_here_or_none(store, key, reason):
    store.put(key, b"x" * 20)
    (told,) = [r for r in store.explain(key).reasons if "edge copy" in r]
    assert told == reason


def test_a_copy_that_would_be_welcome_and_is_not_here_is_told(open_store):
    store = open_store(rules=RULES)
    store.put("near/k", 1)
    store.flush()
    other = open_store(rules=RULES, tiers={"edge": {"url": "memory://", "journal": "other"}})
    reasons = other.explain("near/k").reasons
    assert "it is not at the edge: not used here, or evicted for more useful keys" in reasons


def test_what_only_the_outbox_holds_is_found_on_its_way(store):
    store.put("large/k", b"x" * 20)
    explanation = store.explain("large/k")
    assert (explanation.found, explanation.tiers, explanation.unflushed) == (True, (), True)
    assert explanation.version == store.read("large/k").version
    assert str(explanation).startswith("large/k: found, on its way to the region\n")
    store.flush()
    assert str(store.explain("large/k")).startswith("large/k: found, regional\n")


def test_the_report_holds_the_receipt(store, runtime):
    store.put("near/k", 1, ttl=60)
    told = lines(store.explain("near/k"))
    assert f"version {store.read('near/k').version}, " in told["value"]
    assert told["edge"].startswith("a copy, not compared with the region yet; ")
    store.put("near/k", 1)
    assert lines(store.explain("near/k"))["value"].endswith("expires never")
    store.flush()
    store.get("far/k")
    store.maintain()
    runtime.advance(0.5)
    explanation = store.explain("near/k")
    age = f"a copy, at most {explanation.age_s:.3g} s behind the region; "
    assert lines(explanation)["edge"].startswith(age)


def test_an_expiry_is_told_in_utc(store, runtime):
    now_ms = runtime.time_ns() // 1_000_000
    store.put("near/k", 1, ttl=60)
    explanation = store.explain("near/k")
    told = lines(explanation)["value"].rpartition("expires ")[2]
    assert explanation.expires_at == (now_ms + 60_000) / 1000
    assert datetime.fromisoformat(told).timestamp() == int(explanation.expires_at)
    assert told.endswith("Z")


def test_ages_beyond_the_bound_are_said_to_be_served_in_need(store):
    for folder, said in (
        ("near", "copies older than 1s are not served"),
        (
            "patient",
            "copies older than 1s are not served, but for up to 1h more while the region does not"
            " answer",
        ),
    ):
        store.put(f"{folder}/k", 1)
        assert said in store.explain(f"{folder}/k").reasons


def test_what_the_edge_knows_is_told_while_the_region_is_out(store, region):
    store.put("near/k", 1)
    store.flush()
    store.get("near/k")
    region.is_out = True
    explanation = store.explain("near/k")
    assert (explanation.found, explanation.tiers, explanation.home) == (True, ("edge",), None)
    assert explanation.reads == 1
    assert explanation.edge_reads_per_s > 0
    assert explanation.written_at is not None
    assert explanation.created_at is None
    assert any("the region does not answer" in reason for reason in explanation.reasons)
    assert "\n  home " not in str(explanation)


def test_an_own_deletion_that_the_region_does_not_know_is_said_to_wait(store):
    store.put("near/k", 1)
    store.flush()
    store.delete("near/k")
    told = str(store.explain("near/k"))
    assert told.startswith("near/k: absent, though regional holds it until the next flush\n")
    assert "\n  waiting     a write for the region\n" in told
    store.flush()
    assert str(store.explain("near/k")).startswith("near/k: absent, nowhere\n")
