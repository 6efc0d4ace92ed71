"""Every I/O of every move and sweep fails, in every way; nothing is lost, doubled or left over."""

from __future__ import annotations

from itertools import count

import pytest
from moved import fail_once

from tierstore.region.objects import mint_name
from tierstore.testing import Crash, FaultPlan

SMALL = ["a", "b/c", "d"]
LARGE = "large/1"
LARGE_BYTES = 140_000
RETAIN_S, LEASE_S = 3600, 60
KINDS = ["error", "lost", "crash", "crash after", "corrupt"]


def fill(site):
    """Keys with a lifetime, with metadata, of either size."""
    process = site.open()
    for number, key in enumerate(SMALL):
        process.store.put(key, {"n": number}, ttl="365d" if number else None)
    process.store.put(LARGE, "x" * LARGE_BYTES, metadata={"kind": "large"})
    process.store.put("deleted", 1)
    process.store.delete("deleted")
    process.store.flush()
    return process


def to_demote(site):
    process = fill(site)
    site.runtime.sleep(120)
    return process


def to_promote(site):
    process = to_demote(site)
    process.step(2)
    assert site.cold_keys() == {*SMALL, LARGE}
    process.heat(*SMALL)
    return process


def to_end_intents(site):
    process = to_demote(site)
    process.plan.arm(1, "error")
    while process.plan.fired != "objects.stream":
        process.plan.arm(process.plan.count + 1, "crash")
        try:
            process.step()
        except Crash:
            pass
        else:
            raise AssertionError("no such call")
    process.crash()
    site.runtime.sleep(LEASE_S + 1)
    return site.open()


def to_sweep_garbage(site):
    process = to_demote(site)
    process.step(2)
    for key in SMALL:
        process.store.put(key, {"n": key})
    process.store.delete(LARGE)
    process.store.flush()
    site.runtime.sleep(RETAIN_S + 1)
    return process


def to_sweep_orphans(site):
    process = fill(site)
    info = site.region.connect(1.0)
    for kind in ("seg", "val"):
        name = mint_name(site.runtime, info.region, info.incarnation, kind)
        site.objects.put(name, [b"nobody's"], 1.0)
    site.runtime.sleep(RETAIN_S + 1)
    return process


SCENES = {
    "demote": to_demote,
    "promote": to_promote,
    "end intents": to_end_intents,
    "sweep garbage": to_sweep_garbage,
    "sweep orphans": to_sweep_orphans,
}


def fail_in(site, scene, n, kind):
    return fail_once(site, SCENES[scene](site), n, kind, type(site).state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scene", SCENES)
def test_every_io_goes_wrong_once(new_site, scene, kind):
    fired = []
    for n in count(1):
        name = fail_in(new_site(), scene, n, kind)
        if name is None:
            break
        fired.append(name)
    assert len(fired) > 4, fired
    print(scene, kind, len(fired))


@pytest.mark.parametrize("kind", ["lost", "crash after"])
@pytest.mark.parametrize("scene", SCENES)
def test_every_io_goes_wrong_once_on_sqlite_and_files(new_site, scene, kind):
    for n in count(1):
        if fail_in(new_site(is_sql=True), scene, n, kind) is None:
            assert n > 4
            break


def test_each_scene_does_what_it_says(new_site):
    calls = {}
    for scene, prepare in SCENES.items():
        process = prepare(new_site())
        seen = calls[scene] = []
        run = process.plan.run
        process.plan.run = lambda name, *rest, s=seen, r=run: (s.append(name), r(name, *rest))[1]
        process.step(2)
    assert calls["demote"].count("region.switch") == 2
    assert calls["promote"].count("region.switch") == 1
    assert "region.abandon" in calls["end intents"]
    assert "region.forget_objects" in calls["sweep garbage"]
    assert "objects.delete" in calls["sweep orphans"]


# A mover that was stopped


class Stopping(FaultPlan):
    """At the `n`-th I/O, before or after it, everything else happens."""

    def __init__(self):
        super().__init__()
        self.meanwhile = None
        self.is_after = False

    def run(self, name, call, lost):
        self.count += 1
        if self.count != self._n:
            return call()
        self.fired = name
        if not self.is_after:
            self.meanwhile()
        reply = call()
        if self.is_after:
            self.meanwhile()
        return reply


def stop_once(site, scene, n, *, is_after, tolerant, writes):
    """Whether there was an `n`-th I/O at which the mover was stopped."""
    process = SCENES[scene](site)
    writer = site.open()
    expected = {}

    def meanwhile():
        site.runtime.sleep(LEASE_S + 1)
        other = site.open()
        other.step(2)
        if writes:
            writer.store.put("a", "later")
            writer.store.delete("d")
            writer.store.flush()
        other.step(2)
        for _ in range(2):
            site.runtime.sleep(RETAIN_S + 1)
            other.step(2)
        expected.update(site.state())
        site.check_objects()

    plan = Stopping()
    plan.arm(n, "error")
    plan.meanwhile, plan.is_after = meanwhile, is_after
    process.plan.run = plan.run
    for _ in range(4):
        tolerant(process.step)
    if plan.fired is None:
        return False
    assert site.state() == expected
    site.settle()
    assert site.state() == expected
    site.check_objects()
    return True


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("scene", SCENES)
def test_a_mover_that_was_stopped_changes_nothing(new_site, tolerant, scene, is_after, writes):
    options = {"is_after": is_after, "tolerant": tolerant, "writes": writes}
    n = 1
    while stop_once(new_site(), scene, n, **options):
        n += 1
    assert n > 5


def test_a_stopped_mover_on_sqlite_and_files(new_site, tolerant):
    n = 1
    options = {"is_after": True, "tolerant": tolerant, "writes": True}
    while stop_once(new_site(is_sql=True), "demote", n, **options):
        n += 1
    assert n > 5
