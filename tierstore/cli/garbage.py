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
    """Forget what nobody in the region needs any more.

    These are deleted and expired keys: a row has to be dead for longer than replication.horizon,
    and all replicas and peers must have heard of it. In sets, whose adds were whose, once that
    replica is gone. In documents, their history, which they remember for the horizon after they
    were made compact. Stores do all this by themselves, bit by bit.
    """
    from tierstore.store.garbage import collect, look

    with settings.opened() as store:
        store._open()
        found = (look if dry_run else collect)(store._core, timeout_s)
    if settings.is_json:
        emit(as_dict(found))
    else:
        emit_text(_text(found, is_dry=dry_run))
    return OK


def _text(found: Garbage, *, is_dry: bool) -> str:
    held = "" if found.held_by is None else f", longest for replica {found.held_by}"
    lines = [
        f"{found.dead} rows are dead: deleted or expired",
        f"{found.young} of them not for long enough",
        f"{found.waiting} wait until all have heard of them{held}",
        f"{found.collectable} can be forgotten",
    ]
    if found.collected:
        lines.append(f"{found.collected} were forgotten now")
    can = "can be" if is_dry else "were"
    for count, what in (
        (found.sets, f"sets {can} made lighter: they knew of adds of replicas that are gone"),
        (found.documents, f"documents {can} made compact: they were mostly history"),
        (found.pasts, f"compact documents {can} freed of what they were made of"),
    ):
        if count:
            lines.append(f"{count} {what}")
    return "\n".join(lines) + "\n"
