"""Connecting, and what the workers of the edge know together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, PolicyError, UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.region.shared import Standing
from tierstore_redis import queue_scripts
from tierstore_redis.copies import to_ms
from tierstore_redis.errors import TIER
from tierstore_redis.keys import EARLIER_LAYOUT, LAYOUT, LAYOUT_HOME, LEAD, STANDING
from tierstore_redis.servers import Call

if TYPE_CHECKING:
    from tierstore.region.shared import EdgeInfo
    from tierstore.runtime import Runtime
    from tierstore_redis.connections import Argument
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import Servers

_FIELDS = (b"region", b"incarnation", b"cursor", b"pulled_ms")


class Together:
    """What concerns the edge as a whole, not one tag."""

    def __init__(self, server: Servers, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime
        self._is_layout_known = False

    def connect(self, timeout_s: float) -> EdgeInfo:
        """What the server is. Raises PolicyError for a layout of another version."""
        deadline = Deadline(self._runtime, timeout_s)
        info = self._server.probe(deadline.remaining_s())
        try:
            self._check_layout(deadline)
            self._is_layout_known = True
        except UnavailableError:  # of a cluster, the node that has it may be away
            if not self._is_layout_known:
                raise
        return info

    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """Whether `holder` has the lease."""
        keys = [self._names.lead(work)]
        return self._do(Call(LEAD, queue_scripts.LEAD, keys, [holder, ttl_ms]), timeout_s)

    def standing(self, timeout_s: float) -> Standing:
        """What the workers know, and the server's time."""
        commands = [(STANDING, (b"TIME",)), (STANDING, (b"HMGET", self._names.standing, *_FIELDS))]
        now, fields = map(self._server.checked, self._server.ask(commands, timeout_s))
        region, *numbers = fields
        try:
            incarnation, cursor, pulled_ms = (int(one or 0) for one in numbers)
            region_id = (region or b"").decode()
        except ValueError as error:
            message = f"{self._server.place}: what it says of the region is damaged"
            raise CorruptionError(message, tier=TIER) from error
        return Standing(to_ms(now), region_id, incarnation, cursor, pulled_ms)

    def advance(self, standing: Standing, was_cursor: int, timeout_s: float) -> bool:
        """Whether the cursor was `was_cursor`, so that the standing is this now."""
        arguments: list[Argument] = [
            was_cursor, standing.region, standing.incarnation, standing.cursor, standing.pulled_ms
        ]  # fmt: skip
        keys = [self._names.standing]
        return self._do(Call(STANDING, queue_scripts.ADVANCE, keys, arguments), timeout_s)

    def _check_layout(self, deadline: Deadline) -> None:
        home, name = LAYOUT_HOME, self._names.layout
        answers = self._server.ask([(home, (b"GET", name))], deadline.remaining_s())
        found = self._server.checked(answers[0])
        if found is None:
            before = [(home, (b"SET", name, LAYOUT, b"NX")), (home, (b"GET", name))]
            was_set, found = self._server.call([], deadline.remaining_s(), before=before)
            self._server.checked(was_set)
            found = self._server.checked(found)
        if found == EARLIER_LAYOUT:
            raised = (home, (b"SET", name, LAYOUT))
            self._server.checked(self._server.call([], deadline.remaining_s(), before=[raised])[0])
            found = LAYOUT
        if found != LAYOUT:
            raise PolicyError(
                f"{self._server.place}: its keys have another layout than this version writes"
                f" ({LAYOUT.decode()}: format and tags); use another prefix or empty it"
            )

    def _do(self, call: Call, timeout_s: float) -> bool:
        return bool(self._server.checked(self._server.call([call], timeout_s)[0]))
