"""Every error that tierstore raises.

Each class says two things a caller can act on: `outcome`, "none" (nothing happened) or "unknown"
(it may have happened); and `retry`, "now", "later" or "never". Errors of drivers are translated
once, at the adapter, and stay reachable as `__cause__`. All errors pickle.

    TierStoreError
    ├── PolicyError                       the policy is wrong; .faults lists all of them
    ├── InvalidKeyError (ValueError)      the key is not 1 to 1,024 bytes of UTF-8
    ├── InvalidArgumentError (ValueError) a TTL, cursor, limit or metadata is malformed
    ├── EncodingError (TypeError)         the value cannot be stored
    ├── DecodingError                     the stored value does not fit the type asked for
    ├── ValueTooLargeError (ValueError)   the value is above `limits.value`
    ├── TypeMismatchError (TypeError)     the verb is not one of the key's declared type
    ├── ConsistencyMismatchError          the verb is not one of the key's declared consistency
    ├── NoMatchingRuleError               `strict_keys` is on and no rule matches
    ├── TransactionError                  a transaction is used where it cannot be
    ├── ConflictError                     a strong key is not as it was expected; read again
    ├── AlreadyCommittedError             the operation of that id has happened before
    ├── LeaseHeldError                    somebody else has the lease
    ├── InsufficientRightsError           there is not so much left to take
    ├── UnavailableError                  a tier cannot answer; nothing happened
    │   └── DeadlineExceededError (TimeoutError)
    ├── OutcomeUnknownError               it may have happened; ask `store.outcome(operation_id)`
    ├── FencedError                       this replica's identity is stale
    │   └── LeaseLostError                the lease is over, or may be
    ├── StaleReplicaError                 this replica lacks what the session has seen
    ├── OverloadedError                   too much is waiting to be written
    ├── CorruptionError                   stored bytes fail their check; names key and tier
    └── StoreClosedError                  the store was closed
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    Outcome = Literal["none", "unknown"]
    Retry = Literal["now", "later", "never"]


class TierStoreError(Exception):
    """Base of all errors of tierstore."""

    outcome: Outcome = "none"
    retry: Retry = "never"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.__dict__.update(details)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[TierStoreError], args: tuple[Any, ...], details: dict[str, Any]) -> Any:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(details)
    return error


class PolicyError(TierStoreError):
    """The policy cannot be used. `faults` lists every fault found, each with its place."""

    faults: tuple[str, ...] = ()


class InvalidKeyError(TierStoreError, ValueError):
    """The key is not a `str` of 1 to 1,024 bytes of UTF-8."""


class InvalidArgumentError(TierStoreError, ValueError):
    """An argument other than key and value is malformed: a TTL, cursor, limit, metadata."""


class EncodingError(TierStoreError, TypeError):
    """The value is not JSON-like data, `bytes` or an aware `datetime`."""


class DecodingError(TierStoreError):
    """The stored value does not fit the type that the caller asked for."""


class ValueTooLargeError(TierStoreError, ValueError):
    """The encoded value is larger than `limits.value`; refused before any I/O."""


class TypeMismatchError(TierStoreError, TypeError):
    """The key is declared as another type than the verb needs."""


class ConsistencyMismatchError(TierStoreError):
    """The key is declared with another consistency than the verb needs."""


class NoMatchingRuleError(TierStoreError):
    """`strict_keys` is on and no rule of the policy matches the key."""


class TransactionError(TierStoreError, RuntimeError):
    """A transaction is used where it cannot be: within another, after its end, for a scan."""


class ConflictError(TierStoreError):
    """A strong key is not as it was read or expected. Nothing happened; read again, then retry.

    `current` has the keys that differ and the versions that they have, None without a value.
    """

    retry = "now"
    current: Mapping[str, str | None] = {}


class AlreadyCommittedError(TierStoreError):
    """The operation of that id has happened before, and so did not happen now.

    `version` is what it gave the keys that it wrote, `result` what `store.transact` returned.
    """

    version: str | None = None
    result: Any = None


class LeaseHeldError(TierStoreError):
    """Somebody else has the lease, for `remaining_s` seconds more unless it is renewed."""

    retry = "later"
    remaining_s: float | None = None


class InsufficientRightsError(TierStoreError):
    """There is not so much left to take. `available` is how much there is, as far as is known."""

    available: int = 0


class UnavailableError(TierStoreError):
    """A tier cannot answer now. Nothing happened; try again later."""

    retry = "later"


class DeadlineExceededError(UnavailableError, TimeoutError):
    """The timeout passed before a tier answered. Nothing happened."""


class OutcomeUnknownError(TierStoreError):
    """The write may have happened. `store.outcome(error.operation_id)` resolves it."""

    outcome = "unknown"
    retry = "later"
    operation_id: str = ""


class FencedError(TierStoreError):
    """The region no longer accepts this replica's identity; reopen the store."""


class LeaseLostError(FencedError):
    """The lease is over, or may be: what it protects may be somebody else's by now."""


class StaleReplicaError(TierStoreError):
    """This replica cannot show what the session has seen elsewhere. Nothing happened.

    If `lost`, it never will: the replica that had it is gone. `session.forget()` goes on without.
    """

    retry = "later"
    lost: bool = False


class OverloadedError(TierStoreError):
    """`limits.unflushed` bytes wait for the region; slow down and try again later."""

    retry = "later"


class CorruptionError(TierStoreError):
    """Stored bytes fail their check. `key`, `tier` and `object` name the place, where known."""

    key: str | None = None
    tier: str | None = None
    object: str | None = None


class StoreClosedError(TierStoreError):
    """The store, or a handle of it, was used after `close()`."""
