"""Writes of a worker: queued and shown at the shared edge in one atomic step for each tag.

They are acknowledged once the server has them. What its rule lets wait for the region only, or
keeps off the edge, goes by the worker's own outbox.
"""

from __future__ import annotations

from tierstore.edge.entry import key_size
from tierstore.errors import (
    OutcomeUnknownError,
    OverloadedError,
    TierStoreError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.record import REGISTER, Record
from tierstore.region.batch import PUT, TOUCH, Delta, encode_delta
from tierstore.region.shared import TAGS, tag_of
from tierstore.replica.changing import ChangeWrite
from tierstore.replica.cold import fetch
from tierstore.replica.operation import NEVER_MADE, decode_operation, encode_operation
from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES
from tierstore.replica.shared.state import COPY_TTL_MS
from tierstore.replica.write import expiry, touched
from tierstore.runtime import mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.region.shared import WriteReply
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.state import SharedState
    from tierstore.replica.write import Write
    from tierstore.replica.writes import Writer

    Stamp = Callable[[int], list[Delta]]
    """The deltas to write, stamped from the given stamp on."""

ATTEMPTS_MAX = 16


class SharedWriter:
    """Takes the place of a private replica's `Writer`."""

    def __init__(
        self,
        shared: SharedState,
        private: Writer,
        drain: Callable[[int, Deadline], object],
        deadline: Callable[[], Deadline],
    ) -> None:
        """`drain` brings what waits in a tag's queue to the region."""
        self._shared = shared
        self._state = shared.state
        self._private = private
        self._drain = drain
        self._deadline = deadline
        self._bytes_max = shared.state.policy.limits.unflushed_bytes // TAGS

    def write(self, writes: Sequence[Write | ChangeWrite], deadline: Deadline | None) -> list[int]:
        """Acknowledge writes, those of one tag all or none; returns their stamps.

        Raises UnavailableError if none of them happened, OutcomeUnknownError, which names all of
        them, if some may have.
        """
        shared = self._shared
        deadline = deadline or self._deadline()
        queued = [write for write in writes if shared.is_queued(write.rule)]
        others = [write for write in writes if not shared.is_queued(write.rule)]
        self._refuse_too_large(queued)
        self._private._admit(sum(write.size + DELTA_OVERHEAD_BYTES for write in others), deadline)
        stamps: dict[str, int] = {}
        try:
            for tag, chosen in _by_tag(queued).items():
                stamps.update(self._write_tag(tag, chosen, deadline))
            if others:
                private = self._write_privately(others)
                stamps.update(zip((w.key for w in others), private, strict=True))
        except (UnavailableError, OverloadedError) as exc:
            if not stamps:
                raise
            raise self._unknown(writes, stamps, exc) from exc
        except OutcomeUnknownError as exc:
            doubted = {key: stamp for stamp, key in decode_operation(exc.operation_id)[1]}
            if doubted.keys() == {write.key for write in writes}:
                raise
            raise self._unknown(writes, stamps | doubted, exc) from exc
        return [stamps[write.key] for write in writes]

    def write_one(self, write: Write | ChangeWrite, deadline: Callable[[], Deadline]) -> int:
        """`write` of a single one."""
        return self.write([write], deadline())[0]

    def rewrite(self, entry: Entry, value: bytes) -> bool:
        """False: every write has to be told to the edge."""
        return False

    def touch(
        self,
        key: str,
        rule: Rule,
        target: Record,
        ttl_ms: int | None,
        deadline: Deadline | None = None,
    ) -> int | None:
        """Move the expiry of the version that `target` is; its stamp, or None if it is gone."""
        if target.type != REGISTER:
            moved = ChangeWrite(key, rule, None, ttl_ms, seen=target.generation, touches=True)
            return self.write((moved,), deadline)[0]
        deadline = deadline or self._deadline()
        if not self._shared.is_queued(rule):
            self._private._admit(key_size(key) + DELTA_OVERHEAD_BYTES, deadline)
            self._owe([(key, rule)])
            return self._private.touch(key, rule, target, ttl_ms, deadline)
        self._private._admit(0, deadline)  # refuses while this machine's clock is wrong
        self._bring(key, deadline)
        with self._state.lock:
            stamp = self._state.tick()
        delta = Delta(key, TOUCH, touched(target, stamp, ttl_ms))
        reply = self._send(tag_of(key), [delta], deadline)
        self._shared.forget_near([key])
        return None if reply.verdict == "behind" else stamp

    def needs_journal(self, rule: Rule) -> bool:
        """False: there is no journal beside the edge's server."""
        return False

    def is_local(self, rule: Rule) -> bool:
        """False: every write takes a request."""
        return False

    def _bring(self, key: str, deadline: Deadline) -> None:
        """Have a copy at the edge, however large, to show a touch until that is flushed."""
        link = self._shared.link
        if link.call(lambda edge, timeout_s: edge.read([key], timeout_s), deadline).copies:
            return
        token = mint_replica_id(self._state.runtime)
        fetched_ms = link.call(
            lambda edge, timeout_s: edge.lease([key], token, timeout_s), deadline.renewed()
        )
        rows = fetch(self._state, [key], deadline.renewed()).rows
        if key in rows:
            link.call(
                lambda edge, timeout_s: edge.fill(
                    {key: rows[key].record}, token, fetched_ms, COPY_TTL_MS, timeout_s
                ),
                deadline.renewed(),
            )

    def _write_privately(self, writes: list[Write | ChangeWrite]) -> list[int]:
        self._owe((write.key, write.rule) for write in writes)
        return self._private.write(writes, self._deadline())

    def _owe(self, written: Iterable[tuple[str, Rule]]) -> None:
        """Note that copies are owed of what will be written at the region, before it is."""
        barred = self._shared.barred
        with self._state.lock:
            self._shared.owed.update(key for key, rule in written if rule.index not in barred)

    def _write_tag(
        self, tag: int, writes: list[Write | ChangeWrite], deadline: Deadline
    ) -> dict[str, int]:
        """Write what is of one tag, stamped anew as long as something newer is met."""
        state = self._state
        self._private._admit(0, deadline)  # refuses while this machine's clock is wrong
        for _ in range(ATTEMPTS_MAX):
            with state.lock:
                deltas = [_delta(write, state.tick(), state.replica) for write in writes]
            reply = self._send(tag, deltas, deadline)
            if reply.verdict == "written":
                self._shared.forget_near([write.key for write in writes])
                return {delta.key: delta.record.stamp for delta in deltas}
            state.runtime.sometimes("write stamped anew")
            with state.lock:
                state.clock.merge_admitted(reply.stamp)
        raise UnavailableError("what is written here was overtaken again and again: try later")

    def _send(self, tag: int, deltas: list[Delta], deadline: Deadline) -> WriteReply:
        """The edge's verdict: "written" or "behind"."""
        bytes_max = self._bytes_max
        for _ in range(ATTEMPTS_MAX):
            reply = self._try(deltas, bytes_max, deadline)
            if reply.verdict == "unbound":
                self._bind(tag, deadline)
            elif reply.verdict == "full":
                self._relieve(tag, reply.queued_bytes, deadline)
                # What is more than a queue may hold may be all that it holds.
                bytes_max = max(bytes_max, sum(len(encode_delta(one, 0)) for one in deltas))
            else:
                if reply.verdict == "written":
                    self._note_waiting(tag)
                    self._shared.numbered[tag] = reply.replica, reply.numbers[1]
                return reply
        if reply.verdict == "full":
            raise OverloadedError("others filled this queue of the edge again and again: slow down")
        raise UnavailableError("the edge server was replaced again and again: see whether it runs")

    def _refuse_too_large(self, writes: Sequence[Write | ChangeWrite]) -> None:
        """Raise ValueTooLargeError for what can never wait, before anything happens."""
        size_bytes = sum(write.size + DELTA_OVERHEAD_BYTES for write in writes)
        bytes_max = self._state.policy.limits.unflushed_bytes
        if size_bytes > bytes_max:
            raise ValueTooLargeError(
                f"{size_bytes} bytes are written at once, limits.unflushed is {bytes_max}: write"
                " less at a time, or raise the limit"
            )

    def _try(self, deltas: list[Delta], bytes_max: int, deadline: Deadline) -> WriteReply:
        link = self._shared.link
        try:
            return link.call(
                lambda edge, timeout_s: edge.write(deltas, link.run, bytes_max, timeout_s),
                deadline,
            )
        except OutcomeUnknownError as exc:
            self._shared.forget_near([delta.key for delta in deltas])
            raise self._doubt(deltas, exc) from exc

    def _bind(self, tag: int, deadline: Deadline) -> None:
        """Give the tag an identity for the server's life, as it is now."""
        link = self._shared.link
        link.reconnect()
        minted = mint_replica_id(self._state.runtime)
        link.call(lambda edge, timeout_s: edge.bind(tag, link.run, minted, timeout_s), deadline)

    def _relieve(self, tag: int, queued_bytes: int, deadline: Deadline) -> None:
        """Bring the tag's queue to the region in the caller's own time, or refuse the write."""
        self._state.runtime.sometimes("a write waited for room at the edge")
        try:
            self._drain(tag, deadline)
        except UnavailableError as exc:
            raise OverloadedError(
                f"{queued_bytes} bytes wait for the region in one of {TAGS} queues of the edge, of"
                f" which limits.unflushed allows {self._bytes_max} each: {exc}"
            ) from exc

    def _note_waiting(self, tag: int) -> None:
        shared = self._shared
        if tag not in shared.touched_tags:
            with self._state.lock:
                is_first = not shared.touched_tags
                shared.touched_tags.add(tag)
                if is_first:
                    self._private._on_first_dirty()

    def _doubt(self, deltas: list[Delta], exc: OutcomeUnknownError) -> OutcomeUnknownError:
        stamps = [(max(d.record.stamp, d.record.touch), d.key) for d in deltas]
        return OutcomeUnknownError(
            f"the edge server did not confirm a write of {len(deltas)} keys ({exc}):"
            " store.outcome(error.operation_id) tells what became of it",
            operation_id=encode_operation(self._state.replica, stamps),
        )

    def _unknown(
        self, writes: Sequence[Write | ChangeWrite], stamps: dict[str, int], exc: TierStoreError
    ) -> OutcomeUnknownError:
        """The error that names all `writes`: those at `stamps`, and at `NEVER_MADE` the others."""
        named = [(stamps.get(write.key, NEVER_MADE), write.key) for write in writes]
        return OutcomeUnknownError(
            f"some of {len(writes)} writes of one call may have been made, then the edge server"
            f" failed ({exc}): store.outcome(error.operation_id) tells whether all of them were,"
            " or write all of them once more",
            operation_id=encode_operation(self._state.replica, named),
        )


def _by_tag(writes: Sequence[Write | ChangeWrite]) -> dict[int, list[Write | ChangeWrite]]:
    tags: dict[int, list[Write | ChangeWrite]] = {}
    for write in writes:
        tags.setdefault(tag_of(write.key), []).append(write)
    return tags


def _delta(write: Write | ChangeWrite, stamp: int, replica: int) -> Delta:
    if isinstance(write, ChangeWrite):
        return write.delta_at(stamp, replica)
    return _put(write, stamp, replica)


def _put(write: Write, stamp: int, replica: int) -> Delta:
    expires_at_ms = None if write.ttl_ms is None else expiry(stamp, write.ttl_ms)
    payload, metadata = write.payload(), write.metadata
    return Delta(write.key, PUT, Record(stamp, replica, payload, expires_at_ms, 0, metadata))
