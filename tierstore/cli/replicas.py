"""`replicas`: who takes part in a region, and retiring those that will not come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import ABSENT, OK
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options, timeout_option
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.store.roster import Member

HEADINGS = f"{'replica':16} {'batches':>9} {'position':>12} {'silent':>9}\n"


def replica_id(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """The number of a replica that is named as it is printed."""
    try:
        return None if value is None else int(value, 16)
    except ValueError as exc:
        raise click.BadParameter("expected an id as `tierstore replicas` prints it") from exc


@click.command()
@click.option("--retire", "retired", metavar="ID", callback=replica_id, help="Retire one.")
@timeout_option
@common_options
@click.pass_obj
def replicas(settings: Settings, retired: int | None, timeout_s: float | None) -> int:
    """List the replicas of the region, those silent for longest first.

    The least position of those that are not retired is the floor: what is dead stays until it has
    passed. One that will not come back holds that for replication.horizon, unless it is retired;
    should it come back, what it had not flushed is kept aside for you. Exit 1 if there is none of
    the id to retire.
    """
    from tierstore.store.roster import retire, roster

    with settings.opened() as store:
        store._open()
        if retired is not None:
            done = retire(store._core, retired, timeout_s)
            if settings.is_json:
                emit({"replica": f"{retired:x}", "retired": done})
            return OK if done else ABSENT
        members = roster(store._core, timeout_s)
    if settings.is_json:
        emit([as_dict(member) for member in members])
    else:
        emit_text(HEADINGS + "".join(map(_line, members)))
    return OK


def _line(member: Member) -> str:
    silent = "-" if member.silent_s is None else f"{member.silent_s:.0f} s"
    marks = (" retired" if member.is_retired else "") + (" this one" if member.is_here else "")
    return f"{member.replica:16} {member.batches:>9} {member.acknowledged:>12} {silent:>9}{marks}\n"
