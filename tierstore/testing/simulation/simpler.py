"""Scripts that are a little plainer than a given one: what shrinking tries after striking out."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from tierstore.testing.simulation.options import Options, Rates, prefix_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tierstore.testing.simulation.script import Fault, Script, Step

_PLAIN = Options()
ROUND_MS = (1000, 100, 10, 1)
_OF_NO_KEY = frozenset(("scan", "flush", "maintain", "watch"))
"""Verbs for which a key stands for its family, or for nothing."""


# Worlds


def without_rates(script: Script) -> Iterator[Script]:
    """Nothing goes wrong by itself; or one kind of it less."""
    yield _with(script, rates=Rates())
    for field in fields(Rates):
        yield _with(script, rates=replace(script.options.rates, **{field.name: 0.0}))


def in_plain_world(script: Script) -> Iterator[Script]:
    """One property as it is where nothing is special."""
    yield _with(script, latency_ms_max=0)
    yield _with(script, is_liveness=False)
    for name in ("capacity", "unflushed", "region"):
        yield _with(script, **{name: getattr(_PLAIN, name)})
    yield _with(script, skew_ms_max=0)
    if script.options.regions > 1:
        yield _with(script, regions=script.options.regions - 1)
    for name in ("is_direct", "is_ephemeral", "travellers", "watches", "pull_ms", "fault_scale"):
        yield _with(script, **{name: getattr(_PLAIN, name)})
    for name in ("links", "is_leased", "is_chain", "is_mortal", "page_rows", "repair_s"):
        yield _with(script, **{name: getattr(_PLAIN, name)})
    yield _with(script, machines=script.options.nodes)
    yield _with(script, flush_ms=_PLAIN.flush_ms)


def of_used_keys(script: Script) -> Iterator[Script]:
    """Only families and keys that a step uses, keys numbered from 0."""
    used = sorted({key for step in script.steps for key in step.keys})
    families = tuple(f for f in script.options.families if any(prefix_of(f) == k[:2] for k in used))
    if families:
        yield _with(script, families=families)
    named = sorted({key for s in script.steps if s.verb not in _OF_NO_KEY for key in s.keys})
    names = {key: f"{key[:2]}0" for key in used}
    for at, key in enumerate(named):
        names[key] = f"{key[:2]}{sum(other[:2] == key[:2] for other in named[:at])}"
    steps = tuple(replace(s, keys=tuple(names[key] for key in s.keys)) for s in script.steps)
    count = max((int(name[2:]) + 1 for name in names.values()), default=1)
    yield _with(replace(script, steps=steps), keys=count)
    highest = max((int(key[2:]) + 1 for key in used), default=1)
    yield _with(script, keys=highest)


def with_fewer_nodes(script: Script) -> Iterator[Script]:
    """One node less, with all that its clients did and that went wrong with it."""
    nodes = script.options.nodes
    for gone in range(nodes if nodes > 1 else 0):
        steps = [
            replace(step, client=_renumbered(step.client, gone, nodes))
            for step in script.steps
            if step.client % nodes != gone
        ]
        faults = [
            replace(fault, node=fault.node % nodes - (fault.node % nodes > gone))
            for fault in script.faults
            if fault.node % nodes != gone
        ]
        fewer = replace(script, steps=tuple(steps), faults=tuple(faults))
        yield _with(fewer, nodes=nodes - 1, machines=min(script.options.machines, nodes - 1))


def with_fewer_clients(script: Script) -> Iterator[Script]:
    """All that is done on a node is done by its first client; or no client's number is unused."""
    nodes = script.options.nodes
    yield _with_clients(script, {s.client: s.client % nodes for s in script.steps})
    numbers: dict[int, int] = {}
    for client in sorted({step.client for step in script.steps}):
        slot = sum(other % nodes == client % nodes for other in numbers)
        numbers[client] = client % nodes + slot * nodes
    yield _with_clients(script, numbers)


def counted(script: Script) -> Iterator[Script]:
    """With the counts in its options that it really has."""
    kinds = tuple(dict.fromkeys(fault.kind for fault in script.faults))
    counts = {"operations": len(script.steps), "window_count": len(script.faults)}
    yield _with(script, windows=kinds, **counts)


# Events


def renumbered(script: Script) -> Iterator[Script]:
    """Steps in about the order in which they begin, numbered from 1."""
    steps = [step for _, step in timed(script.steps)]
    numbered = tuple(replace(step, number=at) for at, step in enumerate(steps, start=1))
    yield replace(script, steps=numbered)


def with_plainer_steps(script: Script) -> Iterator[Script]:
    """One step without something that it need not have."""
    for at, step in enumerate(script.steps):
        for plainer in _plainer_steps(step):
            yield replace(script, steps=(*script.steps[:at], plainer, *script.steps[at + 1 :]))


def with_rounder_steps(script: Script) -> Iterator[Script]:
    """Steps whose pauses are easier to read: all at once, then one by one."""
    for unit_ms in ROUND_MS:
        yield replace(script, steps=tuple(_rounded(step, unit_ms) for step in script.steps))
    for at, step in enumerate(script.steps):
        for unit_ms in ROUND_MS:
            rounder = _rounded(step, unit_ms)
            if rounder == step:
                break
            yield replace(script, steps=(*script.steps[:at], rounder, *script.steps[at + 1 :]))


def with_plainer_faults(script: Script) -> Iterator[Script]:
    """One fault that is shorter, or at a rounder time."""
    for at, fault in enumerate(script.faults):
        for plainer in _plainer_faults(fault):
            faults = (*script.faults[:at], plainer, *script.faults[at + 1 :])
            yield replace(script, faults=faults)


def _plainer_steps(step: Step) -> Iterator[Step]:
    if step.size:
        yield replace(step, size=0)
    if step.session:
        yield replace(step, session=0)
    if len(step.elements) > 1:
        for element in step.elements:
            yield replace(step, elements=(element,))
    if step.ttl_ms is not None and step.verb != "touch":
        yield replace(step, ttl_ms=None)
    if step.verb in ("read", "fresh", "sum", "all"):
        yield replace(step, verb="get")
    if step.verb.endswith("_many"):
        single = step.verb.removesuffix("_many")
        for key in step.keys:
            yield replace(step, verb=single, keys=(key,))
    if step.pause_ms:
        yield replace(step, pause_ms=0.0)


def _plainer_faults(fault: Fault) -> Iterator[Fault]:
    for unit_ms in ROUND_MS:
        yield replace(fault, at_ms=_round(fault.at_ms, unit_ms))
        yield replace(fault, lasts_ms=_round(fault.lasts_ms, unit_ms) or fault.lasts_ms)


def _rounded(step: Step, unit_ms: int) -> Step:
    return replace(step, pause_ms=_round(step.pause_ms, unit_ms))


def _round(value_ms: float, unit_ms: int) -> float:
    return float(round(value_ms / unit_ms) * unit_ms)


def _renumbered(client: int, gone: int, nodes: int) -> int:
    """The number of a client in a cluster without the node `gone`."""
    slot, node = divmod(client, nodes)
    return node - (node > gone) + slot * (nodes - 1)


def _with(script: Script, **changes: object) -> Script:
    return replace(script, options=replace(script.options, **changes))  # type: ignore[arg-type]


def _with_clients(script: Script, numbers: dict[int, int]) -> Script:
    """`script` with clients renumbered; what one does for several begins about when it did."""
    begun_ms: dict[int, float] = {}
    steps: list[Step] = []
    for at_ms, step in timed(script.steps):
        client = numbers[step.client]
        pause_ms = at_ms - begun_ms.get(client, 0.0)
        steps.append(replace(step, client=client, pause_ms=pause_ms))
        begun_ms[client] = at_ms
    slots = max((n // script.options.nodes + 1 for n in numbers.values()), default=1)
    return _with(replace(script, steps=tuple(steps)), clients=slots)


def timed(steps: tuple[Step, ...]) -> list[tuple[float, Step]]:
    """When each step begins, if none takes time, in that order."""
    now_ms: dict[int, float] = {}
    found: list[tuple[float, Step]] = []
    for step in steps:
        now_ms[step.client] = now_ms.get(step.client, 0.0) + step.pause_ms
        found.append((now_ms[step.client], step))
    return sorted(found, key=lambda pair: pair[0])


WORLDS: tuple[Callable[[Script], Iterable[Script]], ...] = (
    without_rates, with_fewer_nodes, in_plain_world, with_fewer_clients, of_used_keys, counted,
)  # fmt: skip
"""In the order in which they are tried: first what makes most difference."""
EVENTS: tuple[Callable[[Script], Iterable[Script]], ...] = (
    with_plainer_steps, with_rounder_steps, with_plainer_faults, renumbered, counted,
)  # fmt: skip
