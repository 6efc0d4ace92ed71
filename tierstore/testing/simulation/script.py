"""What happens in a simulation, written down before it begins.

A script is data, so that it can be shrunk: whatever operation or fault is struck out, the rest is
played as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.policy import load
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.options import draw_options, policy_of
from tierstore.testing.simulation.travelling import SESSION_VERBS
from tierstore.testing.simulation.typed_script import Mixer

if TYPE_CHECKING:
    from tierstore.policy.model import Policy
    from tierstore.testing.simulation.families import Family
    from tierstore.testing.simulation.options import Options

VERBS = {
    "put": 30, "get": 30, "delete": 8, "get_many": 5, "put_many": 5, "delete_many": 2, "touch": 4,
    "exists": 3, "read": 4, "fresh": 4, "scan": 3, "flush": 4, "maintain": 2,
}  # fmt: skip
"""What clients do, and how often."""
READ_MOSTLY = "/0"
"""How a key ends that goes cold and comes back by being read; a write brings any key back."""
LULL_MS = 3000.0
"""Now and then a client does nothing for that long, and keys go cold."""
BURST_STEPS = 24
BURST_PAUSE_MS = 120.0
"""How a client that does nothing else reads a cold key until it is brought back."""
IN_SESSION = 0.4
"""How many of the operations that may be are part of a session, where there are any."""
PHASE_STEPS = 60
"""For so many operations one key is used more than the others: races, and heat that moves."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of one client."""

    number: int
    """Unique in the script; a put writes a value that contains it."""
    client: int
    pause_ms: float
    """How long the client waits before."""
    verb: str
    keys: tuple[str, ...]
    ttl_ms: int | None = None
    size: int = 0
    """How long a value is made."""
    amount: int = 0
    """What is added to a counter: a power of four, or minus one, that no other add of it has."""
    elements: tuple[str, ...] = ()
    """What is added to a set, discarded from it, or looked for in it."""
    session: int = 0
    """Of which session that travels it is part; 0: of none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a while."""

    at_ms: float
    kind: str
    node: int
    """Which node, or which machine, or -1 where it does not matter."""
    lasts_ms: float
    amount: float
    """Between 0 and 1: how strong, or which, as the kind reads it."""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole run."""

    seed: int
    options: Options
    steps: tuple[Step, ...]
    faults: tuple[Fault, ...]


def draw_script(seed: int, options: Options | None = None, policy: Policy | None = None) -> Script:
    """The script of `seed`, in its own world or in another; `policy` instead of the world's."""
    if options is None:
        options = draw_options(seed)
    families = families_of(policy or load(policy_of(options)), options.keys)
    typed = tuple(family for family in families if family.is_typed)
    families = tuple(family for family in families if not family.is_typed) or typed
    chance = Chance(seed, "script")
    steps: list[Step] = []
    for number in range(options.operations):
        if number % PHASE_STEPS == 0:
            favourite = _draw_keys(chance, families, 1)
        steps.append(_draw_step(chance, options, families, number, favourite))
    is_lasting = options.regions > 1 and not options.is_mortal
    Mixer(seed, typed, is_alone=families == typed, is_lasting=is_lasting).mix(steps)
    for _ in range(options.bursts):
        _draw_burst(chance, options, families, steps)
    _let_travel(Chance(seed, "travellers"), options, steps)
    span_ms = _expected_ms(options, steps)
    faults = [_draw_fault(chance, options, span_ms) for _ in range(options.window_count)]
    return Script(seed, options, tuple(steps), tuple(sorted(faults, key=lambda f: f.at_ms)))


def _draw_step(
    chance: Chance,
    options: Options,
    families: tuple[Family, ...],
    number: int,
    favourite: tuple[str, ...],
) -> Step:
    client = number % (options.nodes * options.clients)
    verb = chance.choices(list(VERBS), list(VERBS.values()))[0]
    if verb.endswith("_many"):
        keys = _draw_keys(chance, families, chance.randint(1, options.keys))
    else:
        keys = favourite if chance.random() < 0.5 else _draw_keys(chance, families, 1)
    if keys[0].endswith(READ_MOSTLY) and verb in ("put", "delete") and chance.random() < 0.85:
        verb = "get"
    has_ttl = verb in ("put", "put_many") and chance.random() < 0.1
    return Step(
        number,
        client,
        _draw_pause_ms(chance, options, families),
        verb,
        keys,
        chance.choice((500, 2000, 10_000)) if has_ttl or verb == "touch" else None,
        chance.choice((0, 0, 0, 40, 400)),
    )


def _let_travel(chance: Chance, options: Options, steps: list[Step]) -> None:
    """Make some steps part of sessions, and others looks at what changed."""
    for at, step in enumerate(steps):
        is_watch, is_part = chance.random() * 100 < options.watches, chance.random() < IN_SESSION
        if is_watch and step.pause_ms < LULL_MS:
            steps[at] = replace(step, verb="watch", ttl_ms=None, size=0, amount=0, elements=())
        elif is_part and options.travellers and step.verb in SESSION_VERBS:
            steps[at] = replace(step, session=chance.randint(1, options.travellers))


def _draw_burst(
    chance: Chance, options: Options, families: tuple[Family, ...], steps: list[Step]
) -> None:
    """Let one client wait until a key has gone cold, and then read it again and again."""
    tiered = [key for family in families if family.is_tiered for key in family.keys]
    keys = [key for key in tiered if key.endswith(READ_MOSTLY)] or tiered
    client = chance.randrange(options.nodes * options.clients)
    own = [at for at, step in enumerate(steps) if step.client == client]
    if not keys or len(own) <= BURST_STEPS:
        return
    first, key = chance.randrange(len(own) - BURST_STEPS), chance.choice(keys)
    lulls_ms = {0: 2 * LULL_MS, BURST_STEPS - 1: LULL_MS}
    for turn, at in enumerate(own[first : first + BURST_STEPS]):
        pause_ms = lulls_ms.get(turn, BURST_PAUSE_MS)
        steps[at] = replace(
            steps[at], pause_ms=pause_ms, verb="get", keys=(key,), ttl_ms=None, size=0
        )


def _draw_pause_ms(chance: Chance, options: Options, families: tuple[Family, ...]) -> float:
    if any(family.is_tiered for family in families) and chance.random() < options.lulls:
        return LULL_MS * (1 + chance.random())
    return chance.choice((0.0, 0.0, chance.random())) * options.pause_ms_max


def _draw_keys(chance: Chance, families: tuple[Family, ...], count: int) -> tuple[str, ...]:
    family = chance.choice(families)
    return tuple(sorted(chance.sample(family.keys, min(count, len(family.keys)))))


def _expected_ms(options: Options, steps: list[Step]) -> float:
    """How long clients will be busy, lulls included, so that faults strike from first to last.

    One call in two goes to the region; there and back it takes a latency, on average.
    """
    pauses_ms = sum(step.pause_ms for step in steps)
    calls_ms = len(steps) * options.latency_ms_max / 2
    return max(1000.0, (pauses_ms + calls_ms) / (options.nodes * options.clients))


def _draw_fault(chance: Chance, options: Options, span_ms: float) -> Fault:
    return Fault(
        at_ms=chance.random() * span_ms,
        kind=chance.choice(options.windows),
        node=chance.randrange(options.nodes),
        lasts_ms=chance.choice((10.0, 300.0, 3000.0, 8000.0))
        * (0.5 + chance.random())
        * options.fault_scale,
        amount=chance.random(),
    )
