"""EDN is read as it was written, refused with its place, and carries histories both ways."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tierstore.testing import checkers, edn, models
from tierstore.testing.edn import EdnError, Keyword, Symbol, Tagged
from tierstore.testing.history import FrozenDict, History, HistoryError

NAMES = st.from_regex(r"[a-z][a-z0-9.*!?<>=-]{0,5}(/[a-z]+)?", fullmatch=True)
# Python takes 1, 1.0 and True for equal, EDN does not: keys and items are strings or integers.
KEYS = st.text() | st.integers() | NAMES.map(Keyword)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
    | NAMES.map(Keyword)
    | NAMES.filter(lambda name: name not in ("nil", "true", "false")).map(Symbol),
    lambda inner: (
        st.lists(inner).map(tuple)
        | st.frozensets(KEYS)
        | st.dictionaries(KEYS, inner).map(FrozenDict)
        | st.builds(Tagged, NAMES.filter(lambda n: n not in ("nil", "true", "false")), inner)
    ),
    max_leaves=8,
)


@given(st.lists(VALUES))
def test_what_is_written_is_read(values):
    text = "\n".join(map(edn.write, values))
    again = edn.read(text)
    assert again == values
    assert "\n".join(map(edn.write, again)) == text


def read_or_refused(text):
    """The values of `text`; none if it is refused, as it should be, with a place."""
    try:
        return edn.read(text)
    except EdnError as error:
        told = str(error)
    assert told.startswith("line ")
    return []


@given(st.text(st.sampled_from('[](){}#"\\:;,_ \n-+.aN01u/é') | st.characters(), max_size=30))
@example("#" * 300)
@example("#_" * 5_000)
@example("9" * 400)
@example("[" * 300)
@example("9" * 5_000)
@example("1e999")
def test_any_text_is_read_or_refused_with_its_place(text):
    values = read_or_refused(text)
    assert edn.read(" ".join(map(edn.write, values))) == values


@given(st.lists(VALUES), st.integers(0), st.characters())
def test_a_spoilt_text_is_read_or_refused_with_its_place(values, at, character):
    text = edn.write(values)
    at %= len(text)
    for spoilt in (text[:at], text[:at] + character + text[at:], text[:at] + text[at + 1 :]):
        read_or_refused(spoilt)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, -2 +3 4N 1.5 1.5M 2e3]", (1, -2, 3, 4, 1.5, 1.5, 2000.0)),
        ("(a nil true false)", (Symbol("a"), None, True, False)),
        ("{:a/b #{1 2}}", {Keyword("a/b"): {1, 2}}),
        (r'"\"\\\n\u0041é"', '"\\\nAé'),
        ("#jepsen.history.Op{:index 0}", Tagged("jepsen.history.Op", {Keyword("index"): 0})),
        ("; note\n[1 #_2 #_#_3 4 5 ;end\n]", (1, 5)),
        ("[- -a +b ->c <=]", tuple(map(Symbol, ["-", "-a", "+b", "->c", "<="]))),
    ],
)
def test_the_syntax_of_edn_is_understood(text, value):
    assert edn.read(text) == [value]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[1 2", "line 1, column 5: the text ends where a value should be"),
        ("\n ]", r"line 2, column 2: '\]' begins no value"),
        ('[\n"a', "line 2, column 1: the string does not end"),
        (r'"\x"', r"line 1, column 1: '\\\\x' is no escape"),
        ("{:a}", "line 1, column 1: a map has a key without a value"),
        ("{:a 1 :a 2}", "line 1, column 1: an item is repeated"),
        ("#{1 1}", "line 1, column 1: an item is repeated"),
        ("01", "line 1, column 1: '01' is no value"),
        ("1a", "line 1, column 1: '1a' is no value"),
        (":", "line 1, column 1: ':' is no value"),
        ("a\\b", r"line 1, column 2: '\\\\' begins no value"),
        ("#1 2", "line 1, column 1: after # a tag"),
        ("#", "line 1, column 1: after # a tag"),
        ("1e999", "line 1, column 1: 1e999 is too large"),
        ("[" * 101, "line 1, column 101: values are nested more than 100 deep"),
    ],
)
def test_malformed_text_is_refused_with_its_place(text, complaint):
    with pytest.raises(EdnError, match=complaint):
        edn.read(text)


def test_what_edn_has_not_cannot_be_written():
    with pytest.raises(TypeError, match="EDN has no object"):
        edn.write([object()])
    with pytest.raises(TypeError, match="EDN has no float"):
        edn.write(float("inf"))
    with pytest.raises(HistoryError, match="'two words' cannot be a keyword"):
        Keyword("two words")


# A compare-and-set that differed, between two writes.
JEPSEN = """\
{:process 0, :type :invoke, :f :write, :value 1, :time 10, :index 0}
{:process 0, :type :ok, :f :write, :value 1, :time 20, :index 1}
{:process :nemesis, :type :info, :f :start, :value "cut off n1", :time 25, :index 2}
{:process 1, :type :invoke, :f :cas, :value [1 2], :time 30, :index 3}
{:process 1, :type :fail, :f :cas, :value [1 2], :time 40, :index 4}
{:process 0, :type :invoke, :f :read, :value nil, :time 50, :index 5}
{:process 0, :type :ok, :f :read, :value 1, :time 60, :index 6}
{:process 2, :type :invoke, :f :write, :value 3, :time 70, :index 7}
{:process 2, :type :info, :f :write, :value 3, :error :timeout, :time 80, :index 8}
"""


def test_a_failed_compare_is_judged_by_what_failing_means():
    differed = edn.read_history(JEPSEN, fail="differed")
    never = edn.read_history(JEPSEN, fail="never")
    assert [o.outcome for o in never.operations()] == ["ok", "fail", "ok", "info"]
    assert differed.operations()[1].result is False
    assert checkers.linearizable(never, models.CasRegister()).is_valid
    assert not checkers.linearizable(differed, models.CasRegister()).is_valid


def test_times_processes_and_errors_are_kept():
    [write, _, read, lost] = edn.read_history(JEPSEN, fail="never").operations()
    assert (write.process, write.argument, write.result) == ("0", 1, None)
    assert (read.result, read.invoked_ns, read.completed_ns) == (1, 50, 60)
    assert (lost.outcome, lost.error) == ("info", "timeout")


def test_a_vector_of_operations_and_records_is_read_alike():
    tagged = "[" + JEPSEN.replace("{", "#jepsen.history.Op{") + "]"
    plain = edn.read_history(JEPSEN, fail="never")
    assert edn.read_history(tagged, fail="never").events == plain.events


def test_keys_are_split_from_values():
    text = """\
    {:process 0, :type :invoke, :f :write, :value [:x 1]}
    {:process 0, :type :ok, :f :write, :value [:x 1]}
    {:process 0, :type :invoke, :f :read, :value [7 nil]}
    {:process 0, :type :ok, :f :read, :value [7 nil]}"""
    write, read = edn.read_history(text, fail="never", keyed=True).operations()
    assert (write.key, write.argument, write.result) == ("x", 1, None)
    assert (read.key, read.argument, read.result) == ("7", None, None)


OPERATION = "{:process 0, :type :invoke, :f :read}"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\n 7", "line 2, column 2: expected a map, not 7"),
        ("{:type :invoke, :f :read}", "line 1, column 1: the map needs a :process.*nil"),
        ("{:process 0, :f :read}", "line 1, column 1: the map needs a :type"),
        ("{:process 0, :type :invoke}", "line 1, column 1: the map needs a :f"),
        ("{:process 0, :type :done, :f :read}", "line 1, column 1: :type must be one of"),
        (OPERATION[:-1] + ", :time nil}", "line 1, column 1: the map needs a :time"),
        ("{:process 0, :type :ok, :f :read}", "line 1, column 1: process 0 has no open"),
        (f"{OPERATION}\n{OPERATION}", "line 2, column 1: process '0' has not ended"),
        (f"[{OPERATION}] 1", f"line 1, column {len(OPERATION) + 4}: nothing may follow"),
        (f"[{OPERATION}", f"line 1, column {len(OPERATION) + 2}: the text ends"),
        (OPERATION[:-1] + ', :value #tierstore/bytes "?"}', "line 1, column 1: "),
    ],
)
def test_a_malformed_history_is_refused_with_its_place(text, complaint):
    with pytest.raises(EdnError, match=complaint):
        edn.read_history(text, fail="never")


def test_a_value_without_its_key_is_refused():
    with pytest.raises(EdnError, match=r":value must be a key and a value, not nil"):
        edn.read_history(OPERATION, fail="never", keyed=True)
    history = History()
    history.invoke("a", "list")
    with pytest.raises(HistoryError, match="event 0 has no key to write"):
        edn.write_history(history, fail="never", keyed=True)


def test_transactions_keep_the_keywords_that_elle_looks_for():
    text = """\
{:index 0, :time 1, :type :invoke, :process 0, :f :txn, :value [[:append 1 2] [:r "x" nil]]}
{:index 1, :time 2, :type :ok, :process 0, :f :txn, :value [[:append 1 2] [:r "x" [2]]]}
"""
    written = edn.write_history(edn.read_history(text, fail="never"), fail="never")
    assert '[[:append 1 2] [:r "x" nil]]' in written
    assert '[[:append 1 2] [:r "x" [2]]]' in written
    assert edn.read_history(written, fail="never").events


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="`fail` must be 'differed' or 'never', not 'maybe'"):
        edn.read_history("", fail="maybe")
    with pytest.raises(ValueError, match="`fail` must be"):
        edn.write_history(History(), fail="maybe")


ARGUMENTS = {
    "write": st.integers() | st.binary(),
    "read": st.none(),
    "cas": st.tuples(st.integers(), st.integers()),
}
RESULTS = {"write": st.none(), "read": st.none() | st.integers() | st.text(), "cas": st.booleans()}


@st.composite
def histories(draw):
    history, open_ = History(clock=lambda: draw(st.integers(0))), {}
    for process in draw(st.lists(st.sampled_from(["ann", "1", "01"]), max_size=12)):
        if process not in open_:
            verb = draw(st.sampled_from(["write", "read", "cas"]))
            key = draw(st.sampled_from(["x", "7"]))
            open_[process] = history.invoke(process, verb, key, draw(ARGUMENTS[verb])), verb
            continue
        call, verb = open_.pop(process)
        end = draw(st.sampled_from(["ok", "ok", "info", "fail"]))
        if end == "ok":
            call.ok(draw(RESULTS[verb]))
        else:
            getattr(call, end)(draw(st.text()))
    return history


def told(history, *, without_failed_compares):
    return [
        (o.verb, o.key, o.argument, o.outcome, o.result, o.error, o.invoked_ns, o.completed_ns)
        for o in history.operations()
        if not (without_failed_compares and o.verb == "cas" and o.outcome == "fail")
    ]


@given(histories())
def test_a_history_survives_edn(history):
    text = edn.write_history(history, fail="differed", keyed=True)
    again = edn.read_history(text, fail="differed", keyed=True)
    assert told(again, without_failed_compares=False) == told(history, without_failed_compares=True)
    twice = edn.write_history(again, fail="differed", keyed=True)
    assert edn.read_history(twice, fail="differed", keyed=True).events == again.events


@given(histories())
def test_who_reads_fail_as_never_loses_only_what_compares_saw(history):
    text = edn.write_history(history, fail="never", keyed=True)
    again = edn.read_history(text, fail="never", keyed=True)
    for mine, theirs in zip(history.operations(), again.operations(), strict=True):
        if mine.verb == "cas" and mine.result is False:
            assert (theirs.outcome, theirs.argument) == ("fail", mine.argument)
        else:
            assert (theirs.outcome, theirs.result) == (mine.outcome, mine.result)


@given(histories())
def test_no_process_acts_after_its_answer_was_lost(history):
    lost = set()
    for row in edn.read(edn.write_history(history, fail="never")):
        process = row[Keyword("process")]
        assert process not in lost
        if row[Keyword("type")] == Keyword("info"):
            lost.add(process)


def test_processes_that_have_numbers_keep_them():
    history = History()
    for process in ("ann", "7", "bob"):
        history.invoke(process, "read", "k").ok()
    rows = edn.read(edn.write_history(history, fail="never"))
    assert [row[Keyword("process")] for row in rows[::2]] == [8, 7, 9]
