"""Views of a document take plain data, and refuse what would harm it before it happens."""

from __future__ import annotations

import pytest
from document_edits import after
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Text

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.views import Block, MapView
from tierstore.errors import EncodingError


@pytest.fixture
def opened():
    """A document without content, open for edits."""
    return document.open_document(document.empty(), 5)


@pytest.fixture
def doc(opened):
    """The view of its root."""
    return MapView(root_of(opened), Block())


def stored(opened):
    """What is shown of all that was changed in a document that was opened without content."""
    delta = document.delta_of(opened.get_update())
    state = after(document.empty(), delta)
    return document.value(document.decode(document.encode(state)))


def test_plain_data_becomes_shared_at_any_depth(opened, doc):
    doc["a"] = {"b": [1, 2]}
    doc["a"]["c"] = {"d": []}
    doc["a"]["c"]["d"].append({"e": (1.0, b"x")})
    doc["a"]["c"]["d"][0]["e"][0] = "one"
    doc["a"]["b"].insert(-1, 1.5)
    del doc["a"]["b"][-1]
    expected = {"a": {"b": [1, 1.5], "c": {"d": [{"e": ["one", b"x"]}]}}}
    assert doc.json() == stored(opened) == expected
    assert doc["a"]["b"].json() == [1, 1.5]
    assert repr(doc["a"]["b"]) == "ListView([1, 1.5])"
    assert repr(doc["a"]["c"]) == "MapView({'d': [{'e': ['one', b'x']}]})"


def test_a_map_is_a_mapping(doc):
    doc.update(b=1, a=2)
    assert list(doc) == ["a", "b"]
    assert len(doc) == 2
    assert dict(doc) == {"a": 2, "b": 1}
    assert doc.pop("a") == 2
    assert doc.get("a") is None
    assert "a" not in doc
    for key in ("a", 1, "\ud800"):
        with pytest.raises(KeyError):
            doc[key]
        with pytest.raises(KeyError):
            del doc[key]


@pytest.mark.parametrize("key", [1, "\ud800", None])
def test_keys_are_text(doc, key):
    with pytest.raises(EncodingError):
        doc[key] = 1


@pytest.mark.parametrize("value", [2**64, "\ud800", object(), {1: 2}])
def test_what_is_refused_changes_nothing(opened, doc, value):
    doc["a"] = [1]
    for edit in (
        lambda: doc.__setitem__("a", value),
        lambda: doc["a"].append(value),
        lambda: doc["a"].__setitem__(0, [value]),
    ):
        with pytest.raises(EncodingError):
            edit()
    assert stored(opened) == {"a": [1]}


@pytest.mark.parametrize("index", [3, -4, slice(0, 1), True, "0"])
def test_indices_are_of_elements_that_are_there(doc, index):
    doc["a"] = [1, 2, 3]
    for edit in (
        lambda: doc["a"][index],
        lambda: doc["a"].__setitem__(index, 0),
        lambda: doc["a"].__delitem__(index),
    ):
        with pytest.raises((IndexError, TypeError)):
            edit()
    assert doc["a"].json() == [1, 2, 3]


def test_a_list_is_a_sequence(doc):
    doc["a"] = [1]
    doc["a"].extend([{"b": 2}, 3])
    doc["a"].insert(99, 4)
    assert [item if isinstance(item, int) else item.json() for item in doc["a"]] == [
        1,
        {"b": 2},
        3,
        4,
    ]
    assert doc["a"].pop() == 4
    assert len(doc["a"]) == 3


def test_text_counts_characters(opened, doc):
    doc["t"] = Text("é😀x")
    text = doc["t"]
    text.insert(2, "-")
    text.format(0, 2, {"bold": True})
    text.insert(2, "+", {})
    text.delete(0, 1)
    assert str(text) == text.json() == stored(opened)["t"] == "😀+-x"
    assert len(text) == 4
    assert text.chunks() == [("😀", {"bold": True}), ("+-x", {})]
    text.format(0, 1, {"bold": None})
    assert text.chunks() == [("😀+-x", {})]
    assert repr(text) == "TextView('😀+-x')"


@settings(deadline=None)
@given(st.text(), st.data())
def test_text_is_edited_where_python_would(start, data):
    opened = document.open_document(document.empty(), 5)
    doc = MapView(root_of(opened), Block())
    doc["t"] = Text(start)
    for _ in range(3):
        shown = str(doc["t"])
        low, high = sorted(data.draw(st.integers(0, len(shown))) for _ in range(2))
        added = data.draw(st.text(max_size=3))
        doc["t"].delete(low, high)
        doc["t"].insert(low, added)
        assert str(doc["t"]) == shown[:low] + added + shown[high:]
    assert stored(opened) == {"t": str(doc["t"])}


@pytest.mark.parametrize("index", [-1, 3, 1.0])
def test_text_is_not_edited_where_none_is(doc, index):
    doc["t"] = Text("ab")
    for edit in (
        lambda: doc["t"].insert(index, "x"),
        lambda: doc["t"].delete(0, index),
        lambda: doc["t"].format(0, index, {"b": True}),
    ):
        with pytest.raises(IndexError):
            edit()
    assert str(doc["t"]) == "ab"


@pytest.mark.parametrize("value", [b"x", float("nan"), float("inf"), [1], 2**64, "\ud800"])
def test_attributes_are_json_scalars(doc, value):
    doc["t"] = Text("ab")
    with pytest.raises(EncodingError):
        doc["t"].format(0, 1, {"a": value})
    with pytest.raises(EncodingError):
        doc["t"].insert(0, "x", {"a": value})
    assert doc["t"].chunks() == [("ab", {})]


def test_text_is_of_unicode(doc):
    doc["t"] = Text("ab")
    with pytest.raises(EncodingError):
        doc["t"].insert(0, "\ud800")


def test_views_equal_the_data_that_they_show(doc):
    doc["map"] = {"list": [1, {"a": [2]}], "text": Text("x")}
    assert doc["map"] == {"list": [1, {"a": [2]}], "text": "x"}
    assert doc["map"]["list"] == [1, {"a": [2]}] == doc["map"]["list"]
    assert doc["map"]["list"] != [1]
    assert doc["map"]["list"] != (1, {"a": [2]})
    assert doc["map"]["text"] == "x" == doc["map"]["text"] != "y"


def test_a_view_is_no_data(doc):
    doc["list"] = [1]
    with pytest.raises(EncodingError, match=r"put its \.json\(\)"):
        doc["copy"] = doc["list"]
    doc["copy"] = doc["list"].json()
    assert doc == {"list": [1], "copy": [1]}
