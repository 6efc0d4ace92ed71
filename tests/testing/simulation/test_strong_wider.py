"""Worlds of strong keys that are restored, cut off from power, cold, or hours long."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from tierstore.testing.__main__ import main
from tierstore.testing.history import History
from tierstore.testing.simulation.strong_campaign import GOALS, run_strong_campaign
from tierstore.testing.simulation.strong_lives import Restore, histories
from tierstore.testing.simulation.strong_wider import Features
from tierstore.testing.simulation.strong_world import DEEDS, play_strong

WORLDS = {
    Features(is_restored=True): (
        range(1, 4),
        ("region restored without some commits", "strong deed after a restore"),
    ),
    Features(is_restored=True, is_file=True): (
        (1,),
        ("power of the region was cut", "power cut in the middle of a commit"),
    ),
    Features(is_cold=True): (range(1, 6), ("key went cold", "strong key read from cold")),
    Features(is_long=True): ((1,), ("commit of long ago was unknown",)),
}


@pytest.mark.parametrize("features", WORLDS, ids=lambda features: " ".join(features.kinds))
def test_nothing_is_violated_and_what_matters_is_reached(features):
    seeds, goals = WORLDS[features]
    reached = Counter()
    for seed in seeds:
        run = play_strong(seed, deeds=DEEDS + features.deeds, features=features)
        assert not run.violations, seed
        reached += run.reached
    assert not [goal for goal in goals if not reached[goal]]


def lives_of(*, backed_up, restored):
    """The histories of the lives that this makes of a write and a delete, one after the other."""
    history = History()
    writing = history.invoke("a", "write", "k", 1)
    writing.ok()
    deleting = history.invoke("b", "delete", "k")
    deleting.ok()
    restore = Restore(backed_up, restored, {"k": 7})
    return list(histories(history.operations(), [restore]))


@pytest.mark.parametrize(
    ("backed_up", "restored", "first", "second"),
    [
        (2, 2, ["write ok"], ["delete ok"]),  # each in a life of its own
        (1, 2, ["write ok"], ["write info", "delete ok"]),  # no record of it is in the backup
        (0, 1, ["write info"], ["write info", "delete ok"]),  # in one life or in the other
        (4, 4, ["write ok", "delete ok"], []),
        (2, 4, ["write ok", "delete ok"], ["delete info"]),
    ],
)
def test_a_restored_region_has_a_history_for_each_life(backed_up, restored, first, second):
    (_, one), (values, other) = lives_of(backed_up=backed_up, restored=restored)
    told = [sorted(f"{each.verb} {each.outcome}" for each in life) for life in (one, other)]
    assert told == [sorted(first), sorted(second)]
    assert values == {"k": 7}
    assert all(each.invoked >= restored for each in other)


def test_a_campaign_counts_what_it_found():
    campaign = run_strong_campaign(seeds=2, first_seed=7)
    assert (campaign.seeds, campaign.failures, campaign.missed) == (2, {}, [])
    assert campaign.is_good
    assert not replace(campaign, seeds=200).is_good  # as goals were missed
    assert campaign.reached.keys() == campaign.reached_in.keys()
    with pytest.raises(ValueError, match="how many"):
        run_strong_campaign()


def test_the_verb_prints_a_table():
    result = CliRunner().invoke(main, ["strong", "--seeds", "1", "--first-seed", "7"])
    assert result.exit_code == 0
    rows = {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    assert (rows["seeds"], rows["failures"]) == ("1", "0")
    assert all(goal in result.stdout for goal in GOALS)


def test_the_verb_tells_of_a_violation(monkeypatch):
    monkeypatch.setattr(
        "tierstore.testing.simulation.strong_world.judge", lambda told, history: ["it is wrong"]
    )
    result = CliRunner().invoke(main, ["strong", "--seeds", "3", "--first-seed", "7"])
    assert result.exit_code == 1
    assert "seed 7: it is wrong" in result.stdout


@pytest.mark.campaign
def test_many_seeds():
    assert run_strong_campaign(seeds=400).is_good
