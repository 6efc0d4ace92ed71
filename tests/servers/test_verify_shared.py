"""`verify` holds the edge server of a policy to its suite, and touches nothing else there."""

from __future__ import annotations

import json
import re

import pytest
import valkey_server as valkey
from click.testing import CliRunner
from valkey_fixtures import running

from tierstore.cli import main
from tierstore.testing import memory_store
from tierstore.testing.conformance.checking import Subject, check

pytestmark = pytest.mark.further
CANARY = "c4n4ry"
RULES = [{"match": "**", "durability": "memory"}]
server = running(valkey.Server, requirepass=CANARY, appendonly="no")


@pytest.fixture
def url(server):
    return f"redis://:{CANARY}@127.0.0.1:{server.port}/0"


@pytest.fixture
def raw(url):
    """The driver's client, on a server with something of the policy's own, and of others."""
    client = valkey.connect_url(url)
    client.flushall()
    client.mset({f"theirs:{number}": number for number in range(100)})
    client.set("ts:{3}:c:mine", b"a copy")
    yield client
    client.close()


@pytest.fixture
def write_policy(tmp_path):
    """Writes a policy with an edge at a url."""

    def write(url):
        path = tmp_path / "policy.yaml"
        path.write_text(json.dumps({"version": 1, "tiers": {"edge": {"url": url}}, "rules": RULES}))
        return str(path)

    return write


def content(raw):
    return {name: raw.dump(name) for name in raw.scan_iter()}


def check_edge(url, folder, behaviour):
    return check(Subject("edge", "redis", url=url), folder, behaviour=behaviour)


def test_a_server_is_checked_in_a_place_of_its_own(url, raw, tmp_path):
    before = content(raw)
    found = check_edge(url, tmp_path, "another_edge")
    assert (found.unchecked, found.broken) == (None, [])
    assert found.passed >= 2
    assert content(raw) == before


def test_it_is_told_without_its_secret(write_policy, url, raw):
    words = ["verify", "--policy", write_policy(url), "--seeds", "1", "--behaviour", "secret"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert re.search(r"edge +redis:, shared +1 behaviour: 1 test passed", result.stdout)
    assert "tiers.edge.url: redis://***@" in result.stdout  # of the simulation
    assert CANARY not in result.output


@pytest.mark.parametrize("where", ["redis://someone:{}@127.0.0.1:1/0", "redis://:{}@{}/0"])
def test_a_server_that_cannot_be_used_counts_as_not_checked(where, server, tmp_path):
    url = where.format("wr0ng", f"127.0.0.1:{server.port}")
    found = check_edge(url, tmp_path, "secret")
    assert re.search(r"server cannot be used: \w+Error$", found.unchecked)
    assert "wr0ng" not in (tmp_path / "edge" / "log.txt").read_text()


def test_a_store_in_memory_asks_no_server():
    policy = {"tiers": {"edge": {"url": "redis://127.0.0.1:1/0"}}, "rules": RULES}
    with memory_store(policy) as store:
        store.put("key", 1)
        assert store.get("key") == 1
