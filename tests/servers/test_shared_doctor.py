"""What the doctor says of an edge server."""

from __future__ import annotations

import json

import pytest
import valkey_server as valkey
from click.testing import CliRunner
from valkey_fixtures import running

from tierstore.cli.app import main

RULES = [{"match": "order/**", "durability": "regional"}, {"match": "**", "durability": "memory"}]
server = running(valkey.Server, appendfsync="everysec")


@pytest.fixture
def doctor(tmp_path):
    """What `tierstore doctor` answers for an edge at a url."""

    def ask(url, rules):
        policy = tmp_path / "policy.yaml"
        policy.write_text(
            json.dumps({"version": 1, "tiers": {"edge": {"url": url}}, "rules": rules})
        )
        return CliRunner().invoke(main, ["--policy", str(policy), "doctor"])

    return ask


def test_a_server_that_does_for_the_rules_is_described(doctor, server):
    result = doctor(server.url, RULES)
    assert result.exit_code == 0, result.output
    assert "tierstore_redis.edge:RedisEdge" in result.output
    assert "counts as memory" in result.output
    assert "the edge server, which may lose it before the flush" in result.output


def test_one_that_may_lose_is_refused_for_a_rule_that_says_journal(doctor, server):
    result = doctor(server.url, [{"match": "**"}])
    assert result.exit_code == 2, result.output
    assert "needs an edge server that loses nothing" in result.output


def test_one_that_is_away_is_told_without_its_secret(doctor):
    result = doctor("redis://user:canary@127.0.0.1:1/0", RULES)
    assert result.exit_code == 3
    assert "canary" not in result.output
    assert "WRONG region" not in result.output
    assert result.output.count("WRONG") == 2
