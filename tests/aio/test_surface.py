"""The async store has the verbs of the store, and what every store refuses it refuses too."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import pytest

import tierstore
from tierstore.aio import AsyncScan, AsyncStore

NO_COROUTINES = {
    "batch", "bounded_counter", "counter", "document", "lease", "members", "prefixed", "scan",
    "sequence", "session", "transaction", "watch",
}  # fmt: skip


def public(cls):
    return {
        name: member
        for name, member in inspect.getmembers(cls, inspect.isfunction)
        if not name.startswith("_")
    }


VERBS = sorted(public(tierstore.Store))
CALLS = {
    "batch": (), "check": (), "close": (), "counter": ("a",), "members": ("a",), "delete": ("a",),
    "delete_many": (["a"],), "document": ("a",), "exists": ("a",),
    "explain": ("a",), "flush": (), "get": ("a",), "get_many": (["a"],), "maintain": (),
    "outcome": ("x",), "prefixed": ("a",), "put": ("a", 1), "put_many": ({"a": 1},),
    "read": ("a",), "scan": ("a",), "stats": (), "touch": ("a", 5),
    "session": (), "watch": ("a",), "transaction": (), "transact": (print,),
    "compare_and_set": ("a", 1), "lease": ("a",), "sequence": ("a",), "bounded_counter": ("a",),
}  # fmt: skip

NAMED = {"compare_and_set": {"expected": None}}


def test_the_verbs_are_the_stores():
    assert sorted(public(AsyncStore)) == VERBS == sorted(CALLS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_parameters_are_the_stores(verb):
    expected = inspect.signature(getattr(tierstore.Store, verb)).parameters
    actual = inspect.signature(getattr(AsyncStore, verb)).parameters
    told = str
    if verb == "transact":  # whose function is a coroutine here

        def told(parameter):
            return str(parameter.replace(annotation=parameter.empty))

    assert [*map(told, actual.values())] == [*map(told, expected.values())]


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_are_coroutines(verb):
    assert inspect.iscoroutinefunction(getattr(AsyncStore, verb)) is (verb not in NO_COROUTINES)


@pytest.mark.parametrize("cls", [AsyncStore, AsyncScan])
def test_everything_public_is_documented(cls):
    assert cls.__doc__
    assert [name for name, member in public(cls).items() if not member.__doc__] == []


def test_open_async_takes_what_open_takes():
    expected = inspect.signature(tierstore.open).parameters
    actual = inspect.signature(tierstore.open_async).parameters
    assert [str(actual[name]) for name in expected] == [str(p) for p in expected.values()]
    assert set(actual) - set(expected) == {"workers"}


def test_asyncio_is_loaded_by_the_async_store_only():
    code = (
        "import sys, tierstore; tierstore.open; tierstore.Store; was = 'asyncio' in sys.modules;"
        " tierstore.open_async; assert not was and 'asyncio' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


async def test_stores_and_scans_refuse_pickling(astore):
    scan = astore.scan()
    for thing in (astore, tierstore.open_async(), scan, scan.pages(), aiter(scan)):
        with pytest.raises(TypeError, match="cannot be pickled: "):
            pickle.dumps(thing)


async def test_a_timeout_that_makes_no_sense_closes_nothing(astore):
    with pytest.raises(tierstore.InvalidArgumentError):
        await astore.close(timeout="soon")
    await astore.put("a", 1)


async def test_repr_names_the_policy_and_the_prefix(astore):
    assert repr(astore).startswith("<tierstore.AsyncStore ")
    assert repr(astore.prefixed("a/").prefixed("b/")).endswith(" prefixed 'a/b/'>")


async def test_opening_can_be_awaited(policy, tmp_path):
    astore = await tierstore.open_async(policy, base_dir=tmp_path, connect=True)
    async with astore as entered:
        assert entered is astore
        assert (await astore.stats())["region"]["reachable"]


async def test_opening_raises_what_open_raises(tmp_path, own_threads):
    with pytest.raises(tierstore.PolicyError):
        await tierstore.open_async({"rules": 7}, base_dir=tmp_path)
    with pytest.raises(tierstore.InvalidArgumentError):
        tierstore.open_async(workers=0)
    (tmp_path / "file").write_text("")
    lost = {"tiers": {"regional": {"url": "sqlite:///file/region.db"}}}
    with pytest.raises(tierstore.UnavailableError):
        await tierstore.open_async(lost, base_dir=tmp_path, connect=True)
    assert own_threads() == []


@pytest.mark.parametrize("opened_first", [False, True])
@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"close", "prefixed"}))
async def test_a_closed_store_says_so(policy, tmp_path, verb, opened_first):
    astore = await tierstore.open_async(policy, base_dir=tmp_path)
    view = astore.prefixed("")
    if opened_first:
        await astore.put("a", 1)
    await astore.close()
    await astore.close()
    for closed in (astore, view):
        with pytest.raises(tierstore.StoreClosedError):
            await getattr(closed, verb)(*CALLS[verb], **NAMED.get(verb, {}))


async def test_a_closed_store_refuses_what_has_nothing_to_do(policy, tmp_path):
    astore = await tierstore.open_async(policy, base_dir=tmp_path)
    await astore.close()
    for call in (
        lambda: astore.get_many([]),
        lambda: astore.put_many({}),
        lambda: astore.delete_many([]),
        astore.__aenter__,
    ):
        with pytest.raises(tierstore.StoreClosedError):
            await call()
    with pytest.raises(tierstore.StoreClosedError):
        astore.prefixed("a/")


async def test_a_scan_begun_before_closing_says_so(policy, tmp_path):
    async with tierstore.open_async(policy, base_dir=tmp_path) as astore:
        await astore.put_many({"a": 1, "b": 2})
        pages = astore.scan().pages(1)
        await anext(pages)
    with pytest.raises(tierstore.StoreClosedError):
        await anext(pages)
