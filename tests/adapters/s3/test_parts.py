"""What is small in this adapter, against models that are obvious."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.region.deadline import Deadline
from tierstore.region.objects import ByteRange
from tierstore.region.spans import GAP_BYTES_MAX, SPAN_BYTES_MAX, join_near
from tierstore.region.together import run_together
from tierstore.runtime import Runtime
from tierstore_s3 import checksums
from tierstore_s3.listing import leftover_name, list_page, parse_leftover
from tierstore_s3.location import parse_location

NAME = "00c0ffee/1-018bcfe56800-0123456789abcdef.seg"
BIG = 3 * SPAN_BYTES_MAX


@given(st.lists(st.builds(ByteRange, st.integers(0, BIG), st.integers(0, 1 << 20)), max_size=20))
def test_spans_have_every_range_once_and_little_besides(ranges):
    spans = join_near(ranges)
    assert sorted(index for span in spans for index in span.indices) == [
        index for index, asked in enumerate(ranges) if asked.length
    ]
    for span in spans:
        inside = [ranges[index] for index in span.indices]
        assert span.start == min(asked.start for asked in inside)
        assert span.end == max(asked.end for asked in inside)
        assert span.end - span.start <= SPAN_BYTES_MAX
        assert unused_bytes(span, inside) <= GAP_BYTES_MAX * (len(inside) - 1)
    assert spans == sorted(spans, key=lambda span: span.start)


def unused_bytes(span, inside):
    used, end = 0, span.start
    for asked in sorted(inside, key=lambda asked: asked.start):
        used += max(0, asked.end - max(end, asked.start))
        end = max(end, asked.end)
    return span.end - span.start - used


@given(st.integers(0, 100), st.lists(st.integers(1, 30), min_size=1))
def test_the_checksum_of_parts_is_found_however_bytes_come(size_bytes, sizes):
    whole = bytes(range(1, size_bytes + 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checksums, "PART_BYTES", 16)
        parts = [whole[start : start + 16] for start in range(0, len(whole), 16)]
        every = b"".join(crc32(part).to_bytes(4, "big") for part in parts)
        expected = f"{checksums.crc_of(every)}-{len(parts)}"
        assert not checked(expected, whole, sizes)
        assert not checked(f"AAAAAA==-{len(parts) + 1}", whole, sizes)
        if whole:
            assert checked(expected, bytes([whole[0] ^ 1]) + whole[1:], sizes)


def checked(expected, whole, sizes):
    check, at, turn = checksums.PartsCheck(expected), 0, 0
    while at < len(whole):
        check.update(whole[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return check.is_wrong()


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_leftovers_are_named_reversibly(upload_id):
    assert parse_leftover(leftover_name(NAME, upload_id)) == (NAME, upload_id)


@pytest.mark.parametrize(
    "name", [NAME, "x.y.upload", f"{NAME}.upload", f"{NAME[:-4]}.tmp.i.upload"]
)
def test_other_names_are_no_leftovers(name):
    assert parse_leftover(name) is None


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 30])
def test_jobs_answer_in_their_order(count):
    runtime = Runtime()
    jobs = [lambda number=number: number * number for number in range(count)]
    assert run_together(jobs, runtime, 8, Deadline(runtime, 60.0)) == [n * n for n in range(count)]


@pytest.mark.parametrize("bad", [0, 5, 19])
def test_a_job_that_fails_fails_all(bad):
    runtime = Runtime()

    def job(number):
        if number == bad:
            raise KeyError(number)

    jobs = [lambda number=number: job(number) for number in range(20)]
    with pytest.raises(KeyError):
        run_together(jobs, runtime, 8, Deadline(runtime, 60.0))


class FewKeys:
    """A session whose server tells one key at a time, as it may, and of one upload."""

    def __init__(self, names, upload_of):
        self.names, self.upload_of, self.location = names, upload_of, parse_location("s3://bucket")

    def key(self, name):
        return name

    def ask(self, operation, deadline, known=(), StartAfter="", **how):  # noqa: N803
        if operation == "list_multipart_uploads":
            return {"Uploads": [{"Key": self.upload_of, "UploadId": "u"}]}
        left = [name for name in self.names if name > StartAfter]
        keys = [{"Key": name, "Size": 1} for name in left[:1]]
        return {"Contents": keys, "IsTruncated": len(left) > 1}


def test_a_server_that_tells_few_keys_hides_none():
    names = [NAME.replace("cdef.", f"cde{number}.") for number in range(5)]
    session, after, found = FewKeys(names, names[2]), "", []
    while after is not None:
        page = list_page(session, f"{NAME.partition('/')[0]}/", after, 10, None)
        found += [each.name for each in [*page.objects, *page.leftovers]]
        after = page.next_after
    assert sorted(found) == sorted([*names, leftover_name(names[2], "u")])
    assert [name for name in found if name in names] == names
