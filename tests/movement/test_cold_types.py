"""Sets and documents that go cold: what comes for them meanwhile, and every I/O of every move."""

from __future__ import annotations

from itertools import count

import pytest
from moved import fail_once

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.region.waiting import WAITING_COUNT_MAX, base_of

CART, DOC, VIEWS = "cart/7", "doc/7", "views/7"
RULES = [
    {"match": "cart/*", "type": "set"},
    {"match": "doc/*", "type": "document"},
    {"match": "views/*", "type": "counter", "hotness": {"cold": "never"}},
    {"match": "far/*", "type": "set", "durability": "regional", "place": {"never": ["regional"]}},
    {},
]
LARGE = "x" * 70_000
"""Alone more than may wait."""
IDLE_S, RETAIN_S = 120, 3600
FAULTS = {
    "demote": ["crash after"],
    "promote": ["crash after"],
    "fold": ["error", "lost", "crash after", "corrupt"],
}


def opened(site, **fields):
    return site.open(rules=RULES, **fields)


def fill(site):
    process = opened(site)
    process.store.members(CART).add("a", "b")
    with process.store.document(DOC).edit() as doc:
        doc["title"] = "first"
    process.store.counter(VIEWS).add(5)
    process.store.put("register", 1)
    process.store.flush()
    return process


def to_demote(site):
    process = fill(site)
    site.runtime.sleep(IDLE_S)
    return process


def to_promote(site):
    process = to_demote(site)
    process.step(2)
    assert site.cold_keys() == {CART, DOC, "register"}
    process.store.members(CART).discard("a")
    process.store.members(CART).add("c")
    process.store.flush()
    heat(process)
    return process


def heat(process):
    for _ in range(40):
        process.store.read(CART, max_age=0)
        process.store.read(DOC, max_age=0)
    process.replica.walk()


def to_fold(site):
    process = to_demote(site)
    process.step(2)
    process.store.members(CART).add(LARGE)
    with process.store.document(DOC).edit() as doc:
        doc["text"] = LARGE
    process.store.flush()
    rows = site.rows()
    assert base_of(rows[CART]).is_due
    assert base_of(rows[DOC]).is_due
    return process


SCENES = {"demote": to_demote, "promote": to_promote, "fold": to_fold}


def state(site):
    """`Site.state` but for the size, which counts what waits where that is."""
    return {key: fields[:-2] + fields[-1:] for key, fields in site.state().items()}


def fail_in(site, scene, n, kind):
    return fail_once(site, SCENES[scene](site), n, kind, state, rules=RULES)


@pytest.mark.parametrize(
    ("scene", "kind"), [(scene, kind) for scene, kinds in FAULTS.items() for kind in kinds]
)
def test_every_io_of_a_move_goes_wrong_once(new_site, scene, kind):
    fired = []
    for n in count(1):
        name = fail_in(new_site(), scene, n, kind)
        if name is None:
            break
        fired.append(name)
    assert len(fired) > 4, fired


def test_every_io_goes_wrong_once_on_sqlite_and_files(new_site):
    for n in count(1):
        if fail_in(new_site(is_sql=True), "fold", n, "crash after") is None:
            assert n > 4
            break


def test_what_waits_is_shown_and_stays_where_it_is(site):
    """Alone, among others, in scans, to another process; the key stays cold."""
    process = to_demote(site)
    process.step(2)
    other = opened(site)
    process.store.members(CART).add("c")
    other.store.members(CART).discard("b")
    other.store.flush()
    process.store.flush()
    process.step(2)
    third = opened(site)
    assert third.store.read(CART).tier == "cold"
    assert third.store.members(CART).all() == {"a", "c"}
    assert third.store.get_many([CART, DOC]) == {CART: ["a", "c"], DOC: {"title": "first"}}
    assert {entry.key: entry.value for entry in third.store.scan("cart/")} == {CART: ["a", "c"]}
    assert CART in site.cold_keys()
    assert VIEWS not in site.cold_keys()
    with third.store.document(DOC).edit() as doc:
        doc["title"] = "second"
    third.store.flush()
    assert opened(site).store.get(DOC) == {"title": "second"}
    assert DOC in site.cold_keys()


def test_changes_wait_while_the_cold_tier_is_away(site):
    """Adds are blind: none fails, however many. What needs the state cannot be had."""
    process = to_demote(site)
    process.step(2)
    process.crash()
    process = opened(site)
    names = [f"e{number}" for number in range(WAITING_COUNT_MAX + 6)]
    objects = process.replica.state.cold
    for name in names:
        process.store.members(CART).add(name)
        process.store.flush()
    assert objects.made is None
    assert len(base_of(site.rows()[CART]).waiting) == len(names)
    site.runtime.sleep(IDLE_S)
    process.step(3)
    assert CART not in site.cold_keys()
    assert opened(site).store.members(CART).all() == {"a", "b", *names}


def test_a_key_that_came_home_for_what_waited_stays_for_its_residency(site):
    process = to_fold(site)
    process.step(1)
    assert not {CART, DOC} & site.cold_keys()
    process.step(4)
    assert not {CART, DOC} & site.cold_keys()
    site.runtime.sleep(IDLE_S)
    process.step(2)
    assert {CART, DOC} <= site.cold_keys()


def test_what_may_not_stand_in_the_region_does_not_wait_there(site):
    """It comes home for as long as a write does, and goes again at once."""
    process = opened(site)
    process.store.members("far/7").add("a")
    process.step(2)
    assert site.cold_keys() == {"far/7"}
    process.store.members("far/7").add("b")
    process.step(1)
    assert site.cold_keys() == set()
    process.step(1)
    assert site.cold_keys() == {"far/7"}
    assert base_of(site.rows()["far/7"]).waiting == ()
    assert process.store.members("far/7").all() == {"a", "b"}


def test_an_object_that_is_gone_is_damage_though_more_and_more_waits(site):
    """The same pointer twice: what came on top between two looks does not hide it."""
    process = to_demote(site)
    process.step(2)
    name = next(iter(site.blobs()))
    site.objects.delete([name], 1.0)
    reader, writer = opened(site), opened(site)
    read, numbers = reader.replica.state.link.region.read, count()

    def racing(*arguments):
        writer.store.members(CART).add(f"e{next(numbers)}")
        writer.store.flush()
        return read(*arguments)

    reader.replica.state.link.region.read = racing
    with pytest.raises(CorruptionError, match=name):
        reader.store.members(CART).all()


def test_a_policy_that_lets_nothing_go_cold_brings_all_back(site):
    process = to_demote(site)
    process.step(2)
    process.store.members(CART).add("c")
    process.store.flush()
    process.crash()
    never = [{**rule, "hotness": {"cold": "never"}} for rule in RULES[:3]] + [{}]
    site.runtime.sleep(IDLE_S)
    process = site.open(rules=never)
    process.step(3)
    assert site.cold_keys() == {"register"}
    assert process.store.members(CART).all() == {"a", "b", "c"}


def test_a_cold_tier_that_does_not_answer_is_no_absence(site):
    process = to_demote(site)
    process.step(2)
    reader = opened(site)

    def fails(*arguments):
        raise UnavailableError("away")

    reader.replica.state.cold.read = fails
    with pytest.raises(UnavailableError):
        reader.store.members(CART).all()
    reader.store.members(CART).add("c")
    reader.store.flush()
