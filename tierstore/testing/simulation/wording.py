"""Operations, calls and faults in few words, as a story or a timeline shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tierstore.testing.simulation.nemesis import SLOW_MS_MAX

if TYPE_CHECKING:
    from tierstore.testing.history import Operation
    from tierstore.testing.simulation.options import Options
    from tierstore.testing.simulation.script import Fault
    from tierstore.testing.simulation.telling import Moment

_PADDING = re.compile(r"x{4,}")
_WHOLE_REPLY = re.compile(r"\w+\((.*)\)", re.DOTALL)
_KEYLESS = ("flush", "maintain", "watch")
_AT_THE_END = ("copy", "final")
"""What `ending` does, named as violations name it."""
WRITES = frozenset(("put", "put_many", "delete", "delete_many", "touch", "add", "discard"))
_OF_ELEMENTS = {"add": "to", "discard": "from", "contains": "in"}


def value_text(value: Any) -> str:
    """A value, without the padding that only makes it long."""
    return _PADDING.sub("x…", f"{value}")


def asked_text(operation: Operation) -> str:
    """What a client asked for."""
    verb, key, argument = operation.verb, operation.key or "", operation.argument
    if verb in _KEYLESS:
        return verb
    if verb in _AT_THE_END:
        return f"{verb} of {key}"
    if verb == "scan":
        return f"scan {key[:2]}*"
    if verb == "put":
        return f"put {key} = {value_text(argument[0])}{_lifetime(argument[1])}"
    if verb == "put_many":
        pairs = ", ".join(f"{k} = {value_text(v)}" for k, v in sorted(argument[0].items()))
        return f"put_many {pairs}{_lifetime(argument[1])}"
    if verb == "touch":
        return f"touch {key}{_lifetime(argument)}"
    if verb in _OF_ELEMENTS:
        items = argument if isinstance(argument, tuple) else (argument,)
        return f"{verb} {', '.join(map(repr, items))} {_OF_ELEMENTS[verb]} {key}"
    if isinstance(argument, tuple):
        return f"{verb} {', '.join(argument)}"
    return f"{verb} {key}"


def answer_text(operation: Operation) -> str:
    """What it was told."""
    if operation.outcome != "ok":
        what = "refused" if operation.outcome == "fail" else "nobody knows"
        return f"{what}: {operation.error or 'no answer'}"
    result = operation.result
    if operation.verb in WRITES or operation.verb == "flush":
        return "ok"
    if result is None or result in ((), {}):
        return "nothing"
    if operation.verb == "scan":
        result = dict(result)
    if isinstance(result, dict):
        return ", ".join(f"{key} = {value_text(result[key])}" for key in sorted(result))
    return value_text(result)


def call_text(moment: Moment) -> str:
    """A call of a tier: what it was given, and what came back."""
    verb = moment.what.rpartition(".")[2]
    given = f"({moment.asked})" if moment.asked else ""
    reply = moment.outcome
    if _is_error(reply):
        return f"{verb}{given} ✗ {reply}"
    whole = _WHOLE_REPLY.fullmatch(reply)
    reply = whole[1] if whole else reply
    return f"{verb}{given}" + ("" if reply == "None" else f" → {reply}")


def fault_text(fault: Fault, options: Options) -> str:
    """What a fault does, and how strong it is."""
    node = f"n{fault.node % options.nodes}"
    machine = f"m{fault.node % options.nodes % options.machines}"
    link = f"l{fault.node % options.links}"
    way = "the cold tier" if fault.amount < 0.3 else "the region"
    offset_ms = (2 * fault.amount - 1) * options.skew_ms_max
    slower_ms = fault.amount * SLOW_MS_MAX
    texts = {
        "crash": f"process {node} ends where it stands",
        "power cut": f"power of {machine} is cut",
        "pause": f"process {node} is stopped",
        "refuse": f"{way} refuses calls of {node}",
        "lose requests": f"requests of {node} to {way} are lost",
        "lose replies": f"replies of {way} to {node} are lost",
        "slow": f"{way} is up to {slower_ms:.0f} ms slower for {node}",
        "skew": f"clock of {machine} is off by {offset_ms:+.0f} ms",
        "jump": f"clock of {machine} jumps by {offset_ms:+.0f} ms, for good",
        "strobe": f"clock of {machine} jumps by {offset_ms:+.0f} ms and back, often",
        "disk full": f"disk of {machine} is full",
        "disk slow": f"disk of {machine} is up to {slower_ms:.0f} ms slower",
        "cold full": "the cold tier is full",
        "cold slow": f"the cold tier is up to {slower_ms:.0f} ms slower",
        "link crash": f"link process {link} ends",
        "link pause": f"link process {link} is stopped",
        "link cut": f"a region is out of reach of {link}",
        "link retired": "regions retire the links that read them",
        "region restored": f"the region of {machine} is restored from a backup of then",
        "machine moved": f"{machine} ends, and goes on as another with its disk",
        "leave": f"process {node} ends in order",
        "ahead": f"clock of {machine} is ahead by an hour",
        "flip": "a bit of an object in the cold tier is flipped",
    }
    return texts.get(fault.kind, f"{fault.kind} of {node}")


def end_text(kind: str, node: str) -> str:
    """That a fault is over."""
    if kind in ("crash", "power cut", "link crash", "leave", "machine moved"):
        return f"{node} starts again"
    return f"no more: {kind} ({node})"


def _is_error(reply: str) -> bool:
    return bool(re.match(r"\w*Error\b", reply))


def _lifetime(ttl_ms: int | None) -> str:
    return "" if ttl_ms is None else f" for {ttl_ms} ms"
