"""A batch whose content died with its process may still be on its way to the region."""

from __future__ import annotations

import pytest

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.tiers.journal.file import JournalFile
from tierstore.values import encode


@pytest.fixture
def swallowed(region, monkeypatch):
    """A region that hears nothing until `deliver` is called: what it was sent."""
    sent = []

    def swallow(batch, timeout_s):
        sent.append(batch)
        raise OutcomeUnknownError("no answer came")

    monkeypatch.setattr(region, "apply", swallow)
    yield sent
    monkeypatch.undo()


@pytest.fixture
def lost(node, swallowed):
    """The batch of "far/k", sent by a process that died before the region heard of it."""
    with pytest.raises(OutcomeUnknownError):
        node.store.put("far/k", "late")
    restart(node)
    return swallowed[0]


def restart(node):
    node.crash()
    node.open()


def write_on(node):
    """Writes enough for two batches after the lost one."""
    for number, name in enumerate("abc"):
        node.store.put(f"jrn/{name}", number)


def check_written(region):
    assert [region.value(f"jrn/{name}") for name in "abc"] == [encode(n) for n in range(3)]
    region.check_once()


def test_it_comes_before_the_next_process_has_sent_anything(node, region, lost, monkeypatch):
    monkeypatch.undo()
    region.apply(lost, 1.0)
    write_on(node)
    node.store.flush()
    assert region.value("far/k") == encode("late")
    check_written(region)


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_it_comes_before_its_replacement_does(node, region, lost, swallowed, monkeypatch, restarts):
    write_on(node)
    with pytest.raises(UnavailableError):
        node.store.flush()
    replacement = swallowed[-1]
    assert (replacement.number, replacement.deltas) == (lost.number, [])
    for _ in range(restarts):
        restart(node)
    monkeypatch.undo()
    region.apply(lost, 1.0)
    node.store.flush()
    node.store.put("jrn/d", "after")
    node.store.flush()
    assert (region.value("far/k"), region.value("jrn/d")) == (encode("late"), encode("after"))
    check_written(region)


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_it_comes_after_its_replacement(node, region, lost, swallowed, monkeypatch, restarts):
    write_on(node)
    with pytest.raises(UnavailableError):
        node.store.flush()
    replacement = swallowed[-1]
    for _ in range(restarts):
        restart(node)
    monkeypatch.undo()
    assert region.apply(replacement, 1.0).verdict == "applied"
    assert region.apply(lost, 1.0).verdict == "fenced"
    node.store.flush()
    assert region.value("far/k") is None
    check_written(region)


def test_what_follows_it_is_applied_and_not_answered_before_the_next_crash(
    node, region, lost, monkeypatch
):
    monkeypatch.undo()
    region.apply(lost, 1.0)
    node.store.put("jrn/a", 0)
    right = region.apply

    def apply_unheard(batch, timeout_s):
        right(batch, timeout_s)
        raise OutcomeUnknownError("no answer came")

    monkeypatch.setattr(region, "apply", apply_unheard)
    with pytest.raises(UnavailableError):
        node.store.flush()
    monkeypatch.undo()
    restart(node)  # its journal knows neither that the lost batch came nor that the next one did
    write_on(node)
    node.store.flush()
    assert region.value("far/k") == encode("late")
    check_written(region)


@pytest.mark.parametrize("restarts", [1, 2, 3])
def test_what_lies_between_two_lost_batches_is_built_anew(
    node, region, swallowed, monkeypatch, restarts
):
    for number in range(2):
        node.store.put(f"jrn/{number}", number)
        with pytest.raises(OutcomeUnknownError):
            node.store.put(f"far/{number}", "lost")
    for _ in range(restarts):
        restart(node)
        with pytest.raises(UnavailableError):
            node.store.flush()
    monkeypatch.undo()
    restart(node)
    node.store.flush()
    write_on(node)
    node.store.flush()
    assert [region.value(f"jrn/{number}") for number in range(2)] == [encode(0), encode(1)]
    check_written(region)


def test_whoever_adopts_one_that_came_does_so_once(node, region, lost, monkeypatch, second_node):
    assert not node.store.exists("jrn/none")  # which takes the journal of the process that died
    heir = second_node(node)
    heir.store.put("jrn/mine", 1)  # so this one has another
    monkeypatch.undo()
    heir.store.flush()
    region.apply(lost, 1.0)
    node.crash()
    assert [heir.adopt(), heir.adopt()] == [1, 0]
    assert region.value("far/k") == encode("late")
    region.check_once()


@pytest.mark.parametrize("late", ["before registering", "before the first is sent again"])
def test_a_later_batch_that_comes_late_is_no_reason_to_be_fenced(node, region, monkeypatch, late):
    """The first was acknowledged, but that was not on disk yet; the second was on its way."""
    apply, sent = region.apply, []
    monkeypatch.setattr(JournalFile, "acknowledge", not_now)
    node.store.put("jrn/a", 1)
    node.store.flush()
    monkeypatch.setattr(region, "apply", lambda batch, _: (sent.append(batch), not_now())[1])
    node.store.put("jrn/b", 2)
    with pytest.raises(UnavailableError):
        node.store.flush()
    restart(node)
    monkeypatch.undo()
    if late == "before registering":
        apply(sent[-1], 1.0)
    else:
        monkeypatch.setattr(region, "apply", lambda batch, _: deliver(apply, [*sent, batch], sent))
    node.store.flush()
    assert [region.value(key) for key in ("jrn/a", "jrn/b")] == [encode(1), encode(2)]
    assert node.state.outbox.unflushed == 0
    region.check_once()


def not_now(*_, **__):
    raise UnavailableError("not now")


def deliver(apply, batches, sent):
    """The answer to the last of `batches`; those before it are late, and come once."""
    sent.clear()
    return [apply(batch, 1.0) for batch in batches][-1]
