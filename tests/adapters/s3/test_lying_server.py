"""Servers that fail, are busy, ignore conditions or cut what they send."""

from __future__ import annotations

import pytest

from tierstore.errors import CorruptionError, OutcomeUnknownError, UnavailableError
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    ByteRange,
    ObjectExistsError,
    ObjectMissingError,
)
from tierstore.runtime import Runtime
from tierstore.testing.conformance.telling import told

TIMEOUT_S = 5.0
ALWAYS = 1000
BOTO3 = pytest.mark.parametrize("driver", ["boto3"])
OBSTORE = pytest.mark.parametrize("driver", ["obstore"])


def put(objects, mint, content=b"abcdefgh"):
    name = mint()
    objects.put(name, [content], TIMEOUT_S)
    return name


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SlowDown"), (500, "InternalError"), (409, "ConditionalRequestConflict"), (429, "X")],
)
def test_what_may_pass_is_tried_again(objects, mint, stub, runtime, status, code):
    put(objects, mint)
    stub.fail("PUT", status, code, times=3)
    before_s = runtime.monotonic()
    name = put(objects, mint)
    assert stub.objects[f"p/{name}"] == b"abcdefgh"
    assert runtime.monotonic() > before_s  # it waited in between
    stub.fail("GET", status, code, times=2)
    assert objects.read(name, [ByteRange(0, 3)], TIMEOUT_S) == [b"abc"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", UnavailableError),
        (409, "ConditionalRequestConflict", UnavailableError),
        (500, "InternalError", OutcomeUnknownError),
        (403, "AccessDenied", UnavailableError),
        (403, "QuotaExceeded", UnavailableError),
        (404, "NoSuchBucket", UnavailableError),
    ],
)
def test_what_does_not_pass_says_whether_it_may_have_happened(
    objects, mint, stub, status, code, kind
):
    put(objects, mint)
    stub.fail("PUT", status, code, times=ALWAYS)
    with pytest.raises(kind) as caught:
        put(objects, mint)
    assert code in str(caught.value)
    assert len(stub.objects) == 2  # and the probe


def test_what_cannot_pass_is_asked_once(objects, mint, stub):
    put(objects, mint)
    before = stub.count("PUT")
    stub.fail("PUT", 403, "AccessDenied", times=ALWAYS)
    with pytest.raises(UnavailableError, match="actions that its policy has to allow"):
        put(objects, mint)
    assert stub.count("PUT") == before + 1


def test_a_missing_bucket_is_no_missing_object(objects, mint, stub):
    stub.fail("GET", 404, "NoSuchBucket", times=ALWAYS)
    for call in (
        lambda: objects.read(mint(), [ByteRange(0, 1)], TIMEOUT_S),
        lambda: objects.read(mint(), [], TIMEOUT_S),
        lambda: next(objects.stream(mint(), TIMEOUT_S)),
    ):
        with pytest.raises(UnavailableError, match="no such bucket"):
            call()


def test_retries_end_with_the_time(open_objects, mint, stub):
    objects = open_objects(stub.url(), Runtime())
    put(objects, mint)
    stub.fail("GET", 503, "SlowDown", times=ALWAYS)
    with pytest.raises(UnavailableError, match="SlowDown"):
        objects.read(mint(), [ByteRange(0, 1)], 0.05)


def test_a_server_that_says_nothing_is_given_up(open_objects, mint, stub):
    """By the time of the system, on which sockets wait; without a bound this would not end."""
    objects = open_objects(stub.url(), Runtime())
    name = put(objects, mint)
    stub.fail("GET", then="say nothing", times=ALWAYS)
    stub.fail("PUT", then="say nothing", times=ALWAYS)
    with pytest.raises(UnavailableError, match="did not answer"):
        objects.read(name, [ByteRange(0, 1)], 0.4)
    with pytest.raises(OutcomeUnknownError):
        objects.put(mint(), [b"x"], 0.4)


@BOTO3
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nobody_is_sent_elsewhere(objects, mint, stub, status):
    """An endpoint that redirects could lead anywhere inside a network."""
    name = put(objects, mint)
    before = stub.count("GET")
    stub.fail("GET", status, "TemporaryRedirect", times=ALWAYS)
    with pytest.raises(UnavailableError):
        objects.read(name, [ByteRange(0, 1)], TIMEOUT_S)
    assert stub.count("GET") <= before + 2
    assert all(one["path"].startswith("/stub") for one in stub.headers)


# Answers that get lost


def test_a_put_whose_answer_got_lost_is_recognised(objects, mint, stub, runtime):
    put(objects, mint)
    stub.fail("PUT", then="do and hang up")
    name = put(objects, mint)
    assert stub.objects[f"p/{name}"] == b"abcdefgh"
    assert runtime.reached["put recognised after a lost answer"] == 1


def test_a_lost_answer_is_no_excuse_for_the_object_of_another(objects, mint, stub):
    put(objects, mint)
    name = mint()
    stub.objects[f"p/{name}"], stub.metadata[f"p/{name}"] = b"of another", {}
    with pytest.raises(ObjectExistsError):
        objects.put(name, [b"mine"], TIMEOUT_S)
    assert stub.count("HEAD") == 0  # nothing was lost yet, so nothing is asked
    stub.fail("PUT", then="hang up")
    with pytest.raises(ObjectExistsError):
        objects.put(name, [b"mine"], TIMEOUT_S)
    assert stub.objects[f"p/{name}"] == b"of another"


def test_a_put_without_any_answer_is_unknown(objects, mint, stub):
    put(objects, mint)
    stub.fail("PUT", then="do and hang up")
    stub.fail("PUT", then="hang up", times=ALWAYS)
    with pytest.raises(OutcomeUnknownError):
        put(objects, mint)


def test_a_refusal_does_not_tell_what_became_of_an_earlier_attempt(objects, mint, stub):
    put(objects, mint)
    stub.fail("PUT", then="hang up")
    stub.fail("PUT", 503, "SlowDown", times=ALWAYS)  # which says that nothing happened, this time
    with pytest.raises(OutcomeUnknownError):
        put(objects, mint)


def test_a_put_that_nobody_can_tell_of_is_unknown(objects, mint, stub):
    put(objects, mint)
    stub.fail("PUT", then="do and hang up")
    stub.fail("HEAD", then="hang up", times=ALWAYS)
    with pytest.raises(OutcomeUnknownError):
        put(objects, mint)


# Conditions


def test_a_server_that_overwrites_is_found_out_once(objects, mint, stub):
    stub.is_conditional = False
    assert objects.told() == ""
    name = put(objects, mint)
    assert "overwrites what is there" in objects.told()
    puts = stub.count("PUT")
    put(objects, mint)
    assert stub.count("PUT") == puts + 1
    with pytest.raises(ObjectExistsError):
        objects.put(name, [b"other"], TIMEOUT_S)
    assert stub.objects[f"p/{name}"] == b"abcdefgh"
    assert "If-None-Match" not in stub.headers[-1]


def test_a_server_that_knows_no_conditions_is_asked_without(objects, mint, stub):
    stub.fail("PUT", 501, "NotImplemented", times=2)
    name = put(objects, mint)
    assert stub.objects[f"p/{name}"] == b"abcdefgh"
    assert "overwrites what is there" in objects.told()


def test_a_probe_that_fails_fails_the_put_and_is_repeated(objects, mint, stub):
    stub.fail("PUT", then="hang up", times=6)
    with pytest.raises(UnavailableError):  # not unknown: it was the probe's
        put(objects, mint)
    put(objects, mint)
    assert objects.told() == "its server refuses to overwrite what is there"


# Bodies


@pytest.mark.parametrize("size_bytes", [10, 3 * CHUNK_BYTES_MAX + 7])
def test_a_body_that_was_cut_is_read_again(objects, mint, stub, size_bytes):
    whole = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    name = put(objects, mint, whole)
    stub.fail("GET", then="cut", times=2)
    assert objects.read(name, [ByteRange(0, size_bytes)], TIMEOUT_S) == [whole]
    stub.fail("GET", then="cut", times=2)
    assert b"".join(objects.stream(name, TIMEOUT_S)) == whole


def test_a_body_that_is_shorter_than_it_says_is_read_again(objects, mint, stub):
    name = put(objects, mint)
    stub.fail("GET", then="shorten", times=2)
    assert objects.read(name, [ByteRange(0, 8)], TIMEOUT_S) == [b"abcdefgh"]
    stub.fail("GET", then="shorten", times=ALWAYS)
    with pytest.raises(UnavailableError):
        objects.read(name, [ByteRange(0, 8)], TIMEOUT_S)


def test_a_body_that_is_always_cut_is_unavailable(objects, mint, stub):
    name = put(objects, mint)
    stub.fail("GET", then="cut", times=ALWAYS)
    with pytest.raises(UnavailableError):
        objects.read(name, [ByteRange(0, 8)], TIMEOUT_S)
    with pytest.raises(UnavailableError):
        list(objects.stream(name, TIMEOUT_S))


def test_a_stream_that_goes_on_wants_the_same_object(objects, mint, stub):
    name = put(objects, mint, bytes(3 * CHUNK_BYTES_MAX))
    stub.fail("GET", then="cut")
    list(objects.stream(name, TIMEOUT_S))
    assert {name.lower(): value for name, value in stub.headers[-1].items()}["if-match"] == '"e"'


@BOTO3
@pytest.mark.parametrize("checksum", ["AAAAAA==", "AAAAAA==-1"])
def test_a_wrong_checksum_is_corruption(objects, mint, stub, checksum):
    name = put(objects, mint)
    stub.checksum = checksum
    with pytest.raises(CorruptionError) as caught:
        list(objects.stream(name, TIMEOUT_S))
    assert (caught.value.tier, caught.value.object) == ("cold", name)


@pytest.mark.parametrize("change", [lambda whole: b"A" + whole[1:], lambda whole: whole[:-1]])
@OBSTORE
def test_what_was_damaged_at_rest_is_found_by_what_stands_with_it(objects, mint, stub, change):
    name = put(objects, mint, bytes(2 * CHUNK_BYTES_MAX))
    list(objects.stream(name, TIMEOUT_S))
    stub.objects[f"p/{name}"] = change(stub.objects[f"p/{name}"])
    with pytest.raises(CorruptionError) as caught:
        list(objects.stream(name, TIMEOUT_S))
    assert (caught.value.tier, caught.value.object) == ("cold", name)


@BOTO3
def test_a_whole_object_can_be_read_without_ranges(objects, mint, stub):
    stub.has_ranges = False
    name = put(objects, mint)
    assert objects.read(name, [ByteRange(0, 8)], TIMEOUT_S) == [b"abcdefgh"]


def test_a_server_without_ranges_is_told_apart_from_damage(objects, mint, stub):
    stub.has_ranges = False
    name = put(objects, mint)
    with pytest.raises(UnavailableError, match="does not answer ranges"):
        objects.read(name, [ByteRange(2, 3)], TIMEOUT_S)


def test_far_ranges_are_asked_for_at_once_and_near_ones_together(open_objects, mint, stub):
    objects = open_objects(stub.url(), Runtime())
    whole = bytes(number % 251 for number in range(1 << 20))
    name = put(objects, mint, whole)
    before = stub.count("GET")
    near = [ByteRange(start, 10) for start in range(0, 1000, 100)]
    far = [ByteRange(start, 10) for start in range(200_000, 1_000_000, 200_000)]
    found = objects.read(name, [*near, *far], TIMEOUT_S)
    assert found == [whole[asked.start : asked.end] for asked in [*near, *far]]
    assert stub.count("GET") == before + 5
    with pytest.raises(ObjectMissingError):
        objects.read(mint(), far, TIMEOUT_S)
    with pytest.raises(CorruptionError):
        objects.read(name, [*far, ByteRange(2 << 20, 1)], TIMEOUT_S)


# Requests


def test_deletes_that_are_refused_one_by_one_are_told(objects, mint, stub):
    stub.fail("POST", then="refuse each")
    with pytest.raises(UnavailableError, match="AccessDenied"):
        objects.delete([mint()], TIMEOUT_S)
    objects.delete([mint()], TIMEOUT_S)


def test_encryption_is_asked_for_at_every_write(open_objects, mint, stub):
    objects = open_objects(stub.url(sse="aws:kms", kms_key="key-1"))
    put(objects, mint)
    written = [one for one in stub.headers if one["method"] == "PUT"]
    assert written
    for one in written:
        one = {name.lower(): value for name, value in one.items()}
        assert one["x-amz-server-side-encryption"] == "aws:kms"
        assert one["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"


@BOTO3
def test_the_owner_is_asked_for_always(open_objects, mint, stub):
    objects = open_objects(stub.url(owner="123456789012"))
    put(objects, mint)
    assert {one["x-amz-expected-bucket-owner"] for one in stub.headers} == {"123456789012"}


def test_messages_name_the_bucket_and_nothing_that_a_server_says(objects, mint, stub):
    stub.fail("GET", 403, "AccessDenied", times=ALWAYS)
    with pytest.raises(UnavailableError) as caught:
        objects.read(mint(), [ByteRange(0, 1)], TIMEOUT_S)
    assert str(caught.value).startswith("the cold tier in bucket 'stub': access is denied")
    assert str(stub.port) not in str(caught.value)
    assert not [text for text in told(caught.value) if "c4n4ry" in text and "the cold" in text]
