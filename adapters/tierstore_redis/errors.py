"""Errors of the driver and of the server, translated in one place.

`TABLE` says what the first word of an error reply means to a caller; the message has the details.
"""

from __future__ import annotations

from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as DriverTimeoutError

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    TierStoreError,
    UnavailableError,
)

TIER = "edge"
DRIVER_ERRORS: tuple[type[Exception], ...] = (RedisError, OSError, UnicodeError)
"""Of the driver, of sockets, and of names of hosts that cannot be looked up."""

OOM = "OOM"
NOSCRIPT = "NOSCRIPT"
STALE = frozenset({"READONLY", "MASTERDOWN"})
"""The server is no master any more; connections to it are worth nothing."""

_FOREIGN = (CorruptionError, "its keys are not as tierstore leaves them; use another prefix")
NEEDED = "+@read +@write +@scripting +@connection +info +time for all keys with the prefix"
"""Permissions of a user of the server, and the pattern `~ts:*`."""
_REFUSED = (UnavailableError, "it refuses this user or password; correct the url")
_CLUSTER = (UnavailableError, "it is part of a cluster; write redis+cluster:// for that")
TABLE: dict[str, tuple[type[TierStoreError], str]] = {
    OOM: (OverloadedError, "it has no room left; raise `maxmemory` or let the queues drain"),
    "LOADING": (UnavailableError, "it is loading its data; it will answer when it is done"),
    "BUSY": (UnavailableError, "a script keeps it busy; see SCRIPT KILL"),
    "READONLY": (UnavailableError, "it is a replica, which takes no writes; name its primary"),
    "MASTERDOWN": (UnavailableError, "it is a replica that lost its primary; name the primary"),
    "NOREPLICAS": (UnavailableError, "it lacks the replicas that `min-replicas-to-write` asks for"),
    "MISCONF": (UnavailableError, "it cannot save its data and takes no writes; see its log"),
    "NOAUTH": (UnavailableError, "it asks for a password; put one into the url"),
    "WRONGPASS": _REFUSED,
    "NOPERM": (
        UnavailableError,
        f"the user lacks a permission; it needs {NEEDED}, in a cluster +cluster|slots and"
        " +cluster|info, too",
    ),
    "DENIED": (UnavailableError, "its protected mode refuses this host"),
    "MOVED": _CLUSTER,
    "ASK": (UnavailableError, "a slot of the cluster is being moved; try again"),
    "TRYAGAIN": (UnavailableError, "a slot of the cluster is being moved; try again"),
    "CROSSSLOT": _CLUSTER,
    "CLUSTERDOWN": (UnavailableError, "its cluster lacks nodes or does not serve all slots now"),
    "WRONGTYPE": _FOREIGN,
}
_OTHERWISE = (UnavailableError, "it refused the command")
_CROWDED = (UnavailableError, "it has no connection left; raise `maxclients` or lower `pool`")
MOVING = (UnavailableError, "its slots move again and again; try later")
"""What MOVED means where redirections were followed."""
NO_CLUSTER = "cluster support disabled"
"""What a single server says when it is asked for its slots."""
_SILENT = "it does not answer"


def said_code(error: BaseException) -> str:
    """The first word of the error reply that `error` stands for, "" if the server said nothing."""
    code = getattr(error, "status_code", None)
    if code:
        return str(code)
    if isinstance(error, (DriverConnectionError, DriverTimeoutError, OSError, UnicodeError)):
        return ""
    word = str(error).partition(" ")[0]
    return word if word.isupper() else "ERR"


def is_timeout(error: BaseException) -> bool:
    """Whether the time was up before the server answered."""
    return isinstance(error, (DriverTimeoutError, TimeoutError))


def translate(
    error: BaseException, place: str, *, is_sent: bool = False, is_write: bool = False
) -> TierStoreError:
    """The error of tierstore that a driver error at `place` means.

    `is_sent`: a command that changes something may have reached the server. `is_write`: and it
    must not simply be sent again.
    """
    code, said = said_code(error), str(error).strip().partition("\n")[0]
    if code:
        is_crowded = "max number of clients" in said
        kind, meaning = _CROWDED if is_crowded else TABLE.get(code, _OTHERWISE)
        message = f"{place}: {meaning} ({code} {said})"
        return kind(message, tier=TIER) if kind is CorruptionError else kind(message)
    if is_sent and is_write:
        return OutcomeUnknownError(f"{place}: the answer to a write was lost ({said})")
    if is_timeout(error) and not is_sent:
        return DeadlineExceededError(f"{place}: {_SILENT} in time ({said})")
    return UnavailableError(f"{place}: {_SILENT} ({said})")
