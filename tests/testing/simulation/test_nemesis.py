"""Faults happen where they hurt: in the middle of calls, and to objects that exist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.testing.simulation import play
from tierstore.testing.simulation.campaign import World
from tierstore.testing.simulation.objects import ColdDisk
from tierstore.testing.simulation.options import Rates
from tierstore.testing.simulation.script import Fault, draw_script
from tierstore.testing.simulation.sqlite import SqliteSite


def script_with(faults, *, operations=60, **options):
    """A script with these faults, in a world in which nothing else goes wrong."""
    plain = {"families": ("regional",), "nodes": 2, "machines": 2, "windows": (), "window_count": 0}
    plain |= {"rates": Rates(), **options}
    drawn = draw_script(1, replace(World(operations=operations).options(1), **plain))
    return replace(drawn, faults=tuple(faults))


@pytest.mark.parametrize("kind", ["crash", "power cut"])
def test_processes_end_in_the_middle_of_transactions(monkeypatch, kind):
    open_ones = []
    close_of = SqliteSite.close_of

    def watched(site, process):
        open_ones.append(any(c.in_transaction for owner, c in site._opened if owner is process))
        close_of(site, process)

    monkeypatch.setattr(SqliteSite, "close_of", watched)
    faults = [Fault(700.0 * at, kind, at % 2, 300.0, 0.5 + at / 40) for at in range(20)]
    world = {"region": "sqlite", "latency_ms_max": 0, "pause_ms_max": 300}
    run = play(script_with(faults, operations=300, **world))
    assert run.violations == []
    assert run.faults[kind] > 5
    assert any(open_ones)


def test_a_fault_without_a_call_to_wait_for_happens_at_its_time():
    run = play(script_with([Fault(100.0, "crash", 0, 500.0, 0.1)]))
    assert run.faults == {"crash": 1}


def test_what_comes_too_late_is_not_counted():
    run = play(script_with([Fault(1e6, "crash", 0, 500.0, 0.1)]))
    assert run.faults == {}


def test_a_bit_is_flipped_once_there_is_an_object(monkeypatch):
    flipped = []
    flip_bit = ColdDisk.flip_bit
    monkeypatch.setattr(ColdDisk, "flip_bit", lambda disk: flip_bit(disk) and not flipped.append(1))
    faults = [Fault(0.0, "flip", 0, 10.0, 0.5)]
    run = play(script_with(faults, operations=600, families=("cold",), pause_ms_max=300, lulls=0.1))
    assert run.violations == []
    assert run.faults == {"flip": 1}
    assert len(flipped) == 1
    assert play(script_with(faults)).faults == {}  # where nothing goes cold, nothing rots


@pytest.mark.parametrize(
    ("rates", "kind"),
    [
        (Rates(error=0.3), "call refused"),
        (Rates(lost=0.3), "reply lost"),
        (Rates(late=0.3), "call done late"),
        (Rates(duplicate=0.3), "call repeated"),
    ],
)
def test_faults_that_come_at_a_rate_are_counted(rates, kind):
    run = play(script_with([], operations=200, rates=rates))
    assert run.violations == []
    assert run.faults.keys() == {kind}
