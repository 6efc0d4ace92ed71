"""What all views of one open store share."""

from __future__ import annotations

from _weakref import ref

from tierstore.errors import (
    NoMatchingRuleError,
    OverloadedError,
    StoreClosedError,
    UnavailableError,
)
from tierstore.policy.match import Matcher
from tierstore.replica.bumping import Bumper
from tierstore.replica.deadline import Deadline
from tierstore.store.arguments import seconds
from tierstore.store.homes import Homes
from tierstore.store.leaving import abandon_at_exit, warn_unclosed
from tierstore.store.outcomes import confirm, half_done, named, outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Policy, Rule
    from tierstore.record import Record
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.engine import Replica
    from tierstore.replica.operation import Stamped
    from tierstore.replica.write import Write
    from tierstore.runtime import Runtime
    from tierstore.store.batching import Collector
    from tierstore.store.opened import Opened
    from tierstore.store.results import Outcome
    from tierstore.store.strong import Strong

    class View(Protocol):
        """What looks keys up in the resident table: a store, sync or async."""

        _prefix: str
        _lookup: Callable[[str], Entry | None]
        _rewrite: Callable[[Entry, bytes], bool]
        _bump: Callable[[Entry, int], bool]


class Core:
    """The policy, the engine and the matching of keys to rules."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        replica: Replica,
        matcher: Matcher,
        coordinator: Replica | None = None,
    ) -> None:
        self.policy = policy
        self.runtime = runtime
        self.replica = replica
        self.matcher = matcher
        self.homes = Homes(replica, coordinator, matcher)
        self._opened: Opened | None = None
        self._making = runtime.lock()
        self._strong: Strong | None = None
        self._views: dict[int, ref[View]] = {}
        self._turn = object()  # another one with each change of the short ways of views
        self._batches: set[Collector] = set()
        """Those whose block has begun and not ended."""
        weak = ref(self)
        replica.on_rebuilt = lambda: _begin_anew(weak)

    # Views

    def attach(self, view: View) -> None:
        """Give a view its short ways, now and whenever the store opens, closes or forks."""
        views, place = self._views, id(view)
        views[place] = ref(view, lambda _: views.pop(place, None))
        self._bind(view)

    def rebind(self) -> None:
        """Give every view its short ways anew."""
        self._turn = object()
        self._opened = None  # a forked child must not edit under the names of its parent
        self._bind(*self._alive())

    def _alive(self) -> list[View]:
        found = [known() for known in list(self._views.values())]
        return [view for view in found if view is not None]

    def _bind(self, *views: View) -> None:
        turn = None
        while turn is not self._turn:  # no lock, which a forked child might find taken
            turn = self._turn
            for view in views:
                view._lookup = self._make_lookup(view._prefix)
            self._bind_writes(views)

    def _bind_writes(self, views: Sequence[View]) -> None:
        turn = None
        while turn is not self._turn:
            turn = self._turn
            rewrite: Callable[[Entry, bytes], bool] = _refuse
            bump: Callable[[Entry, int], bool] = _refuse
            if not self._batches:  # else what is written may have to be collected
                rewrite, bump = self.replica.writer.rewrite, Bumper(self.replica.state).bump
            for view in views:
                view._rewrite, view._bump = rewrite, bump

    def _make_lookup(self, prefix: str) -> Callable[[str], Entry | None]:
        replica = self.replica
        if not replica.is_open or replica.state.closed:
            return _find_nothing  # the verb then takes the long way, which opens or refuses
        resident_get = replica.state.edge.resident.get
        if not prefix:
            return resident_get
        return lambda key: resident_get(prefix + key) if key else None  # "" is no key

    @property
    def opened(self) -> Opened:
        """The documents that stay open between edits."""
        if self._opened is None:
            from tierstore.store.opened import Opened

            self._opened = Opened(self.runtime)
        return self._opened

    @property
    def strong(self) -> Strong:
        """What the verbs ask of the coordinator."""
        if self._strong is None:
            from tierstore.store.wiring import make_strong

            with self._making:
                if self._strong is None:
                    self._strong = make_strong(self)
        return self._strong

    # Sessions, which have more to do here

    def settle(self, deadline: Deadline) -> Deadline:
        """Return, open, with the time that is left, once this replica may answer."""
        self.ensure_open()
        return deadline

    def note(self, keys: list[str] | None) -> None:
        """What was shown or written: `keys`, or anything if None."""

    # Batches

    @property
    def root(self) -> Core:
        """The core of the store, of all that stand before it."""
        return self

    def begin_batch(self, batch: Collector) -> None:
        """Look for `batch` at each write from now on."""
        self._batches.add(batch)
        self._turn = object()
        self._bind_writes(self._alive())

    def end_batch(self, batch: Collector) -> None:
        """Look for `batch` no longer."""
        self._batches -= {known for known in self._batches if known is batch or known.has_ended}
        self._turn = object()
        self._bind_writes(self._alive())

    def forget_inherited(self) -> None:
        """In a forked child: leave what was collected to the parent. Its other threads are gone."""
        if self._strong is not None:
            self._strong.leases.forget_inherited()
            self._strong = None  # its locks may have been held by another thread
        self._making = self.runtime.lock()
        if self._batches:
            from tierstore.store.batching import forget_inherited

            self._batches = set(forget_inherited(self))
        self.rebind()

    def _collects(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """Whether the batch in whose block this runs, if any, has taken `writes`."""
        if not self._batches:
            return False
        from tierstore.store.batching import current

        batch = current(self)
        return batch is not None and batch.take(writes)

    def afterwards(self, note: Callable[[list[str]], None], keys: list[str]) -> None:
        """Call `note(keys)` once what was written is: now, or when the batch around this ends."""
        if self._batches:
            from tierstore.store.batching import current

            if (batch := current(self)) is not None:
                batch.afterwards(note, keys)
                return
        note(keys)

    # Opening and closing

    def open(self) -> None:
        """Take an identity; see `Replica.open`."""
        self.homes.open()
        self.rebind()
        abandon_at_exit(self)

    def refuse_closed(self) -> None:
        """Raise StoreClosedError after `close`."""
        if self.replica.state.closed:
            raise StoreClosedError("the store is closed")

    def ensure_open(self) -> None:
        """Open unless that was done. Raises StoreClosedError after `close`."""
        replica = self.replica
        if not replica.is_open or replica.state.closed:
            self.refuse_closed()
            self.open()

    def connect(self) -> None:
        """Open, and contact the region, an edge that is shared, and a coordinator elsewhere.

        Raises UnavailableError if one of them does not answer.
        """
        self.open()
        if (shared := self.replica.state.shared) is not None:
            shared.link.connect(self.deadline(None))
        self.replica.state.link.register(self.deadline(None))
        if self.homes.is_elsewhere:
            self.homes.coordinator.state.link.register(self.deadline(None))
        self.replica.start()

    def close(self, timeout_s: float) -> None:
        """Flush and release everything; once."""
        if self.replica.state.closed:
            return
        try:
            if self._strong is not None:
                self._strong.leases.close(timeout_s)
            self.homes.close(timeout_s)
        finally:
            self.rebind()

    def __del__(self) -> None:
        self.abandon()

    def abandon(self) -> None:
        """Release a store that its owner forgot to close, and say so with a ResourceWarning."""
        replica = getattr(self, "replica", None)
        if replica is None or replica.state.closed or not replica.is_open:
            return
        if self._strong is not None:
            self._strong.leases.abandon()
        outbox = replica.state.outbox
        waiting, keys = outbox.unflushed, sorted(outbox.unflushed_keys())
        self.homes.abandon()  # first: the warning may be made an error
        warn_unclosed(self, waiting, named(keys))

    # Verbs

    def rule_for(self, key: str) -> Rule:
        """The rule of a key. Raises NoMatchingRuleError if `strict_keys` demands a declared one."""
        rule = self.matcher.rule_for(key)
        if self.policy.strict_keys and rule is self.policy.rules[-1]:
            raise NoMatchingRuleError(
                f"no rule of {self.policy.source} matches {key!r} and strict_keys is on: add one"
            )
        return rule

    def deadline(self, timeout: float | None) -> Deadline:
        """When a verb must have answered: in `timeout`, else in what the policy says of the region.

        Raises InvalidArgumentError unless `timeout` is one.
        """
        return self._begin(seconds("timeout", timeout))

    def _begin(self, timeout_s: float | None) -> Deadline:
        left_s = self.policy.timeouts.regional_s if timeout_s is None else timeout_s
        return Deadline(self.runtime, left_s, is_default=timeout_s is None)

    def write_one(self, write: Write | ChangeWrite, timeout: float | None) -> None:
        """`write` of a single one."""
        timeout_s = None if timeout is None else seconds("timeout", timeout)
        if write.rule.consistency == "strong":
            self.write_strong([write], timeout_s)
            return
        if self._batches and self._collects((write,)):
            return
        if write.rule.durability == "regional":
            deadline = self._begin(timeout_s)
            stamp = self.replica.writer.write_one(write, lambda: deadline)
            confirm(self.replica, [(stamp, write.key, write.rule)], deadline)
        else:
            self.replica.writer.write_one(write, lambda: self._begin(timeout_s))

    def write(self, writes: Sequence[Write | ChangeWrite], timeout: float | None) -> None:
        """Acknowledge writes at the durability that their rules declare.

        Raises OutcomeUnknownError if the region did not confirm a `regional` one in time.
        """
        deadline = self.deadline(timeout)
        self.refuse_closed()
        rest = self._commit_strong(writes, timeout)
        if not rest or self._collects(rest):
            return
        try:
            stamps = self.replica.writer.write(rest, deadline)
        except (UnavailableError, OverloadedError) as exc:
            if len(rest) == len(writes):
                raise
            raise half_done(self.replica, rest, exc) from exc
        made = [(stamp, w.key, w.rule) for w, stamp in zip(rest, stamps, strict=True)]
        confirm(self.replica, made, deadline)

    def write_strong(
        self, writes: Sequence[Any], timeout_s: float | None, operation_id: str | None = None
    ) -> None:
        """Commit writes of strong keys, all or nothing. Raises what `Central.commit` does."""
        deadline = self._begin(timeout_s)
        if self._batches:
            from tierstore.store.batching import current
            from tierstore.store.strong import require_eventual

            if current(self) is not None:
                require_eventual(writes, "a batch")
        self.ensure_open()
        self.strong.write(writes, deadline, operation_id)

    def _commit_strong(
        self, writes: Sequence[Write | ChangeWrite], timeout: float | None
    ) -> Sequence[Write | ChangeWrite]:
        """Commit those of `writes` whose keys are strong; returns the others."""
        strong = [write for write in writes if write.rule.consistency == "strong"]
        if not strong:
            return writes
        self.write_strong(strong, timeout)
        return [write for write in writes if write.rule.consistency != "strong"]

    def write_now(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """Acknowledge writes of an open store that need no I/O, or return False, nothing done.

        False means that `write` would use the journal or the region, or wait for room.
        """
        if any(write.rule.consistency == "strong" for write in writes):
            return False
        if self._collects(writes):
            return True
        if not all(self.replica.writer.is_local(write.rule) for write in writes):
            return False
        try:
            self.replica.writer.write(writes, None)
        except OverloadedError:
            return False
        return True

    def touch(
        self,
        key: str,
        rule: Rule,
        target: Record | None,
        ttl_ms: int | None,
        timeout_s: float | None,
    ) -> bool:
        """Move the expiry of the version that `target` is; False if another came meanwhile.

        Of a strong key that of its present value, whatever `target` is; False without one.

        Raises InvalidArgumentError in the block of a batch.
        """
        if self._batches:
            from tierstore.store.batching import current, refuse_touch

            if current(self) is not None:
                refuse_touch()
        deadline = self.deadline(timeout_s)
        if rule.consistency == "strong":
            self.ensure_open()
            return self.strong.touch(key, ttl_ms, deadline)
        assert target is not None
        stamp = self.replica.writer.touch(key, rule, target, ttl_ms, deadline)
        if stamp is not None and rule.durability == "regional":
            confirm(self.replica, [(stamp, key, rule)], deadline)
        return stamp is not None

    def outcome(self, replica: int, writes: Sequence[Stamped], timeout: float | None) -> Outcome:
        """What became of `writes` by `replica`."""
        return outcome(self.replica, replica, writes, self.deadline(timeout))


def _find_nothing(key: str) -> None:
    return None


def _refuse(entry: Entry, value: object) -> bool:
    return False


def _begin_anew(core: ref[Core]) -> None:
    if (alive := core()) is not None:
        alive.forget_inherited()
