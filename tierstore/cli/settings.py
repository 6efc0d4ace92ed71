"""What all verbs share: the policy, `--json`, `--timeout`, and an open store that gets closed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tierstore.cli.output import note
from tierstore.errors import TierStoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.store.store import Store

    F = TypeVar("F", bound=Callable[..., Any])

POLICY_VARIABLE = "TIERSTORE_POLICY"
POLICY_FILE = "tierstore.yaml"


@dataclass(slots=True)
class Settings:
    """The options that may stand before or after a verb; the later one counts."""

    policy: str | None = None
    is_json: bool = False

    def policy_path(self) -> str | None:
        """The policy to use; None for the embedded default."""
        if self.policy is not None:
            return self.policy
        named = os.environ.get(POLICY_VARIABLE)
        return named or (POLICY_FILE if os.path.exists(POLICY_FILE) else None)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store of the policy, closed at the end whatever happens."""
        import tierstore

        with tierstore.open(self.policy_path()) as store:
            yield store


def settle(store: Store, timeout_s: float | None) -> bool:
    """Whether what was written is in the region now; if not, it is in the journal, and said so.

    Why the region does not have it makes no difference: the write was acknowledged. Raises
    UnavailableError if it was in memory only and is lost.
    """
    try:
        store.flush(timeout_s)
    except TierStoreError as exc:
        _keep(store, exc)
        note(f"acknowledged by the journal, not yet in the region: {exc}")
        return False
    if store.stats()["counts"]["quarantined"]:
        note("the region did not merge a write and keeps it aside: run `tierstore check`")
    return True


def _keep(store: Store, cause: TierStoreError) -> None:
    """Close without another attempt to flush. Raises UnavailableError if something is lost."""
    try:
        store.close(0.0)
    except UnavailableError:
        raise UnavailableError(f"lost, as it was in memory only: {cause}") from cause


def _set_policy(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Settings).policy = value


def _set_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Settings).is_json = True


def common_options(function: F) -> F:
    """Add `--policy` and `--json`."""
    as_json = click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_set_json,
        help="Print one JSON document.",
    )
    policy = click.option(
        "--policy",
        metavar="P",
        expose_value=False,
        callback=_set_policy,
        help="The policy: YAML, or compiled (.json).",
    )
    return policy(as_json(function))


def _duration_s(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from tierstore.units import parse_duration_s

    try:
        return None if value is None else parse_duration_s(value)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def duration_option(name: str, variable: str, text: str) -> Callable[[F], F]:
    """An option such as `--timeout 5s`, in seconds."""
    return click.option(name, variable, metavar="DURATION", callback=_duration_s, help=text)


timeout_option = duration_option(
    "--timeout",
    "timeout_s",
    'How long to wait for the region, such as "5s" (default: the policy\'s).',
)
