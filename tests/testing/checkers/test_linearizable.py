"""The linearizability checker against all orders, verdicts known beforehand, and its budgets."""

from __future__ import annotations

import random
import runpy
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path

import pytest

from tierstore.testing import checkers, models
from tierstore.testing.history import History, Operation


class Lossy(models.Register):
    """A register that may forget a write at once."""

    def step(self, state, operation):
        after = super().step(state, operation)
        return (*after, state) if operation.verb == "write" else after


# Plain objects: what one operation may do, written without the models.
def register(value, verb, argument):
    yield (argument, None) if verb == "write" else (value, value)


def lossy(value, verb, argument):
    yield from register(value, verb, argument)
    yield (value, None if verb == "write" else value)


def cas_register(value, verb, argument):
    if verb == "cas":
        is_set = value == argument[0]
        yield (argument[1] if is_set else value), is_set
    elif verb == "delete":
        yield None, value is not None
    else:
        yield from register(value, verb, argument)


def counter(total, verb, argument):
    yield (total + argument,) * 2 if verb == "add" else (total, total)


def set_(items, verb, argument):
    if verb == "add":
        yield items | {argument}, argument not in items
    elif verb == "discard":
        yield items - {argument}, argument in items
    else:
        yield items, argument in items if verb == "contains" else items


def some(*values):
    return lambda rng: rng.choice(values)


ITEMS = [frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")]
# model, plain object, first state, verb → (arguments, results)
REGISTER = {"read": (some(None), some(None, 1, 2)), "write": (some(1, 2), some(None))}
OBJECTS = {
    "register": (models.Register(), register, None, REGISTER),
    "lossy register": (Lossy(), lossy, None, REGISTER),
    "cas register": (
        models.CasRegister(1),
        cas_register,
        1,
        {
            **REGISTER,
            "cas": (some((None, 1), (1, 2), (2, 1)), some(True, False)),
            "delete": (some(None), some(True, False)),
        },
    ),
    "counter": (
        models.Counter(),
        counter,
        0,
        {"get": (some(None), some(0, 1, 2, -1)), "add": (some(1, 2, -1), some(-1, 0, 1, 2, 3))},
    ),
    "set": (
        models.Set(),
        set_,
        frozenset(),
        {
            "add": (some("a", "b"), some(True, False)),
            "discard": (some("a", "b"), some(True, False)),
            "contains": (some("a", "b"), some(True, False)),
            "all": (some(None), some(*ITEMS)),
        },
    ),
}


def random_history(rng, verbs, count):
    """Up to three processes; results are drawn, not computed."""
    history, open_, begun = History(), {}, 0
    lost = rng.choice([0.1, 0.5])
    while begun < count or open_:
        process = rng.choice("abc")
        if process in open_:
            call, results = open_.pop(process)
            if rng.random() < lost:
                call.info("lost")
            elif rng.random() < 0.05:
                call.fail("refused")
            else:
                call.ok(results(rng))
        elif begun < count:
            begun += 1
            verb = rng.choice(list(verbs))
            arguments, results = verbs[verb]
            open_[process] = history.invoke(process, verb, "k", arguments(rng)), results
    return history.operations()


def has_order(operations, do, first):
    """Whether any order of any choice of the unanswered keeps real time and explains all."""
    answered = [o for o in operations if o.outcome == "ok"]
    unanswered = [o for o in operations if o.outcome == "info"]
    return any(
        keeps_time(order) and explains(order, do, first)
        for count in range(len(unanswered) + 1)
        for chosen in combinations(unanswered, count)
        for order in permutations([*answered, *chosen])
    )


def keeps_time(order):
    latest = -1
    for operation in order:
        if operation.completed is not None and operation.completed < latest:
            return False
        latest = max(latest, operation.invoked)
    return True


def explains(order, do, state):
    states = {state}
    for operation in order:
        states = fitting(states, operation, do)
    return bool(states)


def fitting(states, operation, do):
    """The states that `operation`, with its result, may leave of `states`."""
    return {
        after
        for state in states
        for after, result in do(state, operation.verb, operation.argument)
        if operation.outcome == "info" or operation.result == result
    }


def compare(name, seed):
    """The verdict of the checker, after comparing it with all orders."""
    model, do, first, verbs = OBJECTS[name]
    rng = random.Random(seed)
    operations = random_history(rng, verbs, rng.randint(1, 6))
    if rng.random() < 0.7:  # drawn results alone rarely fit
        operations = with_possible_results(rng, operations, do, first)
    verdict = checkers.linearizable(operations, model)
    assert verdict.is_valid == has_order(operations, do, first), (seed, operations)
    if not verdict.is_valid:
        assert set(verdict.witness) <= set(operations)
        assert_minimal(list(verdict.witness), do, first)
    return verdict


def assert_minimal(witness, do, first):
    """Without any one operation there is an order, or a result that nothing can lead to."""
    assert not has_order(witness, do, first), witness
    for operation in witness:
        rest = [o for o in witness if o is not operation]
        assert has_order(rest, do, first) or has_orphan(rest, do, first), (operation, witness)


def has_orphan(operations, do, first):
    """Whether no sequence of operations, of any length, leads to one of the results."""
    states, left = {first}, {o for o in operations if o.outcome == "ok"}
    for _ in range(8):
        for operation in operations:
            if after := fitting(states, operation, do):
                left.discard(operation)
                states |= after
    return bool(left)


def with_possible_results(rng, operations, do, state):
    """The operations with results that some order gives, often all but one of them."""
    spared = rng.choice([None, *operations])
    done = []
    for operation in sorted(operations, key=lambda o: rng.uniform(o.invoked, o.completed or 99)):
        if operation.outcome != "fail":
            state, result = rng.choice([*do(state, operation.verb, operation.argument)])
            if operation.outcome == "ok" and operation is not spared:
                if operation.verb == "write":
                    result = None
                operation = replace(operation, result=result)
        done.append(operation)
    return done


@pytest.mark.parametrize("comparisons", [5_000, pytest.param(100_000, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("name", OBJECTS)
def test_the_checker_agrees_with_trying_all_orders(name, comparisons):
    each = comparisons // len(OBJECTS)
    found = [compare(name, f"{name} {number}").status for number in range(each)]
    assert min(found.count("valid"), found.count("invalid")) > each // 10
    assert "unknown" not in found


def done(process, verb, argument, result, invoked, completed, key="k"):
    """An operation that was answered."""
    return Operation(process, verb, key, argument, "ok", result, None, invoked, completed)


def lost(process, verb, argument, invoked, key="k"):
    """An operation that was never answered."""
    return Operation(process, verb, key, argument, "info", invoked=invoked)


def test_an_empty_history_is_valid():
    assert checkers.linearizable(History(), models.Register()).is_valid


def test_what_failed_never_happened():
    history = History()
    history.invoke("ann", "write", "k", 1).fail("refused")
    history.invoke("bob", "read", "k").ok(None)
    assert checkers.linearizable(history, models.Register()).is_valid
    history.invoke("bob", "read", "k").ok(1)
    assert checkers.linearizable(history, models.Register()).status == "invalid"


def test_what_was_not_answered_may_happen_late_but_once_and_never_early():
    early, late = done("b", "read", None, 1, 0, 1), done("b", "read", None, 1, 8, 9)
    write, other = lost("a", "write", 1, 2), done("c", "write", 2, None, 6, 7)
    again = [done("c", "write", 3, None, 10, 11), done("b", "read", None, 1, 12, 13)]
    assert checkers.linearizable([write, other, late], models.Register()).is_valid
    assert checkers.linearizable([early, write], models.Register()).status == "invalid"
    twice = checkers.linearizable([write, other, late, *again], models.Register())
    assert twice.status == "invalid"
    assert twice.witness == (write, late, *again)


def test_an_order_that_spares_an_unanswered_write_is_not_taken_for_one_that_does_not():
    # Both orders of the first two leave 1 before the first read; only one keeps the lost write.
    history = [
        done("a", "write", 1, None, 0, 3),
        done("b", "write", 2, None, 1, 4),
        lost("c", "write", 1, 2),
        done("a", "read", None, 1, 5, 6),
        done("a", "write", 5, None, 7, 8),
        done("a", "read", None, 1, 9, 10),
    ]
    assert checkers.linearizable(history, models.Register()).is_valid


def test_a_stale_read_is_shown_with_the_write_that_it_came_from():
    history = [
        done("ann", "write", 1, None, 0, 1),
        done("bob", "read", None, 1, 2, 3),
        done("ann", "write", 2, None, 4, 5),
        done("bob", "read", None, 1, 6, 7),
        done("bob", "read", None, 2, 8, 9),
    ]
    verdict = checkers.linearizable(history, models.Register())
    assert verdict.witness == (history[0], history[2], history[3])
    assert str(verdict) == (
        "linearizable: invalid: k: no order explains these 3 results: after ann's write 1 → ok, "
        "then ann's write 2 → ok the state is 2, and bob's read → 1 does not fit\n"
        "  ann write k 1 → ok [0, 1]\n"
        "  ann write k 2 → ok [4, 5]\n"
        "  bob read k → 1 [6, 7]\n"
        "  1 keys, 5 operations, 3 configurations"
    )


def test_where_a_value_came_from_is_known_in_long_histories_too():
    history = []
    for n in range(250):
        history.append(done("a", "write", n, None, 4 * n, 4 * n + 1))
        history.append(done("b", "read", None, n, 4 * n + 2, 4 * n + 3))
    history.append(done("b", "read", None, 248, 2000, 2001))
    verdict = checkers.linearizable(history, models.Register())
    assert [o.argument for o in verdict.witness] == [248, 249, None]


def test_a_value_from_nowhere_is_shown_alone():
    history = [done("a", "write", n, None, 4 * n, 4 * n + 1) for n in range(50)]
    history.append(done("b", "read", None, "never", 70, 73))
    verdict = checkers.linearizable(history, models.Register())
    assert verdict.witness == (history[-1],)
    assert "it begins with the state None" in verdict.reason


def test_a_verdict_has_no_truth_value():
    verdict = checkers.linearizable([], models.Register())
    with pytest.raises(TypeError, match=r"ask \.is_valid"):
        bool(verdict)


def test_assert_valid_raises_the_story():
    verdict = checkers.linearizable([done("a", "read", None, 1, 0, 1)], models.Register())
    with pytest.raises(AssertionError, match="a read k → 1"):
        verdict.assert_valid()
    checkers.linearizable([], models.Register()).assert_valid()


@pytest.mark.parametrize("apart", [61, 122, 183])
def test_operations_whose_bits_hash_alike_are_told_apart(apart):
    # Ordering the slow add first and ordering the quick one first leave the same state and masks
    # with the same hash; only one of them leads on.
    slow = done("slow", "add", 1, None, 0, 1_000)
    zeros = [done("b", "get", None, 0, 2 * n, 2 * n + 1) for n in range(1, apart)]
    quick = done("b", "add", 1, None, 500, 501)
    ends = [done("b", "get", None, 1, 502, 503), done("b", "get", None, 2, 1_001, 1_002)]
    history = [slow, *zeros, quick, *ends]
    assert history.index(quick) - history.index(slow) == apart
    assert checkers.linearizable(history, models.Counter()).is_valid
    wrong = [*history[:-1], replace(ends[1], result=1)]
    assert checkers.linearizable(wrong, models.Counter()).status == "invalid"


def hard(key, *, processes=18):
    """Writes that all overlap, and a value read first and last but in no way possible between."""
    count = processes
    writes = [done(f"p{n}", "write", n, None, n, 100 + n, key) for n in range(count)]
    reads = [done("r", "read", None, n % 2, 200 + 2 * n, 201 + 2 * n, key) for n in range(2)]
    return [*writes, *reads]


def easy(key, *, start, is_valid=True):
    write = done("a", "write", 1, None, start, start + 1, key)
    return [write, done("b", "read", None, 1 if is_valid else None, start + 2, start + 3, key)]


def test_a_hard_key_does_not_hold_up_an_easy_one():
    history = hard("hard")
    for number in range(40):
        history += easy(f"easy {number}", start=1_000 + 4 * number, is_valid=number != 30)
    verdict = checkers.linearizable(history, models.Register())
    assert verdict.status == "invalid"
    assert {o.key for o in verdict.witness} == {"easy 30"}
    assert verdict.figures["configurations"] < 1_000


def test_the_verdict_is_unknown_when_the_budget_ends():
    history = [*easy("easy", start=1_000), *hard("hard")]
    verdict = checkers.linearizable(history, models.Register(), states_max=5_000)
    assert verdict.status == "unknown"
    assert verdict.budget == "states_max=5,000"
    assert verdict.reason == "1 of 2 keys are not decided, among them hard"
    assert verdict.figures["configurations"] == 5_000
    assert not verdict.is_valid
    assert "ended by states_max=5,000" in str(verdict)


def test_the_verdict_is_unknown_at_the_deadline():
    asked = iter([False, False, True])
    history = [*easy("easy", start=1_000), *hard("hard")]
    verdict = checkers.linearizable(history, models.Register(), deadline=lambda: next(asked))
    assert (verdict.status, verdict.budget) == ("unknown", "deadline")


def test_a_witness_that_could_not_be_made_smaller_in_time_says_so():
    wrong = easy("k", start=0, is_valid=False)
    asked = iter([False, True, True, True, True])
    verdict = checkers.linearizable(wrong, models.Register(), deadline=lambda: next(asked))
    assert verdict.status == "invalid"
    assert verdict.budget == "what may be spent on a smaller witness"


def test_many_unanswered_writes_that_nobody_read_cost_nothing():
    history = [lost(f"w{n}", "write", n, n) for n in range(100)]
    history += [done("a", "write", -1, None, 200, 201), done("a", "read", None, -2, 202, 203)]
    verdict = checkers.linearizable(history, models.Register())
    assert verdict.status == "invalid"
    assert verdict.figures["configurations"] < 30_000


def test_keys_are_judged_apart():
    one, two = easy("one", start=0), easy("two", start=10, is_valid=False)
    verdict = checkers.linearizable([*one, *two], models.Register())
    assert verdict.witness == tuple(two)


def test_a_verb_that_the_model_lacks_is_refused():
    with pytest.raises(ValueError, match="Register has the verbs read and write; it cannot judge"):
        checkers.linearizable([done("a", "push", 1, None, 0, 1)], models.Register())


@pytest.fixture(scope="module")
def benchmark():
    """The names of the benchmark, which makes histories with known verdicts."""
    return runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "checkers.py"))


@pytest.mark.parametrize(("operations", "processes"), [(200, 5), (400, 3), (60, 10)])
def test_long_histories_are_judged_as_they_were_made(benchmark, operations, processes):
    _, verdicts = benchmark["judge_all"](20, operations, processes, "test")
    refuted = [verdict for verdict in verdicts if verdict.status == "invalid"]
    assert len(refuted) == 10
    assert all(len(verdict.witness) <= 8 and verdict.budget is None for verdict in refuted)
