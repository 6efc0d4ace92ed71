"""A history keeps what was recorded, in order, through text and back."""

from __future__ import annotations

import copy
import json
import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.testing.history import FrozenDict, History, HistoryError, Operation, freeze

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.frozensets(inner.map(freeze))
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=5,
)
TURNS = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "\x85"]), VALUES, st.sampled_from(["ok", "f", "i"]))
)


def record(turns, clock=None):
    """Each turn of a process begins an operation or ends its open one."""
    history, open_ = History(clock), {}
    for process, value, how in turns:
        call = open_.pop(process, None)
        if call is None:
            key = None if how == "f" else f"key {process}"
            open_[process] = history.invoke(process, "act", key, value)
        else:
            {"ok": call.ok, "f": call.fail, "i": call.info}[how](
                value if how == "ok" else str(value)
            )
    return history


@given(TURNS)
def test_a_history_survives_text(turns):
    history = record(turns)
    again = History.loads(history.dumps())
    assert again.events == history.events
    assert again.dumps() == history.dumps()  # which tells 1 from True and 1.0


@given(TURNS)
def test_operations_make_the_history_that_they_came_from(turns):
    def told(history):
        return [
            (o.process, o.argument, o.outcome, o.result, o.error, o.invoked_ns, o.completed_ns)
            for o in history.operations()
        ]

    history = record(turns)
    assert told(History.from_operations(history.operations())) == told(history)


@given(TURNS)
def test_parts_by_key_are_the_whole(turns):
    history = record(turns)
    parts = [operation for part in history.by_key().values() for operation in part]
    assert sorted(parts, key=lambda operation: operation.invoked) == history.operations()


@given(VALUES)
def test_values_are_frozen_and_stay_equal(value):
    frozen = freeze(value)
    assert isinstance(hash(frozen), int)
    assert freeze(frozen) == frozen
    assert pickle.loads(pickle.dumps(frozen)) == copy.deepcopy(frozen) == frozen


def test_a_recorded_value_does_not_change_with_the_callers():
    history, value = History(), {"tags": [1]}
    history.invoke("ann", "write", "k", value)
    value["tags"].append(2)
    assert history.events[0].value == {"tags": (1,)}


def test_a_frozen_dict_refuses_change():
    with pytest.raises(TypeError, match="cannot be changed"):
        FrozenDict(a=1)["a"] = 2
    with pytest.raises(TypeError, match="cannot be changed"):
        FrozenDict(a=1).update(a=2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), [object()]])
def test_what_has_no_text_is_refused_at_once(value):
    with pytest.raises(HistoryError, match="cannot hold"):
        History().invoke("ann", "write", "k", value)


def test_times_are_the_clocks():
    ticks = iter([10, 25])
    history = History(clock=lambda: next(ticks))
    history.invoke("ann", "read", "k").ok(1)
    [operation] = history.operations()
    assert (operation.invoked_ns, operation.completed_ns) == (10, 25)


def test_what_was_never_answered_may_still_take_effect():
    history = History()
    history.invoke("ann", "write", "k", 1)
    history.invoke("bob", "write", "k", 2).info("timed out")
    assert [o.outcome for o in history.operations()] == ["info", "info"]
    assert [o.completed for o in history.operations()] == [None, None]


def test_a_process_does_one_thing_at_a_time():
    history = History()
    history.invoke("ann", "write", "k", 1)
    with pytest.raises(HistoryError, match="'ann' has not ended its write of k"):
        history.invoke("ann", "read", "k")


def test_an_operation_ends_once():
    history = History()
    call = history.invoke("ann", "write", "k", 1)
    call.ok()
    for again in (call.ok, lambda: call.fail("no"), lambda: call.info("lost")):
        with pytest.raises(HistoryError, match="already ended"):
            again()
    history.invoke("ann", "write", "k", 2)
    with pytest.raises(HistoryError, match="already ended"):
        call.ok()


def test_threads_may_record_together():
    history, each = History(), 2_000

    def work(name):
        for number in range(each):
            history.invoke(name, "write", "k", number).ok()

    threads = [threading.Thread(target=work, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = history.events
    assert [event.index for event in events] == list(range(2 * 4 * each))
    assert {o.outcome for o in history.operations()} == {"ok"}


def test_filter_keeps_what_it_is_told():
    history = record([("ann", 1, "ok"), ("ann", 2, "ok"), ("bob", 1, "ok")])
    assert [o.process for o in history.filter(lambda o: o.outcome == "ok")] == ["ann"]


def operation(**changes):
    return Operation(**{"process": "a", "verb": "w", "invoked": 0, "completed": 1, **changes})


@pytest.mark.parametrize(
    ("operations", "complaint"),
    [
        ([operation(completed=None)], "exactly for outcome 'info'"),
        ([operation(outcome="info")], "exactly for outcome 'info'"),
        ([operation(completed=0)], "must end after it begins"),
        ([operation(), operation(process="b", invoked=1, completed=2)], "event 1 is claimed twice"),
        ([operation(completed=3), operation(invoked=1, completed=2)], "has not ended"),
    ],
)
def test_operations_that_cannot_be_are_refused(operations, complaint):
    with pytest.raises(HistoryError, match=complaint):
        History.from_operations(operations)


def lines(**changes):
    """The text of one invocation with some fields changed."""
    event = {
        "index": 0,
        "time_ns": 0,
        "process": "ann",
        "kind": "invoke",
        "verb": "read",
        "key": "k",
        "value": None,
        "error": None,
        **changes,
    }
    return '{"tierstore_history": 1}\n' + json.dumps(event)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: not JSON"),
        ("[]", "line 1: expected an object"),
        ('{"tierstore_history": 2}', "line 1: expected .*1.*, not .*2"),
        ('{"tierstore_history": 1}\n\n', "line 2: not JSON"),
        ('{"tierstore_history": 1}\n{"a": 1, "a": 2}', "line 2: a field is repeated"),
        ('{"tierstore_history": 1}\n{"a": 1}', "line 2: an event has the fields"),
        ('{"tierstore_history": 1}\n' + "[" * 100_000, "line 2: "),
        (lines(kind="maybe"), "line 2: `kind` must be one of"),
        (lines(kind=[]), "line 2: `kind` must be one of"),
        (lines(index=1), "line 2: `index` must be 0, not 1"),
        (lines(index=True), "line 2: `index` must not be True"),
        (lines(process=1), "line 2: `process` must not be 1"),
        (lines(value={"$bytes": "?"}), r"line 2: \$bytes is malformed"),
        (lines(value={"$bytes": 1}), r"line 2: \$bytes is malformed"),
        (lines(value={"$set": [1, 1]}), r"line 2: \$set is malformed: an item is repeated"),
        (lines(value={"$dict": [[1]]}), r"line 2: \$dict is malformed"),
        (lines(value={"$dict": [[1, 1], [1, 2]]}), r"line 2: \$dict is malformed: a key is rep"),
        (lines(value={"plain": 1}), r"line 2: an object must be one of \$bytes, \$set, \$dict"),
        (lines(value=float("nan")), "line 2: a history cannot hold nan"),
        (lines(error="no"), "line 2: an event 'invoke' has no error"),
        (lines(kind="ok"), "line 2: process 'ann' has no open read of k"),
        (lines() + "\n" + lines().split("\n")[1].replace("0", "1"), "line 3: process 'ann' has"),
    ],
)
def test_malformed_text_is_refused_with_its_line(text, complaint):
    with pytest.raises(HistoryError, match=complaint):
        History.loads(text)
