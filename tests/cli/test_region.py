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


@pytest.mark.parametrize(
    ("options", "source", "value", "kept"),
    [
        ([], "batches", 2, []),
        (["--from", "batches"], "batches", 2, []),
        (["--from", "nothing"], "nothing", 1, [("k", "retired")]),
        (["--from", "peers"], "peers", 1, [("k", "retired")]),
    ],
)
def test_a_restored_region_goes_on_in_another_life(
    cli, cli_json, policy, folder, options, source, value, kept
):
    put(policy, "k", 1)
    shutil.copy(folder / "region.db", folder / "backup.db")
    put(policy, "k", 2)
    for suffix in ("-wal", "-shm"):
        (folder / f"region.db{suffix}").unlink(missing_ok=True)
    shutil.copy(folder / "backup.db", folder / "region.db")
    refused = cli("--policy", policy, "flush")
    assert refused.exit_code == 5
    assert "tierstore region reincarnate" in refused.stderr
    code, told = cli_json("--policy", policy, "region", "reincarnate", *options)
    assert (code, told["incarnation"] > told["was"], told["from"]) == (0, True, source)
    assert cli("--policy", policy, "put", "j", "3").exit_code == 0
    with tierstore.open(policy) as store:
        assert (store.get("k", max_age=0), store.get("j", max_age=0)) == (value, 3)
        found = store._core.replica.region.aside(10, 2.0)
        assert [(entry.key, entry.kind) for entry in found] == kept
    words = cli("--policy", policy, "region", "reincarnate").stdout
    assert "is in incarnation" in words


def test_what_peers_bring_back_does_not_come_from_batches(cli, folder):
    path = folder / "linked.yaml"
    path.write_text(POLICY.replace("pull: 1h", "pull: 1h, peers: {b: {url: 'sqlite:///b.db'}}"))
    for source in ("batches", "nothing"):
        refused = cli("--policy", str(path), "region", "reincarnate", "--from", source)
        assert (refused.exit_code, "use --from peers" in refused.stderr) == (2, True)
    words = cli("--policy", str(path), "region", "reincarnate").stdout
    assert "comes back from peers" in words
