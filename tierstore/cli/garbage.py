"""`gc`: what is dead in the region, and forgetting it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options, timeout_option
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.store.garbage import Garbage


@click.command()
@click.option("--dry-run", is_flag=True, help="Only look.")
@timeout_option
@common_options
@click.pass_obj
def gc(settings: Settings, dry_run: bool, timeout_s: float | None) -> int:
    """Forget deleted and expired keys of the region that nobody needs to hear of any more.

    Stores do so by themselves, a little every minute. A row has to be dead for longer than
    replication.horizon, and all replicas and peers must have heard of it.
    """
    from tierstore.store.garbage import collect, look

    with settings.opened() as store:
        store._open()
        found = (look if dry_run else collect)(store._core, timeout_s)
    if settings.is_json:
        emit(as_dict(found))
    else:
        emit_text(_text(found))
    return OK


def _text(found: Garbage) -> str:
    held = "" if found.held_by is None else f", longest for replica {found.held_by}"
    lines = [
        f"{found.dead} rows are dead: deleted or expired",
        f"{found.young} of them not for long enough",
        f"{found.waiting} wait until all have heard of them{held}",
        f"{found.collectable} can be forgotten",
    ]
    if found.collected:
        lines.append(f"{found.collected} were forgotten now")
    return "\n".join(lines) + "\n"
