"""An explanation as a report for people who have not read the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.units import format_rate, format_size, rough_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.store.results import Explanation

PER_HOUR = 1 / 3600
_PLACES = {"regional": "the region", "cold": "the cold tier"}
_LABEL_CHARS = 11


def tell(told: Explanation) -> str:
    """Where the key is, in one line; then what is known of it, a line each; then the reasons."""
    lines = [f"{told.key}: {_where(told)}"]
    lines += [f"  {label:<{_LABEL_CHARS}} {text}" for label, text in _facts(told)]
    lines += [f"  {'because':<{_LABEL_CHARS}} {reason}" for reason in told.reasons]
    return "\n".join(lines)


def _where(told: Explanation) -> str:
    places = " and ".join(told.tiers)
    if told.found:
        return f"found, {places or 'on its way to the region'}"
    return f"absent, though {places} holds it until the next flush" if places else "absent, nowhere"


def _facts(told: Explanation) -> Iterator[tuple[str, str]]:
    kind = f"{told.type}, {told.consistency}, {told.durability}"
    yield "rule", f"{told.rule} ({kind}); {_thresholds(told)}"
    if told.found:
        size = "-" if told.size_bytes is None else format_size(told.size_bytes)
        expires = "never" if told.expires_at is None else _moment(told.expires_at)
        yield "value", f"{size}, version {told.version}, expires {expires}"
        yield "edge", _edge(told)
        if told.home is not None:
            yield "home", _home(told)
        yield "heat", _heat(told)
        clocks = ", ".join(_clocks(told))
        if clocks:
            yield "clocks", clocks
    if told.unflushed:
        yield "waiting", "a write for the region"
    if told.wanted is not None:
        yield "next move", _wish(told)
    elif told.review_at is not None:
        yield "next look", f"{_moment(told.review_at)}, if nobody uses it until then"


def _thresholds(told: Explanation) -> str:
    hot = (
        told.hot_per_s
        if isinstance(told.hot_per_s, str)
        else f"from {format_rate(told.hot_per_s)} on"
    )
    cold = told.cold_per_s
    cold = cold if isinstance(cold, str) else f"below {format_rate(cold)}"
    return f"hot {hot}, cold {cold}"


def _edge(told: Explanation) -> str:
    if "edge" not in told.tiers:
        return "no copy"
    age = "not compared with the region yet"
    if told.age_s is not None:
        age = f"at most {told.age_s:.3g} s behind the region"
    return f"a copy, {age}; {_count(told.reads, 'read')} and {_count(told.writes, 'write')} of it"


def _home(told: Explanation) -> str:
    place = _PLACES[told.home or "regional"]
    since = "" if told.entered_at is None else f" since {_moment(told.entered_at)}"
    held = "" if told.object is None else f", in object {told.object}"
    moved = _count(told.moves or 0, "move")
    return f"{place}{since}{held}; {moved} so far"


def _heat(told: Explanation) -> str:
    reads = _measured(told.edge_reads_per_s, told.hot_per_s)
    writes = _measured(told.edge_writes_per_s, told.hot_per_s)
    text = f"read {reads} and written {writes} at this edge"
    if told.accesses_per_s is None:
        return text
    return f"{text}; used {_measured(told.accesses_per_s, told.cold_per_s)}, as the region counts"


def _clocks(told: Explanation) -> Iterator[str]:
    for name in ("created", "written", "accessed"):
        at = getattr(told, f"{name}_at")
        if at is not None:
            yield f"{name} {_moment(at)}"


def _wish(told: Explanation) -> str:
    place = f"to {_PLACES[told.wanted or 'regional']}"
    if told.tried_at is None:
        return f"{place}, at the next pass of the mover"
    if told.last_error is None:
        return f"{place}, if movement.mode were apply "
    again = "" if told.next_try_at is None else f", next {_moment(told.next_try_at)}"
    tried = f"tried {_count(told.tries, 'time')}, last {_moment(told.tried_at)}{again}"
    return f"{place}, {tried}: {told.last_error}"


def _measured(per_s: float | None, beside_per_s: float | str) -> str:
    if per_s is None:
        return "?"
    return rough_rate(per_s, PER_HOUR if isinstance(beside_per_s, str) else beside_per_s)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _moment(seconds: float) -> str:
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(int(seconds), UTC)
    return moment.replace(tzinfo=None).isoformat() + "Z"
