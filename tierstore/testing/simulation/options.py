"""What a simulation consists of: chosen by its seed, so that each seed is another world.

Every seed switches features and faults on and off, for faults hide each other: a cluster in which
everything fails all the time never gets far enough to fail in an interesting way (Groce et al.,
"Swarm Testing", ISSTA 2012).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.forgetting import forgetful
from tierstore.testing.simulation.linked import linked
from tierstore.testing.simulation.wider import widen

RegionKind = Literal["memory", "read committed", "sqlite"]

FAMILIES = ("memory", "journal", "regional", "cold", "ttl", "age", "never", "hot")
"""Families of keys, each under a rule of its own; see `policy_of`."""

TYPED = (
    "memory counter", "journal counter", "regional counter", "ttl counter", "renewed counter",
    "aged counter", "never counter", "memory set", "journal set", "regional set", "ttl set",
    "renewed set", "aged set", "never set",
)  # fmt: skip
"""Families of counters and sets, which come in addition."""
COLD_TYPED = ("cold set", "cold renewed set", "cold document")
"""Families of sets and documents that go cold, which come in addition to those."""
COLD_TYPED_SHARE = 0.1
TYPED_SHARE = 0.15
"""How often a world has one of them; so there are two in most, whose keys are much in use."""

WINDOWS = (
    "crash", "power cut", "pause", "refuse", "lose requests", "lose replies", "slow", "skew",
    "jump", "strobe", "disk full", "disk slow", "cold full", "cold torn", "cold slow",
    "flip",
)  # fmt: skip
"""Faults that begin at a time and last; see `nemesis`."""

STRONGER_FAULTS = ("clone", "restore", "drift")
"""Faults outside of what is promised so far: only where they are asked for by name."""

_COLD: dict[str, object] = {
    "hotness": {"cold": "60/min", "half_life": "2s", "hysteresis": 1.5},
    "min_residency": {"edge": "0s", "regional": "300ms"},
}
_RULES: dict[str, dict[str, object]] = {
    "memory": {"match": "m/*", "durability": "memory"},
    "journal": {"match": "j/*"},
    "regional": {"match": "r/*", "durability": "regional"},
    "cold": {"match": "c/*", **_COLD},
    "ttl": {"match": "t/*", "ttl": "3s", "durability": "memory"},
    "age": {"match": "a/*", "read": {"max_age": "2s"}},
    "never": {"match": "n/*", "durability": "regional", "place": {"never": ["edge"]}},
    "hot": {
        "match": "h/*",
        "durability": "memory",
        "hotness": {"hot": "30/min", "half_life": "2s"},
        "min_residency": {"edge": "0s"},
    },
    "memory counter": {"match": "b/*", "type": "counter", "durability": "memory"},
    "journal counter": {"match": "d/*", "type": "counter"},
    "regional counter": {"match": "e/*", "type": "counter", "durability": "regional"},
    "ttl counter": {"match": "f/*", "type": "counter", "ttl": "3s", "durability": "memory"},
    "renewed counter": {"match": "g/*", "type": "counter", "ttl": "3s", "ttl_renew": "write"},
    "aged counter": {"match": "i/*", "type": "counter", "read": {"max_age": "2s"}},
    "never counter": {
        "match": "k/*",
        "type": "counter",
        "durability": "regional",
        "place": {"never": ["edge"]},
    },
    "memory set": {"match": "l/*", "type": "set", "durability": "memory"},
    "journal set": {"match": "o/*", "type": "set"},
    "regional set": {"match": "p/*", "type": "set", "durability": "regional"},
    "ttl set": {"match": "q/*", "type": "set", "ttl": "3s"},
    "renewed set": {
        "match": "s/*",
        "type": "set",
        "ttl": "3s",
        "ttl_renew": "write",
        "durability": "memory",
    },
    "aged set": {"match": "u/*", "type": "set", "read": {"max_age": "2s"}},
    "never set": {
        "match": "v/*",
        "type": "set",
        "durability": "regional",
        "place": {"never": ["edge"]},
    },
    "cold set": {"match": "w/*", "type": "set", **_COLD},
    "cold renewed set": {
        "match": "x/*",
        "type": "set",
        "ttl": "3s",
        "ttl_renew": "write",
        "durability": "regional",
        **_COLD,
    },
    "cold document": {"match": "y/*", "type": "document", **_COLD},
    "journal document": {"match": "z/*", "type": "document"},
}
_UNJOURNALED = frozenset(
    name for name, rule in _RULES.items() if rule.get("durability", "journal") != "journal"
)
"""Families of which edges without a journal may have keys."""
RETIRING_SHARE = 0.12
"""How often a world with such families has nothing else, and retires who is silent."""
HORIZON_S = 6
RETAIN_S = 8
INTERVAL_S = 1


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a call of a tier goes wrong by itself; each a probability."""

    error: float = 0.0
    """It fails before anything happened."""
    lost: float = 0.0
    """It is done, and its reply is lost."""
    late: float = 0.0
    """Its caller gives up, and it is done afterwards."""
    duplicate: float = 0.0
    """It is done once more later."""
    statement: float = 0.0
    """A statement of the database fails."""


@dataclass(frozen=True, slots=True)
class Options:
    """One world. Fields are what a story has to tell of it."""

    nodes: int = 3
    """Edge processes."""
    machines: int = 3
    """With a clock and a journal directory each; nodes share them in turn."""
    clients: int = 2
    """Tasks of each node that use its store."""
    region: RegionKind = "memory"
    families: tuple[str, ...] = ("journal",)
    keys: int = 3
    """Keys of each family."""
    operations: int = 600
    """By all clients together."""
    pause_ms_max: int = 300
    """The longest pause of a client between two operations."""
    lulls: float = 0.02
    """How often a client pauses for so long that keys go cold, where any can."""
    bursts: int = 0
    """How often a client reads one key until it comes back from cold, where any can go there."""
    rates: Rates = field(default_factory=Rates)
    latency_ms_max: int = 0
    """Of a call in either direction, when nothing is wrong."""
    windows: tuple[str, ...] = ()
    """Kinds of faults that begin and end."""
    window_count: int = 0
    skew_ms_max: int = 0
    """How far a clock may be off, in either direction."""
    capacity: str = "64MiB"
    unflushed: str = "64MiB"
    flush_ms: int = 200
    statement_ms_max: int = 0
    """How long a statement of the "read committed" region takes: batches overlap meanwhile."""
    horizon_s: int = 0
    """After how much silence a replica is retired; 0: after a week, which is longer than a run."""
    is_liveness: bool = False
    """Whether at the end only a core is healed, and has to get on without the others."""
    regions: int = 1
    """Of which each machine belongs to one, in turn; see `linked`."""
    links: int = 1
    """Processes that run the links between them, where there are several."""
    is_leased: bool = True
    """Whether one of them runs a link at a time; otherwise all do, which must do no harm."""
    is_chain: bool = False
    """Whether regions are linked in a row; otherwise each with each."""
    is_direct: bool = False
    """Whether the stores of each region run the links to it, and there are no such processes."""
    is_mortal: bool = False
    """Whether counters and sets of several regions are deleted and expire, too: see `linked`."""
    is_ephemeral: bool = False
    """Whether edges have no journal: each process is a replica that comes, and goes for good."""
    fault_scale: int = 1
    """How many times as long as elsewhere faults last that have no length of their own."""
    pull_ms: int = 1000
    """How often edges follow the feed of their region, and links that of others."""
    travellers: int = 0
    """Sessions that go on at edge after edge, each a token that is handed on."""
    watches: int = 0
    """How many of a hundred operations look at what changed in a region since the last such."""
    page_rows: int = 1000
    """How many rows a link asks for at a time."""
    repair_s: int = 3600
    """How often links compare all rows."""
    forgets_s: int = 0
    """How often sets and documents forget what they can; 0: once an hour, as elsewhere."""


def draw_options(
    seed: int,
    operations: int = 600,
    extra: tuple[str, ...] = (),
    regions: int | None = None,
) -> Options:
    """The world of `seed`. `extra`: names of STRONGER_FAULTS to allow; `regions`: how many."""
    several = linked(_draw_of_one_region(seed, operations, extra), seed, regions)
    return forgetful(widen(several, seed, _UNJOURNALED), seed)


def _draw_of_one_region(seed: int, operations: int, extra: tuple[str, ...]) -> Options:
    chance = Chance(seed, "options")
    nodes = chance.choice((1, 2, 2, 3, 3, 4))
    windows = tuple(kind for kind in (*WINDOWS, *extra) if chance.random() < 0.35)
    is_skewed = bool({"skew", "jump", "strobe"} & set(windows))
    families = tuple(name for name in FAMILIES if chance.random() < 0.45)
    types = Chance(seed, "types")
    typed, is_slow = _draw_typed(types), types.random() < 0.15
    horizon_s = HORIZON_S if typed and types.random() < RETIRING_SHARE else 0
    cold = _draw_cold_typed(Chance(seed, "cold types"))
    if horizon_s:
        windows = (*windows, *(kind for kind in ("pause", "crash") if kind not in windows))
    return Options(
        nodes=nodes,
        machines=chance.randint(1, nodes),
        clients=chance.choice((1, 2, 2, 3)),
        region=chance.choice(("memory", "read committed", "sqlite")),
        families=typed if horizon_s else (families or (chance.choice(FAMILIES),)) + typed + cold,
        keys=chance.choice((1, 2, 3, 5)),
        operations=operations,
        pause_ms_max=chance.choice((5, 50, 300, 1000)) if "cold" not in families else 300,
        bursts=chance.choice((0, 2, 4)) if "cold" in families else 0,
        rates=_draw_rates(chance),
        latency_ms_max=chance.choice((0, 0, 2, 20, 200)),
        windows=windows,
        window_count=(3 * chance.randint(1, 8) if windows else 0) + (12 if horizon_s else 0),
        skew_ms_max=chance.choice((5, 100, 2000)) if is_skewed else 0,
        capacity=chance.choice(("64MiB", "64MiB", "200B", "1KiB")),
        unflushed=chance.choice(("64MiB", "64MiB", "8KiB")),
        flush_ms=max(chance.choice((100, 200, 1000)), 5000 if typed and is_slow else 0),
        is_liveness=chance.random() < 0.25,
        statement_ms_max=chance.choice((0, 2, 20)),
        horizon_s=horizon_s,
    )


def _draw_typed(chance: Chance) -> tuple[str, ...]:
    """From a chance of its own, so that the rest of a world is as it would be without."""
    return tuple(name for name in TYPED if chance.random() < TYPED_SHARE)


def _draw_cold_typed(chance: Chance) -> tuple[str, ...]:
    return tuple(name for name in COLD_TYPED if chance.random() < COLD_TYPED_SHARE)


def _draw_rates(chance: Chance) -> Rates:
    def rate(most: float) -> float:
        return chance.choice((0.0, 0.0, most / 5, most))

    return Rates(rate(0.1), rate(0.1), rate(0.05), rate(0.05), rate(0.01))


def policy_of(options: Options) -> dict[str, object]:
    """The policy of a world, as it would stand in a file."""
    rules = [{"name": name, **_RULES[name]} for name in options.families]
    return {
        "version": 1,
        "tiers": {"edge": {"url": "memory://", "capacity": options.capacity}},
        "rules": rules,
        "replication": {
            "flush": f"{options.flush_ms}ms",
            "pull": f"{options.pull_ms}ms",
            **_horizon(options),
        },
        "movement": {"interval": f"{INTERVAL_S * 1000:.0f}ms"},
        "cold": {"retain": f"{RETAIN_S}s"},
        "limits": {"unflushed": options.unflushed, "value": "1KiB"},
    }


def _horizon(options: Options) -> dict[str, object]:
    if not options.horizon_s:
        return {}
    return {"horizon": f"{options.horizon_s}s", "max_drift": f"{options.horizon_s / 2:.0f}s"}


def prefix_of(family: str) -> str:
    """What the keys of one of FAMILIES, TYPED or COLD_TYPED begin with: a letter and a slash."""
    return str(_RULES[family]["match"])[:2]
