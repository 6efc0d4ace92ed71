"""`verify` holds the servers of a policy to their suites, in a place of its own that it removes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tierstore.cli import main

CANARY = "c4n4ry"


@pytest.fixture
def servers(postgres_server, s3_server):
    pytest.importorskip("psycopg")
    return postgres_server, s3_server


def write_policy(folder, region, cold, **client):
    path = folder / "policy.yaml"
    cold = {"url": cold, **client}
    tiers = {"edge": {"journal": "journal"}, "regional": {"url": region}, "cold": cold}
    rules = [{"match": "idle/**", "hotness": {"cold": "1/d"}}]
    path.write_text(json.dumps({"version": 1, "tiers": tiers, "rules": rules}))
    return str(path)


def verify(path, behaviour):
    words = ["verify", "--policy", path, "--seeds", "0", "--behaviour", behaviour, "--json"]
    result = CliRunner().invoke(main, words)
    return result, {tier["tier"]: tier for tier in json.loads(result.stdout)["tiers"]}


def leftovers(postgres, s3):
    with postgres.connect_url(postgres.url) as raw:
        found = raw.execute("SELECT nspname FROM pg_namespace").fetchall()
    schemas = {name for (name,) in found if name.startswith("tierstore_check_")}
    client = s3.client()
    keys = client.list_objects_v2(Bucket=s3.bucket, Prefix="verify/").get("Contents", [])
    client.close()
    return schemas, [key["Key"] for key in keys]


def test_servers_are_checked_in_a_place_of_their_own(servers, tmp_path):
    postgres, s3 = servers
    region = postgres.url.replace("unused", CANARY)
    path = write_policy(tmp_path, region, s3.url("verify"))
    before = leftovers(*servers)
    result, tiers = verify(path, "secret")
    assert tiers["regional"]["status"] == tiers["cold"]["status"] == "ok", result.stdout
    assert min(tiers[name]["behaviours"] for name in ("regional", "cold")) > 0
    assert leftovers(*servers) == before
    for secret in (CANARY, s3.secret):
        assert secret not in result.output


def test_the_client_that_is_checked_is_the_one_that_the_policy_names(s3_server, tmp_path):
    pytest.importorskip("obstore")
    path = write_policy(tmp_path, "sqlite:///region.db", s3_server.url("verify"), client="obstore")
    result, tiers = verify(path, "secret")
    assert (tiers["cold"]["client"], tiers["cold"]["status"]) == ("obstore", "ok"), result.stdout
    assert tiers["cold"]["behaviours"] == 1
    assert s3_server.secret not in result.output
    client = s3_server.client()
    where = {"Bucket": s3_server.bucket, "Prefix": "verify/"}
    assert "Contents" not in client.list_objects_v2(**where)
    client.close()


def test_servers_that_are_not_there_count_as_not_checked(tmp_path):
    pytest.importorskip("psycopg")
    pytest.importorskip("boto3")
    region = f"postgresql://someone:{CANARY}@127.0.0.1:1/nowhere"
    cold = f"s3://{CANARY}:{CANARY}@bucket/x?endpoint_url=http://127.0.0.1:1&region=r"
    result, tiers = verify(write_policy(tmp_path, region, cold), "secret")
    assert {tiers[name]["status"] for name in ("regional", "cold")} == {"not checked"}
    assert "server cannot be used: OperationalError" in tiers["regional"]["reason"]
    assert CANARY not in result.output


def test_the_way_to_a_server_is_the_one_that_its_url_names(servers, tmp_path):
    """Its server offers no TLS: a check that came to an end would have left out to ask for it."""
    postgres, s3 = servers
    if postgres.kill is None:
        pytest.skip("the server is not ours, and may offer it")
    region = f"{postgres.url}?sslmode=require&schema=theirs&pool=3"
    result, tiers = verify(write_policy(tmp_path, region, s3.url("verify")), "secret")
    assert tiers["cold"]["status"] == "ok", result.stdout
    assert tiers["regional"]["status"] == "not checked"
    assert "server cannot be used: OperationalError" in tiers["regional"]["reason"]
