"""Laws of regions that take over each other's states, as laws that mutants have to break."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import TYPE_CHECKING

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.record import COUNTER, SET, Record
from tierstore.region.batch import CHANGE, PUT, RESET, Delta, freeze
from tierstore.region.peers import Peer, PeerPage
from tierstore.runtime import now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.stamp import at_ms
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Law

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.region.peers import JoinReply
    from tierstore.region.rows import Row
    from tierstore.runtime.chance import Chance

STEPS = 30
ROUNDS_MAX = 10
"""Within which regions have to come to rest."""
TIMEOUT_S = 5.0
DAY_S = 86_400
HORIZON_S = 7 * DAY_S
READER, OTHER_READER = 1_000, 1_001


class _Place:
    """A region in memory, one replica of it, and the link that brings others' rows to it."""

    def __init__(self, runtime: ManualRuntime, replica: int) -> None:
        self.runtime, self.replica = runtime, replica
        self.region = MemoryRegion(runtime)
        self.info = self.region.connect(TIMEOUT_S)
        self.total = 0
        self._number, self._digest = 0, b""
        self.region.register(replica, TIMEOUT_S)

    def send(self, *deltas: Delta) -> None:
        """Let the replica write."""
        self._number += 1
        batch = freeze(self.replica, self._number, self._digest, list(deltas), [])
        self.region.apply(batch, TIMEOUT_S)
        self._digest = batch.digest

    def record(self, payload: bytes | None, type: int) -> Record:
        """A record written now."""
        stamp = at_ms(now_ms(self.runtime)) + self._number
        return Record(stamp, self.replica, payload, type=type)

    def put(self, key: str, payload: bytes | None) -> None:
        """Write a register."""
        self.send(Delta(key, PUT, self.record(payload, 1)))

    def write(self, chance: Chance) -> None:
        """Write something."""
        number = chance.randint(1, 9)
        kind = chance.choice(("put", "delete", "add", "add with expiry", "insert", "end"))
        if kind in ("put", "delete"):
            self.put("register", None if kind == "delete" else bytes([number]))
        elif kind == "add":
            self.total += number
            payload = counter.encode_delta(counter.add(number))
            changes = [Delta(key, CHANGE, self.record(payload, COUNTER)) for key in ("sum", "n")]
            self.send(*changes)
        elif kind == "add with expiry":
            record = self.record(counter.encode_delta(counter.add(number)), COUNTER)
            record.expires_at_ms, record.touch = now_ms(self.runtime) + number, record.stamp
            self.send(Delta("brief", CHANGE, record))
        elif kind == "insert":
            payload = sets.encode_delta(sets.add([number]))
            self.send(Delta("set", CHANGE, self.record(payload, SET)))
        else:
            key, type_ = chance.choice((("n", COUNTER), ("set", SET), ("brief", COUNTER)))
            self.send(Delta(key, RESET, self.record(None, type_)))

    def known(self, other: _Place) -> Peer | None:
        """What this region knows of another one."""
        peers = {peer.region: peer for peer in self.region.peers(TIMEOUT_S)}
        return peers.get(other.info.region)

    def page(self, other: _Place, rows: Sequence[Row], cursor: int) -> PeerPage:
        """Rows of another region, after which its feed was read up to `cursor`."""
        known = self.known(other)
        after = known or Peer(other.info.region, other.info.incarnation, READER)
        return PeerPage(known, replace(after, cursor=cursor, resumes_at=None), rows)

    def pull(self, other: _Place) -> JoinReply:
        """Take over what has changed in another region since the last time."""
        known = self.known(other)
        cursor = 0 if known is None else known.cursor
        found = other.region.changes(cursor, 1000, READER, TIMEOUT_S)
        keys = [change.key for change in found.changes]
        rows = [other.region.rows[key] for key in keys]
        return self.region.join(self.page(other, rows, found.cursor), TIMEOUT_S)

    def pull_all(self, other: _Place) -> JoinReply:
        """Take over everything, known or not."""
        rows = list(other.region.rows.values())
        return self.region.join(self.page(other, rows, 0), TIMEOUT_S)

    def fingerprint(self) -> int:
        """Of all rows."""
        return self.region.fingerprint("", None, 1000, TIMEOUT_S).digest


def _regions_agree(chance: Chance) -> Iterator[str]:
    """Whatever was written where, regions that hear of each other come to the same, and to rest."""
    runtime = ManualRuntime()
    places = [_Place(runtime, replica) for replica in range(1, chance.randint(3, 4))]
    for _ in range(STEPS):
        runtime.advance(chance.randint(0, 3) / 1000)
        place, other = chance.choice(list(permutations(places, 2)))
        if chance.happens(0.5):
            place.write(chance)
        else:
            (place.pull if chance.happens(0.8) else place.pull_all)(other)
        yield from _misnamed(places)
    if not _have_come_to_rest(places):
        yield f"regions tell each other of changes for more than {ROUNDS_MAX} rounds"
    yield from _misnamed(places)
    if len({place.fingerprint() for place in places}) > 1:
        yield "regions have come to rest, and their fingerprints differ"
    records = [{k: row.record for k, row in place.region.rows.items()} for place in places]
    if any(found != records[0] for found in records):
        yield f"regions have come to rest, and differ: {records}"
    total = sum(place.total for place in places)
    payload = records[0]["sum"].payload if "sum" in records[0] else None
    if total and counter.value(counter.decode(payload or b"")) != total:
        yield f"increments of {total} in all have come to another sum"


def _misnamed(places: Sequence[_Place]) -> Iterator[str]:
    """What has one version in two regions, and is not the same."""
    seen: dict[tuple[str, int, int], tuple[int, bytes | None]] = {}
    for place in places:
        for key, row in place.region.rows.items():
            record = row.record
            name, content = (key, record.stamp, record.replica), (record.generation, record.payload)
            if seen.setdefault(name, content) != content:
                yield f"two states of {key} have one version"


def _have_come_to_rest(places: Sequence[_Place]) -> bool:
    pairs = list(permutations(places, 2))
    return any(
        not sum(place.pull(other).changed for place, other in pairs) for _ in range(ROUNDS_MAX)
    )


def _known_rows_are_no_news(chance: Chance) -> Iterator[str]:
    """What is told again takes no place in the feed."""
    runtime = ManualRuntime()
    place, other = _Place(runtime, 1), _Place(runtime, 2)
    for _ in range(STEPS):
        chance.choice((place, other)).write(chance)
    place.pull_all(other)
    before = place.region.changes(0, 1000, 1, TIMEOUT_S).position
    if place.pull_all(other).changed:
        yield "a row that had been joined was joined again"
    if place.region.changes(0, 1000, 1, TIMEOUT_S).position != before:
        yield "a join that changed nothing took a place in the feed"


def _the_late_bring_nothing_back(chance: Chance) -> Iterator[str]:
    """What was deleted and forgotten stays so, whatever a region tells that was away."""
    runtime = ManualRuntime()
    place, other = _Place(runtime, 1), _Place(runtime, 2)
    place.region.introduce(other.info, READER, TIMEOUT_S)
    keys = [f"k{number}" for number in range(chance.randint(1, 3))]
    for key in keys:
        place.put(key, b"\x01")
    other.pull(place)
    place.pull(other)
    for key in keys:
        place.put(key, None)
    runtime.advance(HORIZON_S + 2 * DAY_S)
    if chance.happens(0.5):
        place.region.retire(READER, TIMEOUT_S)
        place.region.introduce(other.info, OTHER_READER, TIMEOUT_S)
    place.region.acknowledge(1, place.region.changes(0, 1000, 1, TIMEOUT_S).position, TIMEOUT_S)
    place.region.maintain(1000, TIMEOUT_S)
    other.put("new", b"\x01")
    place.pull_all(other)
    if any(key in place.region.rows for key in keys):
        yield "a region that was away brought back what was deleted"
    if "new" not in place.region.rows:
        yield "what a region wrote after it came back was refused"


def _garbage_is_not_handed_round(chance: Chance) -> Iterator[str]:
    """What has been dead for longer than anybody waits does not come to be once more."""
    runtime = ManualRuntime()
    place, other = _Place(runtime, 1), _Place(runtime, 2)
    other.put("k", b"\x01" if chance.happens(0.5) else None)
    other.put("k", None)
    runtime.advance(HORIZON_S + DAY_S * chance.randint(1, 5))
    if place.pull_all(other).changed or place.region.rows:
        yield "a region took over a tombstone that it would have forgotten"


def _only_who_stands_where_it_believes_joins(chance: Chance) -> Iterator[str]:
    """A link that another has overtaken does not move the peer, whatever it has read."""
    runtime = ManualRuntime()
    place, other = _Place(runtime, 1), _Place(runtime, 2)
    for _ in range(chance.randint(1, 4)):
        other.write(chance)
    if chance.happens(0.5):
        place.pull(other)
    runtime.advance(0.001)
    overtaken = place.page(other, [], 1 << 40)
    runtime.advance(0.001)
    place.pull(other)
    known = place.known(other)
    if place.region.join(overtaken, TIMEOUT_S).is_joined or place.known(other) != known:
        yield "a link that had been overtaken said how far the peer was read"


AGREEMENT = Law("regions that join", _regions_agree)
NO_ECHO = Law("known rows", _known_rows_are_no_news)
LATE = Law("late regions", _the_late_bring_nothing_back)
LONG_DEAD = Law("the long dead", _garbage_is_not_handed_round)
OVERTAKEN = Law("overtaken links", _only_who_stands_where_it_believes_joins)
