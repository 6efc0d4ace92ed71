"""A whole store over S3: keys go cold and come back, whatever becomes of the server meanwhile."""

from __future__ import annotations

import contextlib

import pytest
from s3_server import running_seaweed

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime.manual import ManualRuntime
from tierstore_s3.objects import S3Objects

DAY_S = 86_400
COUNT = 40
MOVES = 3
RULE = {
    "match": "**",
    "hotness": {"hot": "100/s", "cold": "1/d"},
    "min_residency": {"edge": "0s", "regional": "1h"},
    "place": {"never": ["edge"]},
    "durability": "regional",
}


@pytest.fixture(scope="module")
def seaweed():
    """A server of these tests alone, which they kill."""
    with running_seaweed() as seaweed:
        yield seaweed


class World:
    """A store, and all values that it acknowledged."""

    def __init__(self, folder, seaweed, prefix, driver):
        self.seaweed, self.runtime, self.acknowledged = seaweed, ManualRuntime(seed=5), {}
        policy = {
            "tiers": {
                "edge": {"url": "memory://", "journal": "journal"},
                "regional": {"url": "sqlite:///region.db"},
                "cold": {"url": seaweed.server.url(prefix), "client": driver},
            },
            "replication": {"flush": "1h", "pull": "1h"},
            "movement": {"interval": "1h"},
            "rules": [RULE],
        }
        self.store = wire(load(policy, folder), self.runtime)

    def write(self, name, count=COUNT):
        for number in range(count):
            key, value = f"{name}/{number}", {"n": number, "text": name * 200}
            self.store.put(key, value)
            self.acknowledged[key] = value

    def move(self):
        """Let keys grow old and the mover pass; whether it succeeded."""
        self.runtime.sleep(2 * DAY_S)
        return self.store.maintain().ok

    def tiers(self, name):
        return {
            self.store.read(key).tier for key in self.acknowledged if key.startswith(f"{name}/")
        }

    def require_all(self):
        """Every acknowledged value is there."""
        keys = list(self.acknowledged)
        assert self.store.get_many(keys) == self.acknowledged
        for key in keys[::7]:
            assert self.store.get(key) == self.acknowledged[key]

    def object_count(self):
        return self.store.stats()["cold"]["objects"]


@pytest.fixture
def world(tmp_path, seaweed, request, driver):
    made = World(tmp_path, seaweed, f"w/{abs(hash(request.node.name)):x}", driver)
    yield made
    if seaweed.process.poll() is not None:
        seaweed.start()
    with contextlib.suppress(TierStoreError):
        made.store.close(0)


def test_keys_go_cold_and_come_back(world):
    world.write("a")
    assert world.tiers("a") == {"regional"}
    assert world.move()
    assert world.object_count() >= 1
    assert world.tiers("a") == {"cold"}
    world.require_all()
    world.store.delete("a/1")
    del world.acknowledged["a/1"]
    world.store.put("a/2", "new")
    world.acknowledged["a/2"] = "new"
    world.require_all()
    checked = [finding.detail for finding in world.store.check().findings if finding.ok]
    assert any("its server refuses to overwrite what is there" in detail for detail in checked)


def test_a_server_that_dies_takes_nothing_along(world, seaweed):
    world.write("a")
    assert world.move()
    world.write("b")
    seaweed.kill()
    with pytest.raises(UnavailableError):
        world.store.get("a/1")
    assert not world.move()
    assert world.tiers("b") == {"regional"}
    world.write("c")
    assert not world.store.stats()["cold"]["reachable"]
    seaweed.start()
    world.require_all()
    assert [world.move() for _ in range(MOVES)] == [True] * MOVES  # what failed waits its turn
    assert world.tiers("b") == world.tiers("c") == {"cold"}
    world.require_all()


@pytest.mark.parametrize("driver", ["boto3"])
@pytest.mark.parametrize("verb", ["put", "stream"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_dies_in_the_middle_of_a_move_takes_nothing_along(
    world, seaweed, monkeypatch, verb, when
):
    world.write("a")
    assert world.move()
    world.write("b")
    real, kills = getattr(S3Objects, verb), []

    def die():
        kills.append(verb)
        seaweed.kill()

    def put(objects, name, parts, timeout_s):
        if when == "before" and not kills:
            die()
        real(objects, name, parts, timeout_s)
        if when == "after" and not kills:
            die()

    def stream(objects, name, timeout_s):
        if when == "before" and not kills:
            die()
        yield from real(objects, name, timeout_s)
        if when == "after" and not kills:
            die()

    monkeypatch.setattr(S3Objects, verb, {"put": put, "stream": stream}[verb])
    world.move()
    assert kills == [verb]
    seaweed.start()
    world.require_all()
    assert [world.move() for _ in range(MOVES)] == [True] * MOVES
    assert world.tiers("a") == world.tiers("b") == {"cold"}
    world.require_all()
