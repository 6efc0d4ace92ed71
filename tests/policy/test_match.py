"""Matching agrees with a backtracking matcher, and its cost does not grow with the rules."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierstore.policy import match
from tierstore.policy.hiding import find_hidden, first_hider
from tierstore.policy.match import ANY, MANY, Automaton, Matcher, parse_pattern
from tierstore.policy.model import Rule, default_rule

segments = st.sampled_from(["**", "*", "a", "b", "", "\\*", "\\\\", "c\\*d"])
patterns = st.lists(segments, min_size=1, max_size=5).map("/".join).filter(bool)
pattern_lists = st.lists(patterns, min_size=1, max_size=6)
keys = st.lists(st.sampled_from(["a", "b", "", "*", "\\", "c*d", "z"]), min_size=1, max_size=6)


def naive(pattern, key):
    """Whether the segments `pattern` match the segments `key`, by trying everything."""
    if not pattern:
        return not key
    if pattern[0] is MANY:
        return any(naive(pattern[1:], key[skipped:]) for skipped in range(len(key) + 1))
    return bool(key) and pattern[0] in (ANY, key[0]) and naive(pattern[1:], key[1:])


def naive_first(patterns, key):
    parts = key.split("/")
    answers = [i for i, text in enumerate(patterns) if naive(list(parse_pattern(text)), parts)]
    return answers[0] if answers else -1


@given(pattern_lists, st.lists(keys.map("/".join), min_size=1, max_size=20))
def test_agrees_with_backtracking(patterns, keys):
    automaton = Automaton(patterns)
    expected = [naive_first(patterns, key) for key in keys]
    assert [automaton.first_match(key) for key in keys] == expected
    assert [automaton.first_match(key) for key in keys] == expected


@given(pattern_lists, keys.map("/".join), st.integers(0, 12))
def test_the_first_match_of_a_key_is_among_those_under_its_prefixes(patterns, key, length):
    automaton = Automaton(patterns)
    under = automaton.owners_under(key[:length])
    first = naive_first(patterns, key)
    assert first in under or first < 0


@pytest.mark.parametrize(
    ("prefix", "owners"),
    [
        ("", [0, 1, 2]),
        ("a", [0, 2]),
        ("a/", [0]),
        ("a/b/c", [0]),
        ("b/", [1, 2]),
        ("b/x/", [2]),
        ("c", [2]),
    ],
)
def test_what_is_under_a_prefix_is_no_more_than_can_be(prefix, owners):
    assert Automaton(["a/**", "b/*", "**"]).owners_under(prefix) == owners


@given(pattern_lists, st.lists(keys.map("/".join), min_size=1, max_size=20), st.integers(0, 30))
def test_forgetting_changes_no_answer(patterns, keys, items_max):
    automaton = Automaton(patterns)
    automaton._free_items = items_max
    original = match.MEMO_ITEMS_MAX
    match.MEMO_ITEMS_MAX = items_max
    try:
        found = [automaton.first_match(key) for key in keys]
    finally:
        match.MEMO_ITEMS_MAX = original
    assert found == [naive_first(patterns, key) for key in keys]


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("product/**", "product", True),
        ("product/**", "product/", True),
        ("product/**", "product/1/2", True),
        ("product/**", "products", False),
        ("cart/*", "cart/", True),
        ("cart/*", "cart", False),
        ("cart/*", "cart/1/2", False),
        ("**/x", "x", True),
        ("**/x", "a/b/x", True),
        ("/a", "a", False),
        ("a//b", "a//b", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("\\*\\*", "**", True),
        ("a\\bc", "abc", True),
        ("Ä", "ä", False),
    ],
)
def test_examples(pattern, key, matches):
    assert (Automaton([pattern]).first_match(key) == 0) is matches


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", 'an empty pattern matches no key; "**" matches every key'),
        ("user-*", "`*` and `**` stand for whole segments; write `\\*` for a star"),
        ("a/***", "`*` and `**` stand for whole segments; write `\\*` for a star"),
        (
            "a\\/b",
            "`\\` must stand before the character that it escapes, and not before `/`",
        ),
        ("x" * 1025, "a pattern has at most 1,024 characters, as keys do"),
    ],
)
def test_refused_patterns(pattern, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole message is compared
        parse_pattern(pattern)
    assert str(caught.value) == message


class CountingDict(dict):
    """Counts look-ups."""

    lookups = 0

    def get(self, key, default=None):
        CountingDict.lookups += 1
        return super().get(key, default)


def count_lookups(automaton, monkeypatch, keys):
    """Dictionary look-ups for `keys`, once all states that they need exist."""
    for key in keys:
        automaton.first_match(key)
    for state in (automaton.root, *automaton._states.values()):
        state.moves = CountingDict(state.moves)
        state.literals = CountingDict(automaton.literals(state))
    CountingDict.lookups = 0
    monkeypatch.setattr(Automaton, "_state", None)  # a new state would be work per rule
    for key in keys:
        automaton.first_match(key)
    monkeypatch.undo()
    return CountingDict.lookups


def test_cost_does_not_grow_with_the_rules(monkeypatch):
    keys = ["kind3/7/detail", "kind3/8/x/y", "other/1", "kind1/9/detail"]
    counts = []
    for rule_count in (10, 100, 1000):
        patterns = [f"kind{i}/*/detail" for i in range(rule_count)]
        patterns += [f"**/tail{i}" for i in range(rule_count)] + ["**"]
        counts.append(count_lookups(Automaton(patterns), monkeypatch, keys))
    assert counts[0] == counts[1] == counts[2]
    assert counts[0] <= 3 * sum(key.count("/") + 1 for key in keys)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(match, "MEMO_ITEMS_MAX", 500)
    automaton = Automaton([f"**/a{i}/**/b{i}" for i in range(10)])
    for number in range(2000):
        automaton.first_match("/".join(f"a{(number >> bit) % 10}" for bit in range(8)))
        assert sum(map(len, automaton._states)) <= 500 + 30


def test_states_do_not_grow_with_keys():
    automaton = Automaton(["user/*/name", "**"])
    automaton.first_match("user/0/name")
    automaton.first_match("user/0/other")
    before = len(automaton._states)
    for number in range(1000):
        automaton.first_match(f"user/{number}/name")
    assert len(automaton._states) == before
    assert all(len(state.moves) <= 1 for state in automaton._states.values())


def test_matcher_answers_with_the_first_rule():
    rules = (
        Rule(index=0, name="a", match=("a/*", "b/**")),
        Rule(index=1, name="b", match=("a/**",)),
        default_rule(2),
    )
    matcher = Matcher(rules)
    names = [matcher.rule_for(key).name for key in ("a/1", "b", "a/1/2", "c")]
    assert names == ["a", "a", "b", "default"]


def test_matcher_without_a_default_rule_says_so():
    with pytest.raises(LookupError):
        Matcher([Rule(index=0, name="a", match=("a",))]).rule_for("b")


short_patterns = st.lists(st.sampled_from(["**", "*", "a", "b"]), min_size=1, max_size=3)
# The shortest key that tells two such patterns apart has at most six segments.
SHORT_KEYS = ["/".join(parts) for n in range(1, 7) for parts in product("abz", repeat=n)]


@given(st.lists(short_patterns.map("/".join), min_size=2, max_size=3))
def test_a_pattern_is_hidden_exactly_if_no_key_finds_it(patterns):
    hiding = find_hidden(patterns)
    unmatched = set(range(len(patterns)))
    for key in SHORT_KEYS:
        unmatched.discard(naive_first(patterns, key))
        if not unmatched:
            break
    assert hiding.hidden == unmatched
    assert hiding.unknown == frozenset()


def test_hiding_stops_at_its_bound():
    patterns = [f"**/a{i}/**/b{i}" for i in range(12)]
    hiding = find_hidden(patterns, items_max=50)
    assert hiding.hidden == frozenset()
    assert hiding.unknown


@pytest.mark.parametrize(
    ("patterns", "hider"),
    [(["x", "a/**", "a/*"], 1), (["a", "a/*/**", "a/**"], None), (["**", "a"], 0)],
)
def test_the_hider_is_named(patterns, hider):
    last = len(patterns) - 1
    assert find_hidden(patterns).hidden == {last}
    assert first_hider(patterns, last) == hider


@example(["**//**/"], [""])
@given(pattern_lists, st.lists(keys.map("/".join), min_size=1, max_size=20))
def test_equal_sets_of_places_are_one_state(patterns, keys):
    automaton = Automaton(patterns)
    for key in keys:
        automaton.first_match(key)
    assert all(list(items) == sorted(set(items)) for items in automaton._states)


@pytest.mark.parametrize("pattern", ["a/**", "a/**/b/**", "**/a/**"])
def test_a_sure_answer_ends_the_search(pattern):
    automaton = Automaton(["x", pattern, "*/y", "**"])
    state = automaton.root
    for segment in "a", "b":
        state = automaton.step(state, segment)
    assert state.decided == 1
