"""Processes that count are killed: every acknowledged increment counts, and counts once."""

from __future__ import annotations

import os
import random
import threading

import pytest
from killed import RULES, WAIT_S, Writer, check_all, read_all

import tierstore


def make_policy(region):
    return {
        "version": 1,
        "tiers": {"edge": {"journal": "journal"}, "regional": {"url": region}},
        "timeouts": {"regional": f"{WAIT_S:g}s"},
        "replication": {"flush": "20ms"},
        "rules": RULES,
    }


def run(policy, folder, *, writers, lives, seed=1):
    """Let `writers` live and die at once; returns them."""
    chance = random.Random(seed)
    made = [Writer(policy, folder, f"w{n}") for n in range(writers)]
    threads = [
        threading.Thread(target=live_all, args=(writer, [chance.random() for _ in range(lives)]))
        for writer in made
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return made


def live_all(writer, delays):
    for delay_s in delays:
        writer.live(delay_s)


def check(policy, folder, writers):
    """All that was acknowledged is there, once; how much that is."""
    with tierstore.open(policy, base_dir=folder) as store:
        assert store.maintain().ok  # drains the journals of the dead
        store.flush()
        shown = read_all(store, writers)
        assert store.check().ok
    return check_all(shown, writers)


@pytest.mark.skipif(os.name != "posix", reason="kills processes by signal")
def test_killed_processes_lose_and_double_nothing(tmp_path):
    policy = make_policy("sqlite:///region.db")
    writers = run(policy, tmp_path, writers=2, lives=3)
    assert check(policy, tmp_path, writers) > 10


@pytest.mark.campaign
def test_more_of_them_for_longer(tmp_path):
    policy = make_policy("sqlite:///region.db")
    writers = run(policy, tmp_path, writers=8, lives=12)
    print(f"{check(policy, tmp_path, writers)} increments and adds")
