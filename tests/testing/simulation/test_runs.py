"""A run is a function of its script: in this process, in the next one, whatever hashes are."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tierstore.movement.step import Mover
from tierstore.replica.flush import Flusher
from tierstore.testing.history import History
from tierstore.testing.simulation import Options, Script, draw_script, play
from tierstore.testing.simulation.campaign import run_campaign
from tierstore.testing.simulation.scheduler import NS_PER_S
from tierstore.testing.simulation.telling import Teller

SEEDS = range(2)
TELL_DIGESTS = """\
from tierstore.testing.simulation import play
from tierstore.testing.simulation.campaign import World
for seed in range(2):
    print(play(World(operations=60).script(seed)).digest)
"""


@pytest.fixture(scope="module")
def digests():
    """The digests of a few seeds, as this process plays them."""
    from tierstore.testing.simulation.campaign import World

    return [play(World(operations=60).script(seed)).digest for seed in SEEDS]


def test_a_seed_plays_the_same_again(small, digests):
    assert [play(small.script(seed), is_told=True).digest for seed in SEEDS] == digests
    assert len(set(digests)) == len(digests)


def test_another_answer_makes_another_digest(scheduler):
    teller = Teller(scheduler, is_told=False)
    digests = set()
    for answer in ("1.0", "2.0", None):
        history = History(lambda: 7)
        history.invoke("n0.1", "get", "k").ok(answer)
        digests |= {teller.digest(history), teller.digest(History.loads(history.dumps()))}
    assert len(digests) == 3


@pytest.mark.parametrize("hash_seed", ["0", "1", "4242"])
def test_a_seed_plays_the_same_in_another_process(digests, hash_seed):
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run(
        [sys.executable, "-c", TELL_DIGESTS],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.split() == digests


def test_a_few_seeds_violate_nothing(small):
    campaign = run_campaign(small, seeds=25)
    assert [(f.seed, f.violations[0]) for f in campaign.failures] == []
    assert (campaign.seeds, campaign.operations) == (25, 25 * 60)


def test_background_work_goes_on_at_the_end_where_clients_did_nothing():
    run = play(Script(1, Options(nodes=2, families=("cold",)), (), ()), is_told=True)
    assert run.violations == []
    early = [moment for moment in run.moments if moment.at_ns < 10 * NS_PER_S]
    assert {moment.who for moment in early if moment.what == "region.lease"} == {"n0.1", "n1.1"}


@pytest.mark.campaign
def test_many_seeds_violate_nothing_and_reach_every_goal():
    campaign = run_campaign(seeds=400, jobs=os.cpu_count() or 1)
    assert [(f.seed, f.violations[0]) for f in campaign.failures] == []
    assert campaign.missed == []


def test_what_is_told_of_a_run_is_told_in_order(small):
    run = play(draw_script(4, small.options(4)), is_told=True)
    times = [moment.at_ns for moment in run.moments]
    assert times == sorted(times)
    counts = [moment.after for moment in run.moments]
    assert counts == sorted(counts)
    assert counts[-1] <= len(run.history)
    assert set(run.dumps) >= {"region", "cold"}


def test_a_background_step_that_breaks_is_a_violation(monkeypatch, small):
    def broken(mover):
        raise ValueError("moved too far")

    monkeypatch.setattr(Mover, "step", broken)
    seed = next(seed for seed in range(20) if "cold" in small.options(seed).families)
    violations = play(small.script(seed)).violations
    assert "ValueError: moved too far" in violations[0]
    assert "'move' broke" in violations[0]


def test_no_tier_is_called_while_reads_in_memory_are_locked_out(monkeypatch):
    freeze = Flusher.freeze

    def freeze_under_the_lock(self, *, heat=False):
        with self._state.lock:
            self._state.link.region.aside(1, 1.0)
        freeze(self, heat=heat)

    monkeypatch.setattr(Flusher, "freeze", freeze_under_the_lock)
    violations = play(draw_script(0)).violations
    assert "region.aside is called while reads in memory are locked out" in violations[0]
