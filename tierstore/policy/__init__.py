"""Policies: what is declared for which keys, loaded strictly and verified before use."""

from __future__ import annotations

import os

from tierstore.errors import PolicyError, TierStoreError
from tierstore.policy.model import Policy, resolve_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from tierstore.policy.read import Examined

    PolicyLike = str | os.PathLike[str] | Mapping[str, Any] | None

__all__ = ["Checked", "Policy", "check", "load", "resolve_path"]

_COMPILED_BYTES_MAX = 8 * 2**20


def load(
    policy: PolicyLike = None,
    base_dir: str | os.PathLike[str] | None = None,
    known_schemes: Collection[str] | None = None,
) -> Policy:
    """The policy in a YAML file, a compiled one (`.json`), a dict, or the embedded default.

    Relative paths in it start at `base_dir`, else at the file's folder, else at the working
    directory. A compiled policy was verified when it was compiled.
    Raises: PolicyError; `.faults` lists everything that is wrong.
    """
    if policy is None:
        return Policy(base_dir=os.path.abspath(_text(base_dir) or ""))
    path = _path(policy)
    if path is not None and path.endswith(".json"):
        from tierstore.policy.compiled import load_compiled

        text = _read(path, _COMPILED_BYTES_MAX)
        return load_compiled(text, path, _text(base_dir) or os.path.dirname(path))
    return _examine(policy, path, _text(base_dir), known_schemes).checked()


class Checked:
    """What `check` found: `policy` (None if unusable), told `faults` and `warnings`."""

    __slots__ = ("faults", "policy", "warnings")

    def __init__(
        self, policy: Policy | None, faults: tuple[str, ...], warnings: tuple[str, ...]
    ) -> None:
        self.policy = policy
        self.faults = faults
        self.warnings = warnings


def check(
    policy: PolicyLike = None,
    base_dir: str | os.PathLike[str] | None = None,
    known_schemes: Collection[str] | None = None,
) -> Checked:
    """Everything wrong or odd in what `load` would take, as lines to print. Never raises for it.

    Also what its rules demand and the adapters of its tiers cannot do; `load` leaves that to the
    first use of an adapter, since it would have to import them all.
    """
    try:
        path = None if policy is None else _path(policy)
        if policy is None or (path is not None and path.endswith(".json")):
            return Checked(load(policy, base_dir), (), ())
        examined = _examine(policy, path, _text(base_dir), known_schemes, _declared)
        warnings = tuple(w.told(examined.policy.source) for w in examined.warnings)
        try:
            return Checked(examined.checked(), (), warnings)
        except PolicyError as exc:
            return Checked(None, exc.faults, warnings)
    except PolicyError as exc:
        return Checked(None, exc.faults or (str(exc),), ())


def _examine(
    policy: PolicyLike,
    path: str | None,
    base_dir: str | None,
    known_schemes: Collection[str] | None,
    declared: Callable[[Policy], Mapping[str, object]] | None = None,
) -> Examined:
    if path is None:
        from tierstore.policy.read import examine

        return examine(policy, "policy", base_dir, known_schemes=known_schemes, declared=declared)
    from tierstore.policy.yaml import BYTES_MAX, examine_yaml

    text = _read(path, BYTES_MAX)
    return examine_yaml(text, path, base_dir or os.path.dirname(path), known_schemes, declared)


def _declared(policy: Policy) -> Mapping[str, object]:
    """What the adapters of the tiers of `policy` declare, as far as they can be imported."""
    from tierstore.policy.model import TIERS
    from tierstore.region.capabilities import Capabilities
    from tierstore.tiers.catalogue import describe

    found: dict[str, object] = {}
    for tier in TIERS:
        try:
            client = policy.cold.client if tier == "cold" else None
            declared = describe(tier, getattr(policy, tier).url.scheme, client).capabilities
        except TierStoreError:  # none serves it, or its driver is missing: others tell
            continue
        if isinstance(declared, Capabilities):  # some only know once they are made
            found[tier] = declared
    return found


def _path(policy: PolicyLike) -> str | None:
    """The path that `policy` is, or None if it is a mapping. Raises: PolicyError."""
    if isinstance(policy, (str, os.PathLike)):
        path = os.fsdecode(policy)
        if not path:
            raise PolicyError("the path of the policy is empty")
        return path
    if hasattr(policy, "items"):
        return None
    raise PolicyError(
        f"a policy is a path, a dict or None, not a value of type {type(policy).__name__}"
    )


def _text(base_dir: str | os.PathLike[str] | None) -> str | None:
    return None if base_dir is None else os.fsdecode(base_dir)


def _read(path: str, bytes_max: int) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(bytes_max + 1)
    except FileNotFoundError:
        raise PolicyError(f"{path}: no such policy file") from None
    except IsADirectoryError:
        raise PolicyError(f"{path}: a directory; a policy is a file") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise PolicyError(f"{path}: the policy cannot be read: {reason}") from exc
    if len(data) > bytes_max:
        raise PolicyError(f"{path}: longer than {bytes_max // 1024} KiB")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as exc:
        raise PolicyError(f"{path}: not UTF-8 at byte {exc.start}") from None
