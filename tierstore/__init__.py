"""One key-value API over edge, regional and cold tiers.

    import tierstore

    with tierstore.open("policy.yaml") as store:
        store.put("profile/7", {"name": "Ada"})
        store.get("profile/7")

Names load when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.aio import AsyncStore as AsyncStore
    from tierstore.aio import open_async as open_async
    from tierstore.errors import AlreadyCommittedError as AlreadyCommittedError
    from tierstore.errors import ConflictError as ConflictError
    from tierstore.errors import ConsistencyMismatchError as ConsistencyMismatchError
    from tierstore.errors import CorruptionError as CorruptionError
    from tierstore.errors import DeadlineExceededError as DeadlineExceededError
    from tierstore.errors import DecodingError as DecodingError
    from tierstore.errors import EncodingError as EncodingError
    from tierstore.errors import FencedError as FencedError
    from tierstore.errors import InsufficientRightsError as InsufficientRightsError
    from tierstore.errors import InvalidArgumentError as InvalidArgumentError
    from tierstore.errors import InvalidKeyError as InvalidKeyError
    from tierstore.errors import LeaseHeldError as LeaseHeldError
    from tierstore.errors import LeaseLostError as LeaseLostError
    from tierstore.errors import NoMatchingRuleError as NoMatchingRuleError
    from tierstore.errors import OutcomeUnknownError as OutcomeUnknownError
    from tierstore.errors import OverloadedError as OverloadedError
    from tierstore.errors import PolicyError as PolicyError
    from tierstore.errors import StaleReplicaError as StaleReplicaError
    from tierstore.errors import StoreClosedError as StoreClosedError
    from tierstore.errors import TierStoreError as TierStoreError
    from tierstore.errors import TransactionError as TransactionError
    from tierstore.errors import TypeMismatchError as TypeMismatchError
    from tierstore.errors import UnavailableError as UnavailableError
    from tierstore.errors import ValueTooLargeError as ValueTooLargeError
    from tierstore.handles.counter import Counter as Counter
    from tierstore.handles.document import Document as Document
    from tierstore.handles.lease import Lease as Lease
    from tierstore.handles.members import Members as Members
    from tierstore.handles.sequence import Sequence as Sequence
    from tierstore.keys import key as key
    from tierstore.opening import open as open
    from tierstore.store.results import Change as Change
    from tierstore.store.results import CheckReport as CheckReport
    from tierstore.store.results import Entry as Entry
    from tierstore.store.results import Explanation as Explanation
    from tierstore.store.results import Finding as Finding
    from tierstore.store.results import Gap as Gap
    from tierstore.store.results import Maintenance as Maintenance
    from tierstore.store.results import Page as Page
    from tierstore.store.results import Reading as Reading
    from tierstore.store.scanning import Scan as Scan
    from tierstore.store.session import Session as Session
    from tierstore.store.store import Store as Store
    from tierstore.store.transactions import Transaction as Transaction
    from tierstore.store.watching import Watch as Watch

__version__ = "0.1.0"

_HOMES = {
    "aio": ("AsyncStore", "open_async"),
    "errors": (
        "AlreadyCommittedError", "ConflictError", "ConsistencyMismatchError", "CorruptionError",
        "DeadlineExceededError", "DecodingError", "EncodingError", "FencedError",
        "InsufficientRightsError", "InvalidArgumentError", "InvalidKeyError", "LeaseHeldError",
        "LeaseLostError", "NoMatchingRuleError", "OutcomeUnknownError", "OverloadedError",
        "PolicyError", "StaleReplicaError", "StoreClosedError", "TierStoreError",
        "TransactionError", "TypeMismatchError", "UnavailableError", "ValueTooLargeError",
    ),
    "handles.counter": ("Counter",),
    "handles.document": ("Document",),
    "handles.lease": ("Lease",),
    "handles.members": ("Members",),
    "handles.sequence": ("Sequence",),
    "keys": ("key",),
    "opening": ("open",),
    "store.results": (
        "Change", "CheckReport", "Entry", "Explanation", "Finding", "Gap", "Maintenance", "Page",
        "Reading",
    ),
    "store.scanning": ("Scan",),
    "store.session": ("Session",),
    "store.store": ("Store",),
    "store.transactions": ("Transaction",),
    "store.watching": ("Watch",),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlreadyCommittedError", "AsyncStore", "Change", "CheckReport", "ConflictError",
    "ConsistencyMismatchError", "CorruptionError", "Counter", "DeadlineExceededError",
    "DecodingError", "Document", "EncodingError", "Entry", "Explanation", "FencedError", "Finding",
    "Gap", "InsufficientRightsError", "InvalidArgumentError", "InvalidKeyError", "Lease",
    "LeaseHeldError", "LeaseLostError", "Maintenance", "Members", "NoMatchingRuleError",
    "OutcomeUnknownError", "OverloadedError", "Page", "PolicyError", "Reading", "Scan", "Sequence",
    "Session", "StaleReplicaError", "Store", "StoreClosedError", "TierStoreError", "Transaction",
    "TransactionError", "TypeMismatchError", "UnavailableError", "ValueTooLargeError", "Watch",
    "key", "open", "open_async",
]  # fmt: skip


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'tierstore' has no attribute {name!r}")
    module = __import__(f"tierstore.{home}", fromlist=[name])
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])
