"""Reading many keys of the cold tier at once: each is answered, whatever becomes of the others."""

from __future__ import annotations

import random
from dataclasses import replace
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError, DeadlineExceededError, UnavailableError
from tierstore.record import ELSEWHERE, Record
from tierstore.region.objects import ByteRange
from tierstore.region.pointer import decode_pointer, encode_pointer
from tierstore.testing import FaultPlan, FaultyObjects, MemoryObjects
from tierstore.tiers.cold import GAP_BYTES_MAX, ColdReader

T = 5.0
STAMP = 1_700_000_000_000 << 16


def table(count, size_bytes=900, prefix="k", seed=1):
    chance = random.Random(seed)
    return {
        f"{prefix}/{n:04}": Record(STAMP + n, 7, chance.randbytes(size_bytes)) for n in range(count)
    }


def payloads(records, keys=None):
    return {key: records[key].payload for key in (records if keys is None else keys)}


def change_pointer(row, **changes):
    pointer = decode_pointer(row.cold, key=row.key)
    return replace(row, cold=encode_pointer(replace(pointer, **changes)))


class Watched(MemoryObjects):
    """Objects in memory that note which ranges are asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def read(self, name, ranges, timeout_s):
        self.asked.append((name, list(ranges)))
        return super().read(name, ranges, timeout_s)


class Slow(MemoryObjects):
    """Objects in memory of which each call takes some virtual seconds."""

    def __init__(self, runtime, delay_s):
        super().__init__()
        self._runtime, self._delay_s = runtime, delay_s
        self.timeouts = []

    def read(self, name, ranges, timeout_s):
        self.timeouts.append(timeout_s)
        self._runtime.sleep(self._delay_s)
        return super().read(name, ranges, timeout_s)


@given(data=st.data())
def test_what_is_gone_or_damaged_costs_the_others_nothing(bench_of, data):
    objects = MemoryObjects()
    bench = bench_of(objects)
    whole, rows, of = {}, {}, {}
    for number in range(data.draw(st.integers(1, 3))):
        records = table(data.draw(st.integers(1, 150)), prefix=f"s{number}", seed=number)
        name, found = bench.put_segment(records)
        whole |= records
        rows |= found
        of |= dict.fromkeys(records, name)
    for number in range(data.draw(st.integers(0, 2))):
        record = Record(STAMP, 7, bytes([number]) * 400_000)
        name, found = bench.put_value(f"large/{number}", record)
        whole[f"large/{number}"] = record
        rows |= found
        of[f"large/{number}"] = name
    gone = data.draw(st.sets(st.sampled_from(sorted(objects.blobs))))
    for name in gone:
        del objects.blobs[name]
    asked = data.draw(st.sets(st.sampled_from(sorted(rows)), max_size=40))
    lost = data.draw(st.sets(st.sampled_from(sorted(asked)))) if asked else set()
    mixed = {k: replace(rows[k], cold=b"junk") if k in lost else rows[k] for k in asked}

    reply = bench.read(mixed)

    assert reply.corrupt.keys() == lost
    assert reply.missing == {key for key in asked - lost if of[key] in gone}
    assert reply.payloads == payloads(whole, asked - lost - reply.missing)


def test_nothing_is_asked_for_nothing(bench):
    reply = bench.read({})
    assert (reply.payloads, reply.missing, reply.corrupt) == ({}, set(), {})


def test_the_lifetime_is_the_rows(bench):
    _, rows = bench.put_segment({"a": Record(STAMP, 7, b"x", 5, 6)})
    row = rows["a"]
    for touch, expires_at_ms in ((6, 5), (9, None), (0, 10**15)):
        record = Record(row.record.stamp, 7, ELSEWHERE, expires_at_ms, touch)
        assert bench.read({"a": replace(row, record=record)}).payloads == {"a": b"x"}


@pytest.mark.parametrize(
    "record",
    [
        Record(STAMP + 1, 7, ELSEWHERE),
        Record(STAMP, 8, ELSEWHERE),
        Record(STAMP, 7, ELSEWHERE, type=2),
        Record(STAMP, 7, ELSEWHERE, generation=1),
    ],
)
def test_another_version_than_the_rows_is_corrupt(bench, record):
    _, rows = bench.put_segment({"a": Record(STAMP, 7, b"x"), "b": Record(STAMP, 7, b"y")})
    _, large = bench.put_value("c", Record(STAMP, 7, b"z"))
    rows |= large
    for key in ("a", "c"):
        rows[key] = replace(rows[key], record=record)
    reply = bench.read(rows)
    assert reply.payloads == {"b": b"y"}
    assert all("another version" in reply.corrupt[key] for key in ("a", "c"))


def test_pointers_that_lead_elsewhere_in_the_object_are_corrupt(bench):
    records = table(200)
    _, rows = bench.put_segment(records)
    (sound, *others) = rows
    wrong = {
        others[0]: change_pointer(rows[others[0]], index=5),
        others[1]: change_pointer(rows[others[1]], index=1000),
        others[2]: change_pointer(rows[others[2]], offset=13),
        others[3]: change_pointer(rows[others[3]], length=10),
        others[4]: change_pointer(rows[others[4]], offset=1 << 40),
        others[5]: change_pointer(rows[others[5]], length=1 << 39),
        others[6]: replace(rows[others[6]], cold=None),
    }
    reply = bench.read({sound: rows[sound], **wrong})
    assert reply.payloads == payloads(records, [sound])
    assert reply.corrupt.keys() == wrong.keys()


def test_two_rows_at_one_value_are_not_both_right(bench):
    _, rows = bench.put_value("a", Record(STAMP, 7, b"x"))
    reply = bench.read({**rows, "b": replace(rows["a"], key="b")})
    assert reply.payloads == {"a": b"x"}
    assert "another key" in reply.corrupt["b"]


def test_a_value_of_another_length_than_the_row_says_is_corrupt(bench):
    _, rows = bench.put_value("a", Record(STAMP, 7, b"abc"))
    for length in (2, 4):
        reply = bench.read({"a": change_pointer(rows["a"], length=length)})
        assert (reply.payloads, reply.corrupt.keys()) == ({}, {"a"})


def test_an_object_that_goes_between_two_keys_is_missing_for_the_second(memory):
    class Vanishing(MemoryObjects):
        def stream(self, name, timeout_s):
            chunks = list(super().stream(name, timeout_s))
            self.blobs.clear()
            return iter(chunks)

    memory.objects = Vanishing()
    memory.reader = ColdReader(memory.objects, runtime=memory.runtime)
    _, rows = memory.put_value("a", Record(STAMP, 7, b"abc"))
    reply = memory.read({**rows, "b": replace(rows["a"], key="b")})
    assert (reply.payloads, reply.missing, reply.corrupt) == ({"a": b"abc"}, {"b"}, {})


# How the tier is asked


@pytest.fixture
def watched(memory):
    memory.objects = Watched()
    memory.reader = ColdReader(memory.objects, runtime=memory.runtime)
    return memory


def test_each_object_is_asked_once_and_neighbours_are_one_range(watched):
    first, rows = watched.put_segment(table(500))
    second, more = watched.put_segment(table(100, prefix="other"))
    assert len(watched.read(rows | more).payloads) == 600
    assert [name for name, _ in watched.objects.asked] == [first, second]
    (whole,), (other,) = (ranges for _, ranges in watched.objects.asked)
    assert 0 < other.length < whole.length < len(watched.objects.blobs[first])


def test_a_small_gap_is_read_through_and_a_large_one_is_not(watched):
    records = table(1000)
    _, rows = watched.put_segment(records)
    blocks = {}
    for key, row in rows.items():
        pointer = decode_pointer(row.cold, key=key)
        blocks.setdefault(ByteRange(pointer.offset, pointer.length), key)
    at = sorted(blocks, key=lambda block: block.start)

    near = [at[0], at[1]]
    assert len(watched.read({blocks[b]: rows[blocks[b]] for b in near}).payloads) == 2
    assert watched.objects.asked.pop()[1] == [ByteRange(at[0].start, at[1].end - at[0].start)]

    gap = next(b for b in at if b.start - at[0].end > GAP_BYTES_MAX)
    assert len(watched.read({blocks[b]: rows[blocks[b]] for b in (gap, at[0])}).payloads) == 2
    assert watched.objects.asked.pop()[1] == [at[0], gap]


def test_one_time_is_shared_by_all_objects(memory):
    slow = Slow(memory.runtime, 2.0)
    memory.objects, memory.reader = slow, ColdReader(slow, runtime=memory.runtime)
    rows = {}
    for number in range(4):
        rows |= memory.put_segment(table(1, prefix=f"s{number}"))[1]
    with pytest.raises(DeadlineExceededError):
        memory.reader.read(rows, T)
    assert slow.timeouts == [5.0, 3.0, 1.0]


def test_a_tier_that_cannot_answer_is_unavailable(memory):
    _, rows = memory.put_segment(table(3))
    plan = FaultPlan()
    reader = ColdReader(FaultyObjects(memory.objects, plan), runtime=memory.runtime)
    for kind in ("error", "lost"):
        plan.arm(1, kind)
        with pytest.raises(UnavailableError):
            reader.read(rows, T)
        assert plan.fired == "objects.read"
    plan.is_cold_down = True
    with pytest.raises(UnavailableError, match="unreachable"):
        reader.read(rows, T)
    plan.is_cold_down = False
    assert len(reader.read(rows, T).payloads) == 3


def test_an_answer_of_the_wrong_length_is_corrupt(memory):
    class Liar(MemoryObjects):
        def read(self, name, ranges, timeout_s):
            return [found[:-1] for found in super().read(name, ranges, timeout_s)]

    liar = Liar()
    memory.objects, memory.reader = liar, ColdReader(liar, runtime=memory.runtime)
    _, rows = memory.put_segment(table(3))
    assert memory.read(rows).corrupt.keys() == rows.keys()


def test_threads_share_a_reader(files):
    records = table(300)
    _, rows = files.put_segment(records)
    answers = []

    def read():
        for _ in range(10):
            answers.append(files.read(rows).payloads)

    threads = [Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [payloads(records)] * 40


def test_a_damaged_block_costs_its_own_keys_only(bench):
    records = table(300)
    name, rows = bench.put_segment(records)
    places = {key: decode_pointer(row.cold, key=key) for key, row in rows.items()}
    hit = places["k/0100"]
    content = bytearray(bench.peek(name))
    content[hit.offset + hit.length // 2] ^= 0x10
    bench.objects.delete([name], T)
    bench.plant(name, bytes(content))
    reply = bench.read(rows)
    damaged = {key for key, place in places.items() if place.offset == hit.offset}
    assert reply.corrupt.keys() == damaged
    assert reply.payloads == payloads(records, rows.keys() - damaged)
    cut = bytes(content[: hit.offset + 1])
    bench.objects.delete([name], T)
    bench.plant(name, cut)
    before = {key for key, place in places.items() if place.offset < hit.offset}
    assert bench.read(rows).payloads == payloads(records, before)


def test_faults_of_the_wrapper_are_those_of_the_plan(memory):
    plan = FaultPlan()
    faulty = FaultyObjects(memory.objects, plan)
    name = memory.mint()
    plan.arm(1, "error")
    with pytest.raises(UnavailableError):
        faulty.put(name, [b"x"], T)
    assert memory.names() == set()
    plan.arm(0, "error")
    faulty.put(name, [b"x"], T)
    assert list(faulty.stream(name, T)) == [b"x"]
    assert faulty.capabilities == memory.objects.capabilities
    with pytest.raises(CorruptionError):
        faulty.read(name, [ByteRange(0, 2)], T)
    faulty.close()
    assert memory.objects.closed_count == 1
