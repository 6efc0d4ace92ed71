"""Urls of a cold tier on S3: what they say, what is refused, and that nothing secret is shown."""

from __future__ import annotations

import logging
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import PolicyError
from tierstore.testing.conformance.telling import told
from tierstore_s3.location import Credentials, parse_location
from tierstore_s3.objects import S3Objects

CANARY = "c4n4ry"
PLAIN = st.text("abcXYZ019!_.*'()-", min_size=1, max_size=8).filter(lambda t: t not in (".", ".."))


def test_a_bucket_is_enough():
    location = parse_location("s3://bucket")
    assert (location.bucket, location.prefix, location.credentials) == ("bucket", "", None)
    assert str(location) == "s3://bucket"


@given(st.lists(PLAIN, max_size=4))
def test_every_prefix_of_plain_segments_is_taken(segments):
    prefix = "/".join(segments)
    location = parse_location(f"s3://bucket/{prefix}")
    assert location.prefix == (f"{prefix}/" if prefix else "")


def test_credentials_come_from_either_side():
    expected = Credentials("AK", "se/c+r=t%")
    for url in (
        "s3://AK:se/c+r=t%25@bucket/x",
        "s3://bucket/x?access_key=AK&secret_key=se/c+r=t%25",
    ):
        assert parse_location(url).credentials == expected
    token = parse_location("s3://AK:s@bucket?session_token=t").credentials
    assert token == Credentials("AK", "s", "t")


def test_encryption_is_what_every_write_asks_for():
    assert parse_location("s3://bucket?sse=AES256").encryption == {"ServerSideEncryption": "AES256"}
    url = "s3://bucket?sse=aws:kms&kms_key=arn:aws:kms:eu:1:key/2"
    assert parse_location(url).encryption["SSEKMSKeyId"] == "arn:aws:kms:eu:1:key/2"


def test_an_endpoint_of_its_own_is_addressed_by_path():
    assert parse_location("s3://bucket").addressing == "auto"
    url = "s3://bucket?endpoint_url=http://127.0.0.1:9000"
    assert parse_location(url).addressing == "path"
    assert parse_location(url + "&addressing=virtual").addressing == "virtual"


@pytest.mark.parametrize(
    "url",
    [
        "s3:bucket", "s3://", "s3:///x", "s3://B", "s3://bu_cket", "s3://bucket/a//b",
        "s3://bucket/../x", "s3://bucket/./x", "s3://bucket/a b", "s3://bucket/a%2Fb",
        "s3://bucket/" + "x" * 901, "s3://bucket#x", "s3://bucket/secret_key=x", "s3://bucket?x=1", "s3://bucket?sse=none",
        "s3://bucket?kms_key=k", "s3://bucket?sse=AES256&kms_key=k", "s3://bucket?sse=AES256&sse=AES256",
        "s3://bucket?access_key=a", "s3://a@bucket", "s3://a:b:c@bucket", "s3://:@bucket",
        "s3://a:b@bucket?access_key=c&secret_key=d", "s3://a:b@bucket?profile=p",
        "s3://bucket?session_token=t", "s3://bucket?owner=1", "s3://bucket?region=EU/..",
        "s3://bucket?endpoint_url=gopher://x", "s3://bucket?endpoint_url=file:///etc",
        "s3://bucket?endpoint_url=http://me:pw%40host", "s3://bucket?endpoint_url=http://h/path",
        "s3://bucket?endpoint_url=http://h:99999", "s3://bucket?endpoint_url=http://[::1",
        "s3://bucket?endpoint_url=http://me%3Apw%40host",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_malformed_url_is_refused(url):
    with pytest.raises(PolicyError, match="the url of the cold tier: "):
        parse_location(url)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "2852039166", "0xA9FEA9FE", "169.254.43518", "0251.0376.0251.0376",
        "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]",
    ],
)  # fmt: skip
def test_an_address_that_tells_secrets_is_refused(host):
    for scheme in ("http", "https"):
        with pytest.raises(PolicyError, match="link-local"):
            parse_location(f"s3://bucket?endpoint_url={scheme}://{host}:80")


def test_a_name_that_leads_to_such_an_address_is_refused(open_objects, mint, monkeypatch):
    from tierstore.region import endpoints

    objects = open_objects("s3://a:b@bucket?endpoint_url=http://inner.example&region=r")
    found = [(2, 1, 6, "", ("169.254.169.254", 0))]
    monkeypatch.setattr(endpoints.socket, "getaddrinfo", lambda *args, **kwargs: found)
    with pytest.raises(PolicyError, match="leads to a link-local address"):
        objects.put(mint(), [b"x"], 5.0)


def test_no_malformed_url_tells_what_is_in_it(runtime, caplog):
    """Ten thousand of them, wherever the secret stands."""
    caplog.set_level(logging.DEBUG)
    chance, refused = random.Random(1), 0
    for _ in range(10_000):
        url = broken_url(chance)
        try:
            texts = [repr(S3Objects(url, runtime=runtime, base_dir="/"))]
        except PolicyError as error:
            refused += 1
            texts = told(error)
        assert not [text for text in texts if CANARY in text], url
    assert refused > 5_000
    assert CANARY not in caplog.text


def broken_url(chance):
    """The url of a tier with a canary for a secret, changed in a few places."""
    options = ["access_key=AK", f"secret_key={CANARY}", f"session_token={CANARY}", "region=r",
               "endpoint_url=http://h:1", f"endpoint_url=http://{CANARY}@h", f"{CANARY}=1",
               "sse=AES256", f"kms_key={CANARY}"]  # fmt: skip
    query = "&".join(chance.sample(options, chance.randrange(5)))
    url = chance.choice([f"s3://AK:{CANARY}@bucket/x", "s3://bucket/x"]) + f"?{query}"
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(url) + 1)
        if chance.random() < 0.5:
            url = url[:at] + chance.choice("@:/?#&=%[] \\\n\0é") + url[at:]
        else:
            url = url[:at] + url[at + 1 :]
    return url if CANARY in url.partition("?")[2] or "@" in url else url.replace(CANARY, "c")


def test_a_location_shows_where_it_is_and_nothing_else():
    url = f"s3://{CANARY}:{CANARY}@bucket/x?endpoint_url=http://inner:1&session_token={CANARY}"
    location = parse_location(url)
    texts = [repr(location), str(location), repr(location.credentials), f"{location}"]
    assert not [text for text in texts if CANARY in text or "inner" in text]
