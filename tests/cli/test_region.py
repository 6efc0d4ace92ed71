"""`region reincarnate`: after a database was restored from a backup."""

from __future__ import annotations

import shutil

import pytest

import tierstore

POLICY = """\
version: 1
tiers: {edge: {journal: journal}, regional: {url: "sqlite:///region.db"}}
replication: {flush: 1h, pull: 1h}
"""


@pytest.fixture
def policy(folder):
    path = folder / "policy.yaml"
    path.write_text(POLICY)
    return str(path)


def put(policy, key, value):
    with tierstore.open(policy) as store:
        store.put(key, value)
        store.flush()


def test_a_restored_region_goes_on_in_another_life(cli, cli_json, policy, folder):
    put(policy, "k", 1)
    shutil.copy(folder / "region.db", folder / "backup.db")
    put(policy, "k", 2)
    for suffix in ("-wal", "-shm"):
        (folder / f"region.db{suffix}").unlink(missing_ok=True)
    shutil.copy(folder / "backup.db", folder / "region.db")
    refused = cli("--policy", policy, "flush")
    assert refused.exit_code == 5
    assert "tierstore region reincarnate" in refused.stderr
    code, told = cli_json("--policy", policy, "region", "reincarnate")
    assert (code, told["incarnation"] > told["was"]) == (0, True)
    assert cli("--policy", policy, "put", "j", "3").exit_code == 0
    with tierstore.open(policy) as store:
        assert (store.get("k", max_age=0), store.get("j", max_age=0)) == (1, 3)
        (entry,) = store._core.replica.region.aside(10, 2.0)
        assert (entry.key, entry.kind) == ("k", "retired")
    words = cli("--policy", policy, "region", "reincarnate").stdout
    assert "is in incarnation" in words
