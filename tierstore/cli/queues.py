"""`queues`: entries of a shared edge that cannot be understood, and going on without them."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, flush_output
from tierstore.cli.settings import Settings, common_options, timeout_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.damage import DamagedEntry
    from tierstore.replica.shared.state import SharedState


@click.command()
@click.option("--expel", is_flag=True, help="Remove each, once it is printed.")
@timeout_option
@common_options
@click.pass_obj
def queues(settings: Settings, expel: bool, timeout_s: float | None) -> int:
    """Print the entries at which queues of a shared edge stand still, a line of JSON for each.

    What was written after such an entry waits behind it. With --expel it is removed once its bytes
    are printed, and the next one is looked for, until the queue can be read: what waited behind
    goes to the region with the next flush. The write itself never gets there: keep the lines.
    """
    from tierstore.errors import UnavailableError
    from tierstore.region.shared import TAGS

    with settings.opened() as store:
        store._open()
        core = store._core
        if (shared := core.replica.state.shared) is None:
            raise UnavailableError("the edge of this policy is not shared: it has no queues")
        for tag in range(TAGS):
            while _pass(shared, tag, lambda: core.deadline(timeout_s), is_expelled=expel):
                pass
    return OK


def _pass(
    shared: SharedState, tag: int, deadline: Callable[[], Deadline], *, is_expelled: bool
) -> bool:
    """Print the entry at which a queue stands still; whether it was removed, so that another may
    be found."""
    from tierstore.replica.shared import damage

    found = damage.damaged_of(shared, tag, deadline())
    if found is None:
        return False
    emit(_told(found))
    flush_output()
    return is_expelled and damage.expel(shared, found, deadline())


def _told(found: DamagedEntry) -> dict[str, Any]:
    return {
        "queue": found.queue,
        "replica": f"{found.replica:x}",
        "number": found.number,
        "raw": b64encode(found.raw).decode(),
        "behind": found.behind,
    }
