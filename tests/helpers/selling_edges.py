"""Edges that sell of one stock, are killed and cut off: no unit is sold twice, none is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import tierstore

PROGRAM = Path(__file__).parents[1] / "process" / "programs" / "selling.py"
SQLITE = "sqlite:///region.db"
TIMEOUT_S = 600.0
THREADS = 6
POLICY = {
    "version": 1,
    "tiers": {"edge": {"url": "memory://", "journal": "journal-of-the-operator"}},
    "timeouts": {"regional": "60s"},
    "rules": [{"match": "stock", "type": "bounded_counter"}],
}


def open_operator(folder, url):
    """A store that gives, and looks at the books."""
    tiers = POLICY["tiers"] | {"regional": {"url": url}}
    return tierstore.open(POLICY | {"tiers": tiers}, base_dir=folder)


class Edge:
    """One edge, started again whenever it was killed."""

    def __init__(self, folder, name, takers, pause_s, url):
        self.folder, self.name = folder, name
        self.arguments = [folder, name, takers, pause_s, url]
        self.kills = 0
        self.start()

    def start(self):
        words = [sys.executable, PROGRAM, *self.arguments]
        self.process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE)

    def kill(self):
        """End it in the middle of its work; False if it had ended already."""
        self.process.stdout.readline()
        if self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.stdout.close()
        was_killed = self.process.wait(TIMEOUT_S) == -signal.SIGKILL
        self.kills += was_killed
        self.start()
        return was_killed

    def cut_off(self, *, is_cut):
        path = self.folder / f"{self.name}.cut"
        if is_cut:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def finish(self):
        self.process.stdout.close()
        assert self.process.wait(TIMEOUT_S) == 0

    def count(self, what):
        path = self.folder / f"{self.name}.{what}"
        return path.stat().st_size if path.exists() else 0

    def outages(self):
        """The rights at the beginning and at the end of each outage that it lived through."""
        path = self.folder / f"{self.name}.outages"
        lines = path.read_text().splitlines() if path.exists() else []
        return [tuple(map(int, line.split())) for line in lines]


def disturb(edges, rng, kills_max, harm):
    """Kill and cut off edges at random while any of them works; `harm` the region now and then."""
    kills, cut_until_s = 0, {}
    while any(edge.process.poll() is None for edge in edges):
        time.sleep(rng.uniform(0.05, 0.3))
        edge, now_s = rng.choice(edges), time.monotonic()
        if edge.process.poll() is None and rng.random() < 0.3:
            edge.cut_off(is_cut=True)
            cut_until_s[edge] = now_s + rng.uniform(0.3, 3.0)
        elif kills < kills_max and rng.random() < 0.5:
            kills += edge.kill()
        elif rng.random() < 0.02:
            harm()
        for healed in [edge for edge, until_s in cut_until_s.items() if until_s < now_s]:
            healed.cut_off(is_cut=False)
            del cut_until_s[healed]
    for edge in edges:
        edge.cut_off(is_cut=False)


def sell(folder, units, names, takers, kills_max, pause_s, *, url=SQLITE, harm=lambda: None):
    """Let edges sell; returns them, when all have ended."""
    with open_operator(folder, url) as store:
        store.bounded_counter("stock").give(units)
    edges = [Edge(folder, f"edge-{n}", takers // names, pause_s, url) for n in range(names)]
    disturb(edges, random.Random(7), kills_max, harm)
    for edge in edges:
        edge.finish()
    return edges


def check(folder, edges, units, url=SQLITE):
    """Everything is either sold or in the pool, and the rest can still be sold."""
    sold = sum(edge.count("sold") for edge in edges)
    kills = sum(edge.kills for edge in edges)
    with open_operator(folder, url) as store:
        from tierstore.store.selling import books

        (book,) = books(store._core, None)
        assert book.holders == ()
        assert book.given == units == book.pool + book.sold
        assert sold <= book.sold <= sold + kills * THREADS
        stock, rest = store.bounded_counter("stock"), 0
        while stock.try_take():
            rest += 1
        assert rest == book.pool
    return {"acknowledged": sold, "sold": book.sold, "kills": kills, "left": rest}


def sell_to_fifty_thousand(folder, *, url=SQLITE, harm=lambda: None):
    """Eight edges, ten thousand units, fifty thousand takers: what became of it."""
    began_s, harms = time.monotonic(), []

    def harm_it():
        harm()
        harms.append(time.monotonic())

    edges = sell(folder, 10_000, 8, 50_000, kills_max=60, pause_s=0.05, url=url, harm=harm_it)
    figures = check(folder, edges, 10_000, url)
    outages = [seen for edge in edges for seen in edge.outages() if seen[0]]
    figures |= {
        "harms": len(harms),
        "takers": sum(edge.count("came") for edge in edges),
        "outages": len(outages),
        "rights": sum(first for first, _ in outages),
        "unsold": sum(last for _, last in outages),
        "seconds": round(time.monotonic() - began_s),
    }
    print(figures)
    assert figures["takers"] == 50_000
    assert figures["kills"] >= 20
