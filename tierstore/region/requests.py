"""Asking a server: one request at a time, repeated with jitter while that may help.

An adapter says what each error of its driver means, as a `Failure`; what follows from that is the
same for all of them and stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tierstore.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
)
from tierstore.runtime import jitter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tierstore.region.deadline import Deadline
    from tierstore.runtime import Runtime

T = TypeVar("T")

ATTEMPTS_MAX = 6
PAUSE_S, PAUSE_MAX_S = 0.05, 2.0
"""The longest pause before the first repetition, doubled for each one after it, and its bound."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong with one request."""

    code: str
    meaning: str
    is_retried: bool
    """Whether asking again may help."""
    is_in_doubt: bool
    """Whether the request may have been carried out."""
    cause: BaseException | None = field(default=None, repr=False, compare=False)
    """The driver's error, if it may be shown to whoever looks for causes."""


class Refusal(Exception):  # noqa: N818 - an answer that the caller asked for, not an error yet
    """The server answered with one of the codes that the caller knows what to do with."""

    def __init__(self, code: str, *, is_in_doubt: bool) -> None:
        super().__init__(code)
        self.code = code
        self.is_in_doubt = is_in_doubt
        """Whether an earlier attempt got no answer, and may have been carried out."""


class Requests:
    """Requests about one place."""

    def __init__(
        self,
        place: str,
        runtime: Runtime,
        driver_errors: tuple[type[Exception], ...],
        failure_of: Callable[[BaseException], Failure],
    ) -> None:
        """`place` is how messages call it; `failure_of` translates one of `driver_errors`."""
        self.place = place
        self._runtime = runtime
        self._driver_errors = driver_errors
        self._failure_of = failure_of

    def ask(
        self,
        send: Callable[[float], T],
        deadline: Deadline,
        known: Collection[str] = (),
        *,
        is_changing: bool,
    ) -> T:
        """What `send` returns, which is given the seconds that are left.

        Raises Refusal for a code that is `known`, OutcomeUnknownError if a change may have
        happened, UnavailableError for the rest; DeadlineExceededError if the time was up before.
        """
        is_in_doubt, last = False, None
        for attempt in range(ATTEMPTS_MAX):
            try:
                left_s = deadline.remaining_s()
            except DeadlineExceededError as error:
                raise self._late(error, last, is_in_doubt) from error
            try:
                return send(left_s)
            except TierStoreError:
                raise
            except self._driver_errors as error:
                last = self._failure_of(error)
            # Raised out here, so that a driver's error is a cause only where it may be shown.
            if last.code in known:
                raise Refusal(last.code, is_in_doubt=is_in_doubt) from last.cause
            is_in_doubt |= last.is_in_doubt and is_changing
            if not last.is_retried or attempt == ATTEMPTS_MAX - 1:
                raise self.translated(last, is_in_doubt=is_in_doubt) from last.cause
            self.pause(attempt, deadline)
        raise AssertionError("the last attempt returns or raises")

    def translated(self, failure: Failure, *, is_in_doubt: bool = False) -> TierStoreError:
        """The error of tierstore for a failure; `is_in_doubt`: what was asked may have happened."""
        text = f"{self.place}: {failure.meaning} ({failure.code})"
        if is_in_doubt:
            return OutcomeUnknownError(f"{text}; what was asked may have happened")
        return UnavailableError(text)

    def pause(self, attempt: int, deadline: Deadline) -> None:
        """Wait before the next attempt: at random, for longer each time, not beyond the end."""
        self._runtime.sometimes("request repeated")
        longest_s = min(PAUSE_S * 2**attempt, PAUSE_MAX_S)
        try:
            left_s = deadline.remaining_s()
        except DeadlineExceededError:
            return  # the next attempt says so
        self._runtime.sleep(min(longest_s * jitter(self._runtime), left_s))

    def _late(
        self, error: DeadlineExceededError, last: Failure | None, is_in_doubt: bool
    ) -> TierStoreError:
        if is_in_doubt:
            return OutcomeUnknownError(f"{self.place}: {error}; what was asked may have happened")
        why = f"; at last {last.meaning} ({last.code})" if last else ""
        return DeadlineExceededError(f"{self.place}: {error}{why}")
