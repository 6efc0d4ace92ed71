"""Two regions with processes that are killed: both have all that was acknowledged, once."""

from __future__ import annotations

import os

import pytest
from two_regions import NAMES, Regions, make_policy, wait_for

import tierstore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes by signal")


def urls_in(folder):
    return {name: f"sqlite:///{folder}/{name}.db" for name in NAMES}


def test_regions_agree_though_writers_and_relays_are_killed(tmp_path):
    regions = Regions(urls_in(tmp_path), tmp_path)
    regions.write(writers=1, lives=2)
    regions.settle()
    assert regions.check() > 10
    assert regions.relay.lives


def test_stores_run_the_links_by_themselves(tmp_path):
    policies = {name: make_policy(urls_in(tmp_path), name, "direct") for name in NAMES}
    stores = [
        tierstore.open(policy | {"tiers": {**policy["tiers"], "edge": {"journal": name}}},
                       base_dir=tmp_path)
        for name, policy in policies.items()
    ]  # fmt: skip
    eu, us = stores
    try:
        eu.counter("count").add(3)
        us.counter("count").add(4)
        eu.put("k", "from eu")
        assert wait_for(lambda: us.get("k", max_age=0) == "from eu")
        us.put("k", "from us")
        assert wait_for(lambda: eu.get("k", max_age=0) == "from us")
        for store in stores:
            assert wait_for(lambda store=store: store.counter("count").get() == 7)
            (link,) = store.stats()["links"]
            assert link["is_running"]
            assert link["is_whole"]
            assert link["error"] is None
            assert link["lag_s"] < 15
            (finding,) = [f for f in store.check().findings if f.subject.startswith("peer ")]
            assert finding.ok
            assert "positions behind" in finding.detail
    finally:
        for store in stores:
            store.close()


@pytest.mark.campaign
@pytest.mark.parametrize("links", ["relay", "direct"])
def test_more_of_them_for_longer(tmp_path, links):
    regions = Regions(urls_in(tmp_path), tmp_path, links)
    regions.write(writers=4, lives=10)
    settled_s = regions.settle()
    print(f"{regions.check()} increments and adds, equal after {settled_s:.1f} s")
    assert settled_s < 15
