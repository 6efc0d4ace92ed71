"""The list-append checker: anomalies by hand, all serial orders, plants in long histories."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, permutations

import pytest

from tierstore.testing import checkers, edn
from tierstore.testing.history import History, HistoryError, Operation

ALWAYS = 10**9


def txn(process, text, invoked, completed=None, outcome="ok"):
    """A transaction told as `ax1 rx12`: append 1 to x, read 1 and 2 of x."""
    steps = [(word[0], word[1], word[2:]) for word in text.split()]
    asked = tuple(("append", k, int(v)) if s == "a" else ("r", k, None) for s, k, v in steps)
    known = tuple(("append", k, int(v)) if s == "a" else ("r", k, _list(v)) for s, k, v in steps)
    return Operation(
        process,
        "txn",
        None,
        asked,
        outcome,
        known if outcome == "ok" else None,
        None if outcome == "ok" else "x",
        invoked,
        None if outcome == "info" else (invoked + 1 if completed is None else completed),
    )


def _list(digits):
    return tuple(map(int, digits))


def at_once(*texts):
    """Transactions all of which overlap."""
    return [txn(f"p{n}", text, n, 100 + n) for n, text in enumerate(texts)]


def one_by_one(*texts):
    return [txn(f"p{n}", text, 2 * n) for n, text in enumerate(texts)]


BY_HAND = {
    "G0": at_once("ax1 ay1", "ax2 ay2", "rx12 ry21"),
    "G1c": at_once("ax1 ry1", "ay1 rx1"),
    "G-single": at_once("ax1 ay1", "rx1 ry", "rx1 ry1"),
    "G2": at_once("rx ay1", "ry ax1", "rx1 ry1"),
    "G0-realtime": [*one_by_one("ax1", "ax2"), txn("r", "rx21", 9)],
    "G1c-realtime": [txn("a", "rx1", 0), txn("b", "ax1", 2)],
    "G-single-realtime": one_by_one("ax1", "rx"),
    "G2-realtime": [
        txn("a", "ay1", 0, 2),
        txn("b", "ry ax1", 1, 5),
        txn("c", "rx", 4, 6),
        txn("d", "rx1 ry1", 7, 8),
    ],
    "lost update": at_once("rx ax1", "rx ax2", "rx12"),
    "G1a": [txn("a", "ax1", 0, outcome="fail"), txn("b", "rx1", 2)],
    "G1b": at_once("ax1 ax2", "rx1"),
    "incompatible order": at_once("ax1", "ax2", "rx12", "rx21"),
    "duplicate": at_once("ax1", "rx11"),
    "garbage": at_once("ax1", "rx2"),
    "torn append": at_once("ax1 ax2", "rx2"),
    "internal": at_once("ax1 rx"),
    "internal, early": at_once("rx1 ax1"),
}


def name_of(verdict):
    return verdict.reason.partition(":")[0].partition(",")[0]


@pytest.mark.parametrize("name", BY_HAND)
def test_each_anomaly_has_its_name(name):
    verdict = checkers.list_append(BY_HAND[name])
    assert (verdict.status, name_of(verdict)) == ("invalid", name.partition(",")[0]), verdict
    assert verdict.witness
    assert {*verdict.witness} <= {*BY_HAND[name]}


@pytest.mark.parametrize("name", [name for name in BY_HAND if "realtime" in name])
def test_only_an_observer_of_the_time_sees_some(name):
    verdict = checkers.list_append(BY_HAND[name], is_realtime=False)
    assert verdict.is_valid, verdict


def test_a_cycle_is_told():
    assert str(checkers.list_append(BY_HAND["G-single"])).splitlines()[1:] == [
        "  p0 txn (('append', 'x', 1), ('append', 'y', 1)) → "
        "(('append', 'x', 1), ('append', 'y', 1)) [0, 100]",
        "  p1 txn (('r', 'x', None), ('r', 'y', None)) → (('r', 'x', (1,)), ('r', 'y', ())) "
        "[1, 101]",
        "  p2 txn (('r', 'x', None), ('r', 'y', None)) → (('r', 'x', (1,)), ('r', 'y', (1,))) "
        "[2, 102]",
        "  rw: p1 [1] read 'y' without what p0 [0] appended",
        "  wr: p0 [0] appended to 'x' what p1 [1] read",
        "  3 transactions, 3 dependencies",
    ]


def test_a_shortest_cycle_is_the_witness():
    ring = at_once("rx ay1", "ry az1", "rz ax1", "rx1 ry1 rz1")
    short = [txn("s0", "rv aw1", 50, 150), txn("s1", "rw av1", 51, 151)]
    shown = txn("s2", "rv1 rw1", 52, 152)
    verdict = checkers.list_append([*ring, *short, shown])
    assert name_of(verdict) == "G2"
    assert [one.process for one in verdict.witness] == ["s0", "s1", "s2"]


def test_a_shortest_cycle_is_the_witness_though_a_longer_one_runs_through_it():
    tangled = at_once("rx ay1", "ry az1", "rz rv ax1 aw1", "rw av1", "rx1 ry1 rz1 rv1 rw1")
    verdict = checkers.list_append(tangled)
    assert [one.process for one in verdict.witness] == ["p2", "p3", "p4"]


@pytest.mark.parametrize(
    "texts",
    [
        ["ax1", "rx1 ax2 rx12", "rx12"],
        ["ax1 ax2", "rx12", "ay1 ry1 ax3", "rx123 ry1"],
        ["rx ry", "ax1", "ay1"],
    ],
)
def test_what_a_serial_order_explains(texts):
    verdict = checkers.list_append(one_by_one(*texts))
    assert verdict.is_valid, verdict
    assert verdict.figures["transactions"] == len(texts)


def test_a_transaction_without_an_answer_may_have_been():
    lost = txn("a", "ax1 ay1", 0, outcome="info")
    assert checkers.list_append([lost, txn("b", "rx ry", 1), txn("c", "rx1 ry1", 3)]).is_valid
    assert checkers.list_append([lost, txn("b", "rx ry", 1)]).is_valid
    halved = checkers.list_append([lost, txn("b", "rx1 ry", 1)])
    assert name_of(halved) == "G-single"
    gone = checkers.list_append([lost, txn("b", "rx1 ry1", 1), txn("c", "rx ry", 3)])
    assert gone.status == "invalid"


def test_lists_that_are_not_there_are_empty():
    history = History()
    history.invoke("a", "txn", None, [("r", "x", None)]).ok([("r", "x", None)])
    history.invoke("b", "put", "x", 1).ok()
    assert checkers.list_append(history).figures["transactions"] == 1


@pytest.mark.parametrize(
    ("steps", "result"),
    [
        (7, 7),
        ([("push", "x", 1)], [("push", "x", 1)]),
        ([("r", "x")], [("r", "x")]),
        ([("r", "x", None)], [("r", "x", 1)]),
        ([("r", "x", None)], [("r", "y", [])]),
        ([("append", "x", 1)], [("append", "x", 2)]),
        ([("append", "x", 1)], []),
        ([("append", "x", 1)] * 2, [("append", "x", 1)] * 2),
    ],
)
def test_what_is_no_transaction_is_refused(steps, result):
    history = History()
    history.invoke("a", "txn", None, steps).ok(result)
    with pytest.raises(HistoryError):
        checkers.list_append(history)


def test_histories_of_elle_are_read():
    text = """\
{:process 0, :type :invoke, :f :txn, :value [[:append 1 1] [:r 2 nil]]}
{:process 1, :type :invoke, :f :txn, :value [[:append 2 1] [:r 1 nil]]}
{:process 0, :type :ok, :f :txn, :value [[:append 1 1] [:r 2 [1]]]}
{:process 1, :type :ok, :f :txn, :value [[:append 2 1] [:r 1 [1]]]}
"""
    assert name_of(checkers.list_append(edn.read_history(text, fail="never"))) == "G1c"


# All serial orders, tried one by one


def has_serial_order(operations, *, is_realtime):
    """Whether some order of all that was answered, and of some that was not, explains all reads."""
    sure = [one for one in operations if one.outcome == "ok"]
    perhaps = [one for one in operations if one.outcome == "info"]
    return any(
        is_right(order, is_realtime)
        for count in range(len(perhaps) + 1)
        for chosen in combinations(perhaps, count)
        for order in permutations([*sure, *chosen])
    )


def is_right(order, is_realtime):
    lists = {}
    for place, one in enumerate(order):
        if is_realtime and any((x.completed or ALWAYS) < one.invoked for x in order[place + 1 :]):
            return False
        for verb, key, value in one.result if one.outcome == "ok" else one.argument:
            if verb == "append":
                lists[key] = (*lists.get(key, ()), value)
            elif one.outcome == "ok" and lists.get(key, ()) != (value or ()):
                return False
    return True


def make_history(rng, count):
    """A few transactions at random moments, whose reads are of some order, or nearly so."""
    moments = rng.sample(range(100), 2 * count)
    spans = [sorted(moments[n : n + 2]) for n in range(0, 2 * count, 2)]
    shift = rng.choice([0, 0, 20])  # the order of effects may leave the intervals
    spans.sort(key=lambda span: rng.uniform(span[0] - shift, span[1] + shift))
    lists, older, given, made = {}, {}, 0, []
    for number, (invoked, completed) in enumerate(spans):
        seen = older if rng.random() < 0.3 else lists
        steps, mine = [], {key: list(value) for key, value in seen.items()}
        for _ in range(rng.randint(1, 3)):
            key = rng.choice("xy")
            if rng.random() < 0.5:
                given += 1
                mine.setdefault(key, []).append(given)
                steps.append(("append", key, given))
            else:
                steps.append(("r", key, tuple(mine.get(key, ()))))
        outcome = rng.choices(["ok", "info", "fail"], [8, 2, 1])[0]
        if outcome == "ok" or rng.random() < (0.5 if outcome == "info" else 0.1):
            older, lists = lists, {key: [*value] for key, value in lists.items()}
            for key, value in [(key, value) for verb, key, value in steps if verb == "append"]:
                lists.setdefault(key, []).append(value)
        made.append((f"p{number}", steps, outcome, invoked, completed))
    return [_operation(rng, *one) for one in made]


def _operation(rng, process, steps, outcome, invoked, completed):
    asked = tuple((verb, key, value if verb == "append" else None) for verb, key, value in steps)
    shown = tuple(
        (v, k, harm(rng, value) if v == "r" and rng.random() < 0.08 else value)
        for v, k, value in steps
    )
    is_ok, is_known = outcome == "ok", outcome != "info"
    result, error = shown if is_ok else None, None if is_ok else "x"
    end = completed if is_known else None
    return Operation(process, "txn", None, asked, outcome, result, error, invoked, end)


def harm(rng, shown):
    """Another list: shorter, in another order, or with something else in it."""
    changed = list(shown)
    way = rng.randrange(4)
    if way == 0 and changed:
        changed.pop()
    elif way == 1:
        rng.shuffle(changed)
    elif way == 2 and changed:
        del changed[rng.randrange(len(changed))]
    else:
        changed.append(rng.randint(1, 8))
    return tuple(changed)


def compare(seeds):
    """How many histories were right and wrong; each is judged as all orders together judge it."""
    seen = {True: 0, False: 0}
    names = set()
    for seed in seeds:
        rng = random.Random(seed)
        history, is_realtime = make_history(rng, rng.randint(2, 5)), rng.random() < 0.7
        verdict = checkers.list_append(history, is_realtime=is_realtime)
        expected = has_serial_order(history, is_realtime=is_realtime)
        told = "\n".join(map(str, history))
        assert verdict.is_valid == expected, f"seed {seed}: {verdict}\n{told}"
        seen[expected] += 1
        if not expected:
            names.add(name_of(verdict))
    return seen, names


def test_it_judges_as_all_serial_orders_do():
    seen, names = compare(range(2_000))
    assert min(seen.values()) > 300, seen
    assert len(names) >= 10, names


@pytest.mark.campaign
def test_it_judges_as_all_serial_orders_do_at_length():
    seen, names = compare(range(10_000, 110_000))
    print(seen, sorted(names))


# Long histories whose verdict is known


def make_serial(seed, count=300):
    """Transactions of one serial order, overlapping around the moments at which they happened."""
    rng = random.Random(seed)
    lists, made = {}, []
    for number in range(count):
        steps = []
        for place in range(rng.randint(1, 4)):
            key = f"{rng.choice('xyz')}{number // 60}"
            if rng.random() < 0.5:
                lists.setdefault(key, []).append(10 * number + place)
                steps.append(("append", key, 10 * number + place))
            else:
                steps.append(("r", key, tuple(lists.get(key, ()))))
        asked = tuple((v, k, value if v == "append" else None) for v, k, value in steps)
        moment = 1_000 * number
        begun, ended = moment - rng.randint(0, 3_000), moment + rng.randint(1, 3_000)
        span = 2 * begun, 2 * ended + 1  # none begins at the moment at which another ends
        made.append(Operation(f"s{number}", "txn", None, asked, "ok", tuple(steps), None, *span))
    return made


def plant(history, start):
    """The same history elsewhere: on keys of its own, and later."""
    return [
        replace(
            one,
            process=f"planted {one.process}",
            argument=_renamed(one.argument),
            result=_renamed(one.result),
            invoked=2 * (start + one.invoked),
            completed=one.completed and 2 * (start + one.completed) + 1,
        )
        for one in history
    ]


def _renamed(steps):
    return steps and tuple((verb, f"planted {key}", value) for verb, key, value in steps)


@pytest.mark.parametrize("seed", range(3))
def test_a_long_serial_history_is_valid(seed):
    history = make_serial(seed)
    verdict = checkers.list_append(history)
    assert verdict.is_valid, verdict
    assert verdict.figures["dependencies"] > len(history)


@pytest.mark.parametrize("name", BY_HAND)
def test_each_anomaly_is_found_among_much_that_is_right(name):
    rng = random.Random(name)
    for seed in range(3):
        planted = plant(BY_HAND[name], rng.randrange(300_000))
        verdict = checkers.list_append(make_serial(seed) + planted)
        assert (verdict.status, name_of(verdict)) == ("invalid", name.partition(",")[0]), verdict
        assert {*verdict.witness} <= {*planted}
