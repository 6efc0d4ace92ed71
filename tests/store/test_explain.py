"""`explain` says what is so, once, and nothing that another line of it contradicts."""

from __future__ import annotations

import pytest

RULES = [
    {"match": "near/**", "durability": "memory", "read": {"max_age": "1s"}},
    {"match": "patient/**", "read": {"max_age": "1s", "stale_if_error": "1h"}},
    {"match": "far/**", "durability": "regional", "place": {"never": ["edge"]}},
    {"match": "large/**", "edge": {"max_value": "10B"}},
]
PLACEMENT = ("at the edge", "away from the edge", "read through", "are not served")


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
    assert (told["version"], told["age"], told["expires"]) == ("-", "-", "-")
    said = {"delete": ["it was deleted"], "expire": ["it has expired"], "none": []}[end]
    assert [r for r in told["because"][1:] if "waits for the next flush" not in r] == said


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("near/k", "it is at the edge because"),
        ("far/k", "the rule keeps it away from the edge"),
        ("large/k", "it is larger than edge.max_value (10B)"),
    ],
)
def test_a_live_key_has_one_reason_to_be_where_it_is(store, key, reason):
    store.put(key, b"x" * 20)
    placed = [r for r in store.explain(key).reasons if any(p in r for p in PLACEMENT[:3])]
    assert len(placed) == 1
    assert placed[0].startswith(reason)


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
    assert told["version"] == store.read("near/k").version
    assert told["age"] == "not compared with the region yet"
    store.put("near/k", 1)
    assert lines(store.explain("near/k"))["expires"] == "never"
    store.flush()
    store.get("far/k")
    store.maintain()
    runtime.advance(0.5)
    explanation = store.explain("near/k")
    assert lines(explanation)["age"] == f"at most {explanation.age_s:.3g} s behind the region"


def test_an_expiry_is_told_in_utc(store, runtime):
    now_ms = runtime.time_ns() // 1_000_000
    store.put("near/k", 1, ttl=60)
    told = lines(store.explain("near/k"))["expires"]
    from datetime import datetime

    assert datetime.fromisoformat(told).timestamp() == (now_ms + 60_000) / 1000
    assert told.endswith("+00:00")


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
