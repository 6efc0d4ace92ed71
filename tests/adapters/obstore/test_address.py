"""Urls of a cold tier by obstore: what they say, what is refused, and that nothing secret shows."""

from __future__ import annotations

import json
import logging
import random

import pytest

from tierstore.errors import PolicyError
from tierstore.runtime import Runtime
from tierstore.testing.conformance.telling import told
from tierstore_obstore.address import parse_address
from tierstore_obstore.objects import ObstoreObjects
from tierstore_obstore.stores import Stores
from tierstore_s3.location import parse_location

CANARY = "c4n4ry"
KEY = "YzRuNHJ5"  # base64, as the keys of an account are


def settings(url):
    return dict(parse_address(url, "/base").settings)


def test_a_bucket_is_enough():
    for scheme in ("s3", "gs", "az"):
        address = parse_address(f"{scheme}://bucket", "/")
        assert (address.bucket, address.prefix, str(address)) == (
            "bucket", "", f"{scheme}://bucket"
        )  # fmt: skip
        assert address.asks_for_credentials


def test_the_options_of_s3_are_those_of_boto3_but_for_two():
    from tierstore_obstore.address import FORMS
    from tierstore_s3.location import FORM

    assert set(FORMS["s3"].options) == set(FORM.options)
    for name in ("profile", "owner"):
        with pytest.raises(PolicyError, match="leave client out"):
            settings(f"s3://bucket?{name}=123456789012")


def test_both_clients_find_the_same_place_by_one_url():
    url = "s3://AK:s%2Ft@bucket/a/b?region=r&session_token=t&sse=aws:kms&kms_key=k"
    address, location = parse_address(url, "/"), parse_location(url)
    assert (address.bucket, address.prefix) == (location.bucket, location.prefix)
    found = settings(url)
    who = location.credentials
    assert (found["access_key_id"], found["secret_access_key"], found["session_token"]) == (
        who.access_key, who.secret_key, who.session_token
    )  # fmt: skip
    assert found["region"] == location.region
    assert found["server_side_encryption"] == location.encryption["ServerSideEncryption"]
    assert found["sse_kms_key_id"] == location.encryption["SSEKMSKeyId"]
    assert not address.asks_for_credentials


@pytest.mark.parametrize(
    ("options", "endpoint", "is_virtual"),
    [
        ("", None, True),
        ("addressing=path", None, False),
        ("endpoint_url=http://h:9", "http://h:9", False),
        ("endpoint_url=http://h:9&addressing=auto", "http://h:9", False),
        ("endpoint_url=https://h/&addressing=virtual", "https://bucket.h", True),
    ],
)
def test_the_name_of_the_bucket_stands_where_it_is_told_to(options, endpoint, is_virtual):
    found = settings(f"s3://bucket?{options}")
    assert found.get("endpoint") == endpoint
    assert found["virtual_hosted_style_request"] is is_virtual


def test_a_bucket_with_dots_is_addressed_by_path():
    """A certificate for a host covers one label."""
    assert not settings("s3://a.b.c")["virtual_hosted_style_request"]


def test_files_are_relative_to_the_policy():
    assert settings("gs://bucket?service_account=key.json") == {"service_account": "/base/key.json"}
    assert settings("gs://bucket?service_account=/k.json") == {"service_account": "/k.json"}


def test_what_google_and_azure_are_told():
    assert settings("gs://bucket/p?endpoint_url=http://h:1/&token=t") == {
        "base_url": "http://h:1", "bearer_token": "t"
    }  # fmt: skip
    expected = {"account_name": "name", "account_key": KEY}
    assert settings(f"az://name:{KEY}@box/p") == expected
    assert settings(f"az://box/p?account=name&account_key={KEY}") == expected
    assert settings("az://box?account=name&sas=sv%3D1%26sig%3Dx") == {
        "account_name": "name", "sas_key": "sv=1&sig=x"
    }  # fmt: skip
    assert settings("az://box?endpoint_url=http://h:1/name")["endpoint"] == "http://h:1/name"


@pytest.mark.parametrize(
    "url",
    [
        "file:x", "s3:bucket", "gs://", "az://", "gs://B", "az://a", "az://a--b", "az://a.b",
        "gs://u:p@bucket", "gs://bucket?region=r", "az://box?region=r", "gs://bucket/a//b",
        "gs://bucket?token=t&service_account=f", "az://box?account_key=" + KEY,
        f"az://a:{KEY}@box", "az://box?sas=x", f"az://acc:{KEY}@box?sas=x",
        f"az://acc:{KEY}@box?account=b", "az://box?account=acc&account_key=no-base64",
        "gs://bucket?endpoint_url=http://h/path", "az://box?endpoint_url=http://h/a/b",
        "s3://bucket?access_key=a", "s3://bucket?session_token=t", "s3://bucket?kms_key=k",
        "s3://bucket?sse=AES256&kms_key=k", "gs://bucket?endpoint_url=http://169.254.169.254",
        "az://box?endpoint_url=http://[fe80::1]/acc",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_malformed_url_is_refused(url):
    with pytest.raises(PolicyError, match="the url of the cold tier: "):
        parse_address(url, "/")


def test_stores_are_made_of_every_kind(tmp_path):
    key = tmp_path / "key.json"
    key.write_text(
        json.dumps({"client_email": "e", "private_key": "", "private_key_id": "i",
                    "disable_oauth": True, "gcs_base_url": "http://127.0.0.1:1"})
    )  # fmt: skip
    urls = [
        "s3://AK:s@bucket?region=r&sse=aws:kms&kms_key=k", "s3://bucket?addressing=virtual",
        "gs://bucket?token=t", f"gs://bucket?service_account={key}",
        f"az://acc:{KEY}@box", "az://box?account=acc&sas=sv%3D1%26sig%3Dx",
        f"az://box?account=acc&account_key={KEY}&endpoint_url=http://127.0.0.1:1/acc",
    ]  # fmt: skip
    for url in urls:
        stores = Stores(parse_address(url, "/"), Runtime())
        assert stores.client(60.0).wait_s <= 60.0, url
        stores.close()


@pytest.mark.parametrize("url", ["gs://bucket?service_account=/nowhere/at/all.json", "az://box"])
def test_what_obstore_refuses_is_told_without_its_words(url, monkeypatch):
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    stores = Stores(parse_address(url, "/"), Runtime())
    with pytest.raises(PolicyError, match="obstore refuses its options") as caught:
        stores.client(60.0)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_no_malformed_url_tells_what_is_in_it(caplog):
    """Ten thousand of them, wherever the secret stands."""
    caplog.set_level(logging.DEBUG)
    chance, refused = random.Random(1), 0
    for _ in range(10_000):
        url = broken_url(chance)
        try:
            texts = [repr(ObstoreObjects(url, runtime=Runtime(), base_dir="/"))]
        except PolicyError as error:
            refused += 1
            texts = told(error)
        assert not [text for text in texts if CANARY in text], url
    assert refused > 5_000
    assert CANARY not in caplog.text


def broken_url(chance):
    """The url of a tier with a canary for a secret, changed in a few places."""
    options = {
        "s3": ["access_key=AK", f"secret_key={CANARY}", f"session_token={CANARY}", "region=r",
               f"endpoint_url=http://{CANARY}@h", f"{CANARY}=1", f"kms_key={CANARY}",
               f"owner={CANARY}"],
        "gs": [f"token={CANARY}", f"service_account=/{CANARY}", f"{CANARY}=1",
               f"endpoint_url=http://{CANARY}@h"],
        "az": ["account=acc", f"account_key={CANARY}", f"sas={CANARY}", f"{CANARY}=1",
               f"endpoint_url=http://{CANARY}@h"],
    }  # fmt: skip
    scheme = chance.choice(["s3", "gs", "az"])
    query = "&".join(chance.sample(options[scheme], chance.randrange(4)))
    place = chance.choice([f"acc:{CANARY}@bucket/x", "bucket/x"])
    url = f"{scheme}://{place}?{query}"
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(url) + 1)
        if chance.random() < 0.5:
            url = url[:at] + chance.choice("@:/?#&=%[] \\\n\0é") + url[at:]
        else:
            url = url[:at] + url[at + 1 :]
    return url if CANARY in url.partition("?")[2] or "@" in url else url.replace(CANARY, "c")


def test_an_address_shows_where_it_is_and_nothing_else():
    urls = [
        f"s3://{CANARY}:{CANARY}@bucket/x?endpoint_url=http://inner:1&session_token={CANARY}",
        f"gs://bucket/x?endpoint_url=http://inner:1&token={CANARY}",
        f"az://acc:{KEY}@bucket/x?endpoint_url=http://inner:1/acc",
    ]
    for url in urls:
        address = parse_address(url, "/")
        texts = [repr(address), str(address), f"{address}"]
        hidden = (CANARY, KEY, "inner")
        assert not [text for text in texts for secret in hidden if secret in text]
