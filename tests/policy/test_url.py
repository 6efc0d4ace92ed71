"""Urls show no secret, wherever they end up."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import PolicyError
from tierstore.policy.read import load_dict
from tierstore.policy.url import UNPARSABLE, Secret, Url, mask_url, split_references

CANARY = "canary"
junk = st.text("abc:/@?#[]&=%+.,;\\ '\"<>{}$1\t\u00e9\ue001", max_size=8)
schemes = st.sampled_from(["redis", "postgresql+psycopg", "s3", "sqlite", "file", "http", "", "1x"])


@given(schemes, junk, junk, junk)
def test_a_password_never_shows(scheme, before, after, host):
    url = f"{scheme}://{before}:{CANARY}{after}@host{host}"
    if scheme not in ("sqlite", "file") or before[:1] not in ("/", "", "?", "#"):
        assert CANARY not in mask_url(url)


@given(schemes, junk, junk)
def test_a_query_or_fragment_never_shows(scheme, before, after):
    for mark in "?#":
        assert CANARY not in mask_url(f"{scheme}://host/{before}{mark}{after}{CANARY}")


@given(schemes, junk)
def test_a_password_without_its_host_never_shows(scheme, after):
    if scheme not in ("sqlite", "file"):
        assert CANARY not in mask_url(f"{scheme}://user:{CANARY}{after}")
        assert CANARY not in mask_url(f"{scheme}:{CANARY}{after}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("memory://", "memory://"),
        ("regional", "regional"),
        ("sqlite:///data/region.db", "sqlite:///data/region.db"),
        ("sqlite:///my data/ü@x.db", "sqlite:///my data/ü@x.db"),
        ("file:data/cold", "file:data/cold"),
        ("redis://:pw@host:6379/0", "redis://***@host:6379/0"),
        ("redis+cluster://u:pw@a:1,[::1]:2", "redis+cluster://***@a:1,[::1]:2"),
        ("redis://${env:USER}:${env:PW}@${env:HOST}:6379", "redis://***@${env:HOST}:6379"),
        (
            "postgresql+psycopg://h1:5432,h2:5433/db?a=b",
            "postgresql+psycopg://h1:5432,h2:5433/db?***",
        ),
        ("postgresql:///db", "postgresql:///db"),
        ("redis://[::1]:6379/0", "redis://[::1]:6379/0"),
        ("s3://bucket/prefix#x", "s3://bucket/prefix#***"),
        ("${env:REGION_URL}", "${env:REGION_URL}"),
        ("s3://b/${env:A}/${env:B}", "s3://b/${env:A}/${env:B}"),
        ("${PW}", UNPARSABLE),
        ("no scheme", UNPARSABLE),
        ("redis://h/\ue000", UNPARSABLE),
    ],
)
def test_what_is_shown(text, shown):
    url = Url(text)
    assert (str(url), f"{url}", repr(url)) == (shown, shown, f"Url({shown!r})")


def test_reveal_takes_the_environment_at_that_moment(monkeypatch):
    url = Url("redis://:${env:TIERSTORE_TEST_PW}@host")
    monkeypatch.setenv("TIERSTORE_TEST_PW", "one")
    assert url.reveal() == "redis://:one@host"
    assert url.reveal({"TIERSTORE_TEST_PW": "${env:X}"}) == "redis://:${env:X}@host"


def test_a_missing_variable_is_named_and_nothing_else():
    with pytest.raises(PolicyError) as caught:
        Url("redis://me:hunter2@${env:NOT_SET_HERE}/0").reveal({})
    assert str(caught.value) == (
        "the environment variable NOT_SET_HERE is not set;"
        " redis://***@${env:NOT_SET_HERE}/0 uses it"
    )


def test_secrets_show_nothing():
    secret = Secret("hunter2")
    assert (str(secret), repr(secret), f"{secret:>5}") == ("***", "Secret('***')", "  ***")
    assert secret.reveal() == "hunter2"


def test_pickling_refuses_secrets_and_keeps_the_rest():
    plain = Url("file:data/cold")
    assert pickle.loads(pickle.dumps(plain)) == plain
    for secret in (Url("redis://:pw@host"), Secret("pw")):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)
        assert copy.deepcopy(secret) is secret


def test_urls_are_values():
    assert Url("file:a") == Url("file:a")
    assert Url("file:a") != Secret("file:a")
    assert hash(Url("file:a")) == hash(Url("file:a"))
    assert Url("sqlite+x:///a").scheme == "sqlite+x"
    assert Url("${env:A}").scheme == ""
    with pytest.raises(AttributeError):
        Url("file:a").template = "file:b"


@pytest.mark.parametrize("text", ["${", "${env:", "${env:}", "${env:A B}", "${HOME}", "a${env:é}"])
def test_other_references_are_refused(text):
    with pytest.raises(ValueError, match="must be written"):
        split_references(text)


@given(junk.filter(lambda text: "${" not in text))
def test_no_policy_error_shows_a_password(text):
    secret = f"redis://u:{CANARY}{text}@host"
    data = {
        "tiers": {"edge": {"url": secret, "capacity": secret}, "regional": {"url": [secret]}},
        "limits": secret,
        "security": {"session_key": [CANARY, 5, CANARY * 500]},
        "rules": [{"match": f"{secret}*", "ttl": secret, secret: 1}],
    }
    with pytest.raises(PolicyError) as caught:
        load_dict(data)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
