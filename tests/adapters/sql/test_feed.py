"""The feed: each changed key shows, nothing appears behind a cursor, gaps are told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

TIMEOUT_S = 5.0
DAY_S = 86_400

steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=4)),
        st.tuples(st.just("pull"), st.integers(1, 3)),
    ),
    max_size=30,
)


@given(steps)
def test_pulls_see_every_change_in_order(fresh_region, new_sender, steps):
    with fresh_region() as (region, runtime):
        sender = new_sender(region, 1, runtime)
        cursor, latest, seen = 0, {}, {}
        for action, argument in [*steps, ("pull", 100)]:
            if action == "write":
                deltas = [sender.put(key, b"1") for key in argument]
                sender.send(*deltas)
                latest.update({delta.key: delta.record.stamp for delta in deltas})
                continue
            page = sender.changes(cursor, argument)
            positions = [change.position for change in page.changes]
            assert positions == sorted(set(positions))
            assert all(cursor < position <= page.cursor for position in positions)
            seen.update({change.key: change.stamp for change in page.changes})
            cursor = page.cursor
        assert seen == latest
        assert cursor == page.position


def test_a_change_of_a_damaged_row_still_shows(sender, tamper):
    sender.send(sender.put("a", b"1"))
    tamper("UPDATE ts_directory SET header = x'00'")
    assert [change.key for change in sender.changes(0).changes] == ["a"]
