"""The keys of a policy, once they are needed: what is in them is known only then."""

from __future__ import annotations

from tierstore.values.opaque import Keyring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.policy.model import Policy

KEY_BYTES_MIN = 16
SHORT_KEY = f"a key has at least {KEY_BYTES_MIN} bytes; make one with: openssl rand -base64 32"


def is_short(key: str) -> bool:
    """Whether `key` could be guessed, going by its length alone."""
    return len(_raw(key)) < KEY_BYTES_MIN


def session_keys(policy: Policy) -> Keyring | None:
    """What signs and verifies the tokens of sessions; None if the policy declares no key.

    Raises PolicyError if a variable that holds a key is not set, or holds too little.
    """
    keys = [key.reveal() for key in policy.security.session_key]
    if any(map(is_short, keys)):
        from tierstore.policy.faults import Fault, policy_error

        raise policy_error(policy.source, [Fault("security.session_key", SHORT_KEY)])
    return Keyring([_raw(key) for key in keys], "session token") if keys else None


def _raw(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")  # a variable need not hold UTF-8
