"""Who uses no strong key pays nothing for them: what is loaded, and when."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, tierstore
rules = [{"match": "s/*", "consistency": "strong"}, {"match": "**", "durability": "memory"}]
NAMES = ("tierstore.coordinator.", "tierstore.store.strong", "tierstore.store.transactions",
         "tierstore.store.keeping", "tierstore.handles.lease", "tierstore.handles.sequence")

def loaded():
    return {n for n in sys.modules if n.startswith(NAMES)} - {"tierstore.store.strong_verbs"}

def run(verb, *needed):
    assert not set(needed) & loaded(), loaded()
    verb()
    assert set(needed) <= loaded(), loaded()

def lease():
    with store.lease("l"):
        pass

patient = {"version": 1, "rules": rules, "timeouts": {"regional": "60s"}}
with tierstore.open(patient) as store:
    store.put("a", 1)
    assert store.get("a") == 1
    store.flush()
    assert store.get("b") is None
    assert not loaded(), loaded()
    run(lambda: store.get("s/a"), "tierstore.store.strong", "tierstore.coordinator.central")
    run(lambda: store.transact(lambda tx: tx.put("s/a", 1)), "tierstore.store.transactions")
    run(lease, "tierstore.handles.lease", "tierstore.store.keeping")
    run(lambda: store.sequence("n").next(), "tierstore.handles.sequence")
"""


def test_the_first_strong_verb_loads_what_it_needs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
