"""What every object tier promises, over each of them."""

from __future__ import annotations

import pytest

from tierstore.errors import CorruptionError, InvalidArgumentError
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    ByteRange,
    ObjectExistsError,
    ObjectInfo,
    ObjectMissingError,
)

T = 5.0
REGION, OTHER = "00c0ffee00c0ffee", "0ther"
FOREIGN = [
    "",
    "x",
    f"{REGION}/",
    f"{REGION}/notes.txt",
    f"{REGION}/1-018bcfe56800-0123456789abcdef.tmp",
    f"{REGION}/01-018bcfe56800-0123456789abcdef.seg",
    f"{REGION}/1-018bcfe56800-0123456789abcdeF.seg",
    f"{REGION}/1-018bcfe56800-0123456789abcdef.seg\n",
    f"{REGION}/../{REGION}/1-018bcfe56800-0123456789abcdef.seg",
    "../1-018bcfe56800-0123456789abcdef.seg",
    "/1-018bcfe56800-0123456789abcdef.seg",
    f"/{REGION}/1-018bcfe56800-0123456789abcdef.seg",
    f"{REGION}/a/1-018bcfe56800-0123456789abcdef.seg",
    f"{REGION}\0/1-018bcfe56800-0123456789abcdef.seg",
    f"{REGION.upper()}/1-018bcfe56800-0123456789abcdef.seg",
    f"{REGION}/1-018bcfe56800-0123456789abcde٣.seg",
]


def put(bench, parts=(b"abc", b"", b"defgh"), **kwargs):
    name = bench.mint(**kwargs)
    bench.objects.put(name, parts, T)
    return name


@pytest.mark.parametrize(
    "parts", [[], [b""], [b"abc", b"", b"defgh"], [bytes(CHUNK_BYTES_MAX), b"x", bytes(70_000)]]
)
def test_an_object_is_its_parts(bench, parts):
    name, whole = put(bench, parts), b"".join(parts)
    assert bench.peek(name) == whole
    chunks = list(bench.objects.stream(name, T))
    assert b"".join(chunks) == whole
    assert all(0 < len(chunk) <= CHUNK_BYTES_MAX for chunk in chunks)
    assert bench.objects.read(name, [ByteRange(0, len(whole))], T) == [whole]
    assert bench.names() == {name}


def test_parts_may_be_made_while_they_are_taken(bench):
    name = put(bench, (bytes([n]) for n in range(5)))
    assert bench.peek(name) == bytes(range(5))


def test_ranges_come_in_the_order_asked_for(bench):
    name = put(bench)
    asked = [ByteRange(4, 4), ByteRange(0, 3), ByteRange(8, 0), ByteRange(0, 8), ByteRange(2, 1)]
    assert bench.objects.read(name, asked, T) == [b"efgh", b"abc", b"", b"abcdefgh", b"c"]
    assert bench.objects.read(name, [], T) == []


@pytest.mark.parametrize(
    "asked", [ByteRange(0, 9), ByteRange(8, 1), ByteRange(1 << 62, 1), ByteRange(0, 1 << 62)]
)
def test_a_short_answer_is_corruption(bench, asked):
    name = put(bench)
    with pytest.raises(CorruptionError, match="shorter") as caught:
        bench.objects.read(name, [ByteRange(0, 1), asked], T)
    assert (caught.value.tier, caught.value.object) == ("cold", name)


@pytest.mark.parametrize("asked", [ByteRange(-1, 2), ByteRange(2, -1)])
def test_impossible_ranges_are_refused(bench, asked):
    name = put(bench)
    with pytest.raises(InvalidArgumentError):
        bench.objects.read(name, [asked], T)


def test_nothing_is_overwritten(bench):
    name = put(bench)
    with pytest.raises(ObjectExistsError):
        bench.objects.put(name, [b"other"], T)
    assert bench.peek(name) == b"abcdefgh"
    assert bench.names() == {name}


def test_a_put_whose_parts_fail_leaves_nothing(bench):
    def parts():
        yield b"abc"
        raise KeyError("parts")

    with pytest.raises(KeyError):
        bench.objects.put(bench.mint(), parts(), T)
    assert bench.names() == set()


def test_a_missing_object_is_missing(bench):
    put(bench)
    name = bench.mint()
    with pytest.raises(ObjectMissingError):
        bench.objects.read(name, [ByteRange(0, 1)], T)
    with pytest.raises(ObjectMissingError):
        next(bench.objects.stream(name, T))


def test_deleting_is_idempotent(bench):
    kept, gone = put(bench), put(bench)
    never, elsewhere = bench.mint(), bench.mint(region=OTHER)
    for _ in range(2):
        bench.objects.delete([never, gone, elsewhere], T)
        assert bench.names() == {kept}
    bench.objects.delete([], T)


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_names_are_refused(bench, name):
    own = put(bench)
    for call in (
        lambda: bench.objects.put(name, [b"x"], T),
        lambda: bench.objects.read(name, [ByteRange(0, 1)], T),
        lambda: next(bench.objects.stream(name, T)),
        lambda: bench.objects.delete([own, name], T),
    ):
        with pytest.raises(InvalidArgumentError):
            call()
    assert bench.names() == {own}


@pytest.mark.parametrize("prefix", ["", "/", "..", "../", REGION, f"{REGION}/a/b", f"{REGION}/\0"])
def test_prefixes_beyond_a_region_are_refused(bench, prefix):
    with pytest.raises(InvalidArgumentError):
        bench.objects.list(prefix, "", 10, T)


def test_an_empty_tier_lists_nothing(bench):
    page = bench.objects.list(f"{REGION}/", "", 10, T)
    assert (page.objects, page.next_after, page.foreign, page.leftovers) == ([], None, [], [])


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_of_any_size_list_everything_once(bench, limit):
    sizes = {put(bench, [bytes(n)], kind=kind): n for n in range(6) for kind in ("seg", "val")}
    put(bench, region=OTHER)
    foreign = [f"{REGION}/{name}" for name in ("zzz", "0-x", "1-018bcfe56800-x.seg", "ünlist")]
    for name in foreign:
        bench.plant(name, b"foreign")

    found, seen_foreign, after, pages = [], [], "", 0
    while after is not None:
        page = bench.objects.list(f"{REGION}/", after, limit, T)
        assert len(page.objects) + len(page.foreign) <= limit
        found += page.objects
        seen_foreign += page.foreign
        after, pages = page.next_after, pages + 1

    assert found == [ObjectInfo(name, sizes[name]) for name in sorted(sizes)]
    assert seen_foreign == sorted(foreign)
    assert pages == -(-(len(sizes) + len(foreign)) // limit)


def test_a_page_may_be_empty_and_have_a_next(bench):
    name = put(bench)
    bench.plant(f"{REGION}/!", b"foreign")
    page = bench.objects.list(f"{REGION}/", "", 1, T)
    assert page.objects == []
    assert page.next_after is not None
    assert bench.objects.list(f"{REGION}/", page.next_after, 1, T).objects == [ObjectInfo(name, 8)]


def test_a_prefix_may_be_a_name(bench):
    names = sorted(put(bench) for _ in range(3))
    page = bench.objects.list(names[1], "", 10, T)
    assert page.objects == [ObjectInfo(names[1], 8)]


def test_closing_is_idempotent(bench):
    put(bench)
    bench.objects.close()
    bench.objects.close()


def test_what_it_can_do_is_declared(bench):
    assert bench.objects.capabilities.conditional_put
    assert bench.objects.capabilities.ordered_scan
