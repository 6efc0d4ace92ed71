"""Sessions: a view of a store that never goes back, and sees its own writes, wherever it goes on.

The promises are read-your-writes and monotonic reads (Terry et al., "Session Guarantees for Weakly
Consistent Replicated Data", PDIS 1994), for one client that carries its token from replica to
replica of a region. See `tierstore.replica.seen` for how they are kept.
"""

from __future__ import annotations

from tierstore.errors import StaleReplicaError
from tierstore.keys import check_prefix
from tierstore.policy.signing import session_keys
from tierstore.replica.seen import Seen
from tierstore.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.reads import Answer
    from tierstore.replica.write import Write
    from tierstore.store.core import Core, View


class SessionCore:
    """The core of a session's views: what writes is noted; all else is done by the store's own."""

    def __init__(self, core: Core, seen: Seen) -> None:
        self.core = core
        self.seen = seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def attach(self, view: View) -> None:
        """Let no verb of a view take a short way, which would not be noted."""
        view._lookup = _find_nothing
        view._rewrite = view._bump = _refuse

    def _make_lookup(self, prefix: str) -> Callable[[str], None]:
        """What `attach` gives a view, for views of batches."""
        return _find_nothing

    def settle(self, deadline: Deadline) -> Deadline:
        """Return, with the time that is left, once this replica may answer the session."""
        self.core.ensure_open()
        self.seen.settle(self.core.replica, deadline)
        return deadline.renewed()

    def shorten(self) -> None:
        """Bring what the session saw to the region until its token has room for the rest."""
        from tierstore.replica.shared.seeing import shorten

        shorten(self.seen, self.core.replica, self.core.deadline(None))

    def note(self, keys: list[str] | None) -> None:
        """What the session was shown."""
        self.seen.note(self.core.replica, keys)

    def note_written(self, keys: list[str]) -> None:
        """What the session wrote. That has happened, so this fails for no tier that is away."""
        self.seen.note(self.core.replica, keys, is_written=True)

    def write_one(self, write: Write | ChangeWrite, timeout: float | None) -> None:
        """Acknowledge a write, and let the session remember it."""
        self.settle(self.core.deadline(timeout))
        self.core.write_one(write, timeout)
        self.core.afterwards(self.note_written, [write.key])

    def write(self, writes: Sequence[Write | ChangeWrite], timeout: float | None) -> None:
        """Acknowledge writes, and let the session remember them."""
        self.settle(self.core.deadline(timeout))
        self.core.write(writes, timeout)
        self.core.afterwards(self.note_written, [write.key for write in writes])

    def write_now(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """False: to be noted, a write is put into a batch, which takes the journal."""
        return False

    def touch(
        self,
        key: str,
        rule: Rule,
        target: Record | None,
        ttl_ms: int | None,
        timeout_s: float | None,
    ) -> bool:
        """Move an expiry, and let the session remember it."""
        moved = self.core.touch(key, rule, target, ttl_ms, timeout_s)
        self.note_written([key])
        return moved


class Session(Store):
    """A view of a store for one client; made by `store.session`.

    Its reads show what the session has seen or written before, at whichever replica, or later
    states; if this replica cannot, they raise StaleReplicaError, never something older.
    """

    is_session = True

    def __init__(self, core: SessionCore, prefix: str = "") -> None:
        self._context = core
        super().__init__(core, prefix)  # type: ignore[arg-type]

    @property
    def session_token(self) -> str:
        """What to hand on to the replica at which the session goes on.

        Opaque; signed if the policy declares `security.session_key`. At an edge that workers share
        it may first bring some of what the session saw to the region: raises UnavailableError if
        too much of that waits, and the region does not answer.
        """
        context = self._context
        context.seen.relieve(context.core.replica)
        if context.seen.is_too_long:
            context.shorten()
        return context.seen.token()

    def forget(self) -> None:
        """Go on without what was seen until now: for what is lost."""
        self._context.seen.forget()

    def prefixed(self, prefix: str) -> Session:
        """A view of the same session in which every key is preceded by `prefix`."""
        check_prefix(prefix)
        self._core.refuse_closed()
        return Session(self._context, self._prefix + prefix)

    def _answer(
        self, full: str, rule: Rule, max_age_s: float | None, deadline: Deadline, *, counts: bool
    ) -> Answer:
        deadline = self._context.settle(deadline)
        answer = super()._answer(full, rule, max_age_s, deadline, counts=counts)
        self._require_fresh(answer)
        self._context.note([full])
        return answer

    def _answers(
        self, rules: dict[str, Rule], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Answer]:
        deadline = self._context.settle(deadline)
        answers = super()._answers(rules, max_age_s, deadline)
        for answer in answers.values():
            self._require_fresh(answer)
        self._context.note(list(rules))
        return answers

    def _bound_by(self, rule: Rule) -> Any:
        return rule.consistency, rule.read.max_age_s

    def _age_bound_s(self, max_age_s: float | None, rule: Rule) -> float | None:
        if max_age_s is None:
            if rule.consistency == "strong":
                return None  # asked of the coordinator, who knows all that was seen
            max_age_s = rule.read.max_age_s
        bound_s = self._context.seen.bound_s(self._context.core.replica)
        if bound_s is None or max_age_s is None:
            return max_age_s if bound_s is None else bound_s
        return min(bound_s, max_age_s)

    def _require_fresh(self, answer: Answer) -> None:
        """Of what is shown because the region is away, nothing from before the session came."""
        bound_s = self._context.seen.bound_s(self._context.core.replica)
        if answer.stale and bound_s is not None and answer.age_s > bound_s:
            raise StaleReplicaError("the region is away, and the copy here may lack what was seen")


def make_session(core: Core, prefix: str, token: str | None) -> Session:
    """A session's view. Raises InvalidArgumentError unless `token` is one, signed if keys are."""
    core.refuse_closed()
    return Session(SessionCore(core, Seen(token, session_keys(core.policy))), prefix)


def _find_nothing(key: str) -> None:
    return None


def _refuse(entry: Entry, value: object) -> bool:
    return False
