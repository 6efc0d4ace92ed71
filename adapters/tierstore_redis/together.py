"""Connecting, and what the workers of the edge know together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import CorruptionError, PolicyError
from tierstore.region.deadline import Deadline
from tierstore.region.shared import Standing
from tierstore_redis import queue_scripts
from tierstore_redis.copying import to_ms
from tierstore_redis.errors import TIER
from tierstore_redis.keys import LAYOUT
from tierstore_redis.probing import SETTINGS, check_server, describe, parse_info, parse_settings
from tierstore_redis.servers import Call

if TYPE_CHECKING:
    from tierstore.region.shared import EdgeInfo
    from tierstore.runtime import Runtime
    from tierstore_redis.connections import Argument
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import SingleServer

_FIELDS = (b"region", b"incarnation", b"cursor", b"pulled_ms")


class Together:
    """What concerns the server as a whole, not one tag."""

    def __init__(self, server: SingleServer, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime

    def connect(self, timeout_s: float) -> EdgeInfo:
        """What the server is. Raises PolicyError for a layout of another version."""
        deadline = Deadline(self._runtime, timeout_s)
        self._server.renew()
        probes = [(b"INFO",), (b"CONFIG", b"GET", *SETTINGS), (b"TIME",)]
        probes.append((b"GET", self._names.layout))
        answers = self._server.ask([(0, probe) for probe in probes], deadline.remaining_s())
        info = parse_info(self._server.checked(answers[0]))
        check_server(info, self._server.place)
        settings, now_ms = parse_settings(answers[1]), to_ms(self._server.checked(answers[2]))
        self._check_layout(self._server.checked(answers[3]), deadline)
        return describe(info, settings, now_ms)

    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """Whether `holder` has the lease."""
        keys = [self._names.lead(work)]
        return self._do(Call(0, queue_scripts.LEAD, keys, [holder, ttl_ms]), timeout_s)

    def standing(self, timeout_s: float) -> Standing:
        """What the workers know, and the server's time."""
        commands = [(0, (b"TIME",)), (0, (b"HMGET", self._names.standing, *_FIELDS))]
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
        return self._do(Call(0, queue_scripts.ADVANCE, keys, arguments), timeout_s)

    def _check_layout(self, found: Any, deadline: Deadline) -> None:
        if found is None:
            name = self._names.layout
            before = [(b"SET", name, LAYOUT, b"NX"), (b"GET", name)]
            was_set, found = self._server.call([], deadline.remaining_s(), before=before)
            self._server.checked(was_set)
            found = self._server.checked(found)
        if found != LAYOUT:
            raise PolicyError(
                f"{self._server.place}: its keys have another layout than this version writes"
                f" ({LAYOUT.decode()}: format and tags); use another prefix or empty it"
            )

    def _do(self, call: Call, timeout_s: float) -> bool:
        return bool(self._server.checked(self._server.call([call], timeout_s)[0]))
