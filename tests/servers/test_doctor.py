"""`doctor` on real tiers: what it tells, and what it never does."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from tierstore.cli import main

CANARY = "c4n4ry"


@pytest.fixture(params=["boto3", "obstore"])
def driver(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.fixture
def policy(postgres_server, s3_server, tmp_path, driver):
    """The path of a policy over both servers, with a secret in each url."""
    pytest.importorskip("psycopg")
    region = postgres_server.url.replace("unused", CANARY)
    path = tmp_path / "policy.yaml"
    path.write_text(
        json.dumps({
            "version": 1,
            "tiers": {
                "edge": {"journal": "journal"},
                "regional": {"url": f"{region}?schema=doctor"},
                "cold": {"url": s3_server.url("doctor"), "client": driver},
            },
            "rules": [{"match": "idle/**", "hotness": {"cold": "1/d"}}],
        })
    )  # fmt: skip
    yield str(path)
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute("DROP SCHEMA IF EXISTS doctor CASCADE")
    raw.close()


def test_servers_are_named_and_timed_and_secrets_kept(policy, s3_server, driver):
    result = CliRunner().invoke(main, ["doctor", "--policy", policy, "--json"])
    told = json.loads(result.stdout)
    tiers = {tier["tier"]: tier for tier in told["tiers"]}
    assert (result.exit_code, told["ok"]) == (0, True)
    assert tiers["regional"]["server"].startswith("PostgreSQL 1")
    assert min(tiers[name]["round_trip_ms"] for name in ("regional", "cold")) > 0
    assert tiers["cold"]["adapter"]["client"] == driver
    assert any("overwrite" in finding["detail"] for finding in told["findings"])
    text = CliRunner().invoke(main, ["doctor", "--policy", policy]).output
    for secret in (CANARY, s3_server.secret):
        assert secret not in result.output + text
