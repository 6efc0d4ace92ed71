"""Replays: right stores give no wrong read, broken ones do, and the figures are exact."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierstore.errors import InvalidArgumentError, PolicyError
from tierstore.replica.pull import Puller
from tierstore.store.store import Store
from tierstore.trace import TraceError, render_report, replay
from tierstore.trace.model import MISSING

POLICY = {"version": 1, "tiers": {"edge": {"capacity": "2KiB"}}}
ROWS = [(0, "set", "a", 20, ""), (1, "get", "a", 20, ""), (2, "get", "b", 30, "")]


@pytest.fixture
def trace(write_trace, mixed_rows):
    return write_trace(mixed_rows())


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_a_right_store_has_no_wrong_reads(trace, replicas):
    report = replay(trace, POLICY, verify=True, replicas=replicas)
    assert report.wrong_reads == 0
    assert (report.requests, report.replicas, report.span_s) == (600, replicas, 74)
    assert report.gets + report.sets == 600
    assert report.hits["edge"] > 0
    assert report.hits["regional"] > 0
    assert sum(report.hits.values()) == report.gets


operations = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from(["get", "get", "set", "delete"]),
        st.sampled_from("abcdef"),
        st.sampled_from([2, 40, 41, 260, 900, 3000]),
        st.sampled_from([None, None, 1, 3]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=operations, replicas=st.integers(1, 3), preload=st.booleans())
def test_deletes_and_expiry_are_modelled(write_trace, operations, replicas, preload):
    now, rows = 0, []
    for wait_s, op, key, size_bytes, ttl_s in operations:
        now += wait_s / 4
        rows.append((now, op, key, size_bytes, ttl_s if ttl_s and op == "set" else ""))
    report = replay(write_trace(rows), POLICY, verify=True, replicas=replicas, preload=preload)
    assert report.wrong_reads == 0


def test_the_ttl_of_a_rule_is_modelled(write_trace):
    rows = [(n * 3, "set" if n % 7 == 0 else "get", "k", 50, "") for n in range(40)]
    rules = [{"match": "**", "ttl": "10s", "ttl_jitter": 0.5}]
    report = replay(write_trace(rows), {**POLICY, "rules": rules}, verify=True)
    assert report.wrong_reads == 0
    assert report.hits["absent"] > 0


def lying(lie):
    """A `get` that answers `lie(store, key, truth)`."""
    truthful = Store.get

    def get(self, key, default=None, **options):
        return lie(self, key, truthful(self, key, default, **options))

    return get


def stale(first_values={}):  # noqa: B006 - the values live as long as the lie
    first_values.clear()
    return lambda store, key, truth: first_values.setdefault(key, truth)


LIES = {
    "another type": lambda store, key, truth: truth.hex(),
    "a flipped byte": lambda store, key, truth: truth[:-1] + bytes([truth[-1] ^ 1]),
    "cut": lambda store, key, truth: truth[:-1],
    "of another key": lambda store, key, truth: store.read("key/1").value,
    "absent": lambda store, key, truth: MISSING,
    "the first one seen": stale(),
}


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("lie", LIES)
def test_wrong_answers_are_counted(trace, monkeypatch, lie, replicas):
    monkeypatch.setattr(Store, "get", lying(LIES[lie]))
    report = replay(trace, POLICY, verify=True, replicas=replicas)
    assert report.wrong_reads > 0


def test_a_single_wrong_answer_is_counted_once(trace, monkeypatch):
    answers = iter(range(10**6))
    monkeypatch.setattr(
        Store, "get", lying(lambda _, __, truth: truth if next(answers) != 200 else b"x")
    )
    assert replay(trace, POLICY, verify=True).wrong_reads == 1


def test_without_verify_nothing_is_judged(trace, monkeypatch):
    monkeypatch.setattr(Store, "get", lying(LIES["cut"]))
    assert replay(trace, POLICY).wrong_reads is None


def test_pulls_that_skip_changes_are_noticed(write_trace, monkeypatch):
    """The replica claims to have seen the feed, and still shows its old copies."""

    def pull(self, deadline):
        self._state.cursor = self._state.link.region.changes(0, 1, 0, 1.0).position
        return 0

    monkeypatch.setattr(Puller, "pull", pull)
    rows = [(n, "set" if n % 6 == 0 else "get", "k", 50, "") for n in range(60)]
    assert replay(write_trace(rows), POLICY, verify=True, replicas=2).wrong_reads > 0


def test_replicas_that_never_agree_are_noticed(write_trace, monkeypatch):
    monkeypatch.setattr(Puller, "pull", lambda self, deadline: 0)
    rows = [(0, "get", "k", 50, ""), (0, "get", "k", 50, ""), (1, "set", "k", 50, "")]
    report = replay(write_trace(rows), POLICY, verify=True, replicas=2)
    assert report.wrong_reads == 1


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("replicas", [1, 2])
def test_tiers_are_those_of_the_receipts(write_trace, mixed_rows, monkeypatch, preload, replicas):
    rows = mixed_rows(ttl=2)
    rows[100::9] = [(row[0], "delete", row[2], row[3], "") for row in rows[100::9]]
    trace = write_trace([(*row[:4], row[4] if row[1] == "set" else "") for row in rows])
    hits = replay(trace, POLICY, preload=preload, replicas=replicas).hits
    tiers = Counter()

    def get(self, key, default=None):
        reading = self.read(key)
        tiers[reading.tier or "absent"] += 1
        return reading.value if reading.found else default

    monkeypatch.setattr(Store, "get", get)
    replay(trace, POLICY, preload=preload, replicas=replicas)
    assert {tier: count for tier, count in hits.items() if count} == dict(tiers)


def test_keys_read_first_are_there_unless_told_otherwise(write_trace):
    trace = write_trace(ROWS)
    loaded = replay(trace, POLICY, verify=True)
    assert (loaded.preloaded, loaded.hits["absent"], loaded.wrong_reads) == (1, 0, 0)
    empty = replay(trace, POLICY, verify=True, preload=False)
    assert (empty.preloaded, empty.hits["absent"], empty.wrong_reads) == (0, 1, 0)


def test_sizes_and_capacities_scale_alike(write_trace, mixed_rows):
    rows = mixed_rows(size=8000)
    plain = {"version": 1, "tiers": {"edge": {"capacity": "64KiB"}}}
    whole = replay(write_trace(rows), plain, verify=True)
    capped = replay(write_trace(rows), plain, verify=True, value_cap=2002)
    assert whole.scale == 1.0
    assert capped.scale == 2002 / 8008
    assert capped.edge_capacity_bytes == round(64 * 1024 * capped.scale)
    assert capped.wrong_reads == 0
    assert abs(capped.edge_hit_ratio - whole.edge_hit_ratio) < 0.02


def test_a_cap_above_every_size_changes_nothing(trace):
    assert replay(trace, POLICY, value_cap=1 << 20).scale == 1.0


def test_the_limit_ends_a_replay(trace):
    assert replay(trace, POLICY, verify=True, limit=7).requests == 7


def test_bad_rows_stop_a_replay_or_are_counted(write_trace):
    trace = write_trace([*ROWS, "oops", "2,get,b"])
    with pytest.raises(TraceError, match=r"trace.csv:5: 1 columns"):
        replay(trace, POLICY)
    report = replay(trace, POLICY, skip_bad=True)
    assert (report.requests, report.skipped) == (3, 2)
    assert "trace.csv:5" in report.first_skipped
    assert "2 malformed rows skipped" in render_report(report)


def test_an_empty_trace_is_refused(write_trace):
    with pytest.raises(TraceError, match="no requests"):
        replay(write_trace([]), POLICY)


def test_values_above_the_limit_are_refused_before_anything(write_trace):
    trace = write_trace([(0, "get", "a", 27 * 2**20, "")])
    with pytest.raises(TraceError, match="value cap"):
        replay(trace, POLICY)
    assert replay(trace, POLICY, verify=True, value_cap=1000).wrong_reads == 0


@pytest.mark.parametrize("options", [{"limit": 0}, {"value_cap": 0}, {"replicas": 0}])
def test_options_are_checked(trace, options):
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        replay(trace, POLICY, **options)


def test_a_bad_policy_is_refused(trace):
    with pytest.raises(PolicyError):
        replay(trace, {"version": 1, "tears": {}})


def test_a_replay_touches_no_data_of_the_policy(trace, tmp_path):
    data = tmp_path / "production"
    policy = {
        "version": 1,
        "tiers": {
            "edge": {"journal": str(data / "journal")},
            "regional": {"url": f"sqlite:///{data}/region.db"},
        },
    }
    replay(trace, policy)
    assert not data.exists()


def test_a_given_directory_keeps_the_region_and_is_used_once(trace, tmp_path):
    directory = tmp_path / "replayed"
    replay(trace, POLICY, base_dir=directory)
    assert (directory / "region.db").is_file()
    with pytest.raises(TraceError, match=r"region.db exists"):
        replay(trace, POLICY, base_dir=directory)


def test_the_report_is_plain_data(trace):
    report = json.loads(json.dumps(replay(trace, POLICY, verify=True, replicas=2).as_dict()))
    assert set(report["hits"]) == {"edge", "regional", "cold", "absent"}
    assert report["moves"] == {"promoted": 0, "demoted": 0}
    assert report["edge_hit_ratio"] == report["hits"]["edge"] / report["gets"]
    assert report["requests_per_s"] > 0
    assert report["peak_rss_mb"] > 1
    parts = report["per_replica"]
    assert sum(part["flushed"] for part in parts) <= report["sets"]
    assert any(part["refreshed"] for part in parts)
    assert any(part["batches"] for part in parts)


def test_progress_tells_every_stage(trace):
    told = []
    replay(trace, POLICY, progress=lambda *progress: told.append(progress))
    assert [stage for stage, _, _ in told] == ["reading", "loading", "replaying"]
    assert told[-1][1:] == (600, 600)


def test_the_text_says_who_answered(trace):
    text = render_report(replay(trace, POLICY, verify=True))
    assert "answered by the edge" in text
    assert "every read was compared with a model" in text
    assert "nothing was verified" in render_report(replay(trace, POLICY))
