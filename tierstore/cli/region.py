"""`region`: what an operator does to a region as a whole."""

from __future__ import annotations

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options, timeout_option


@click.group()
def region() -> None:
    """Operate a region as a whole."""


@region.command()
@timeout_option
@common_options
@click.pass_obj
def reincarnate(settings: Settings, timeout_s: float | None) -> int:
    """Begin another life of a region that was restored from a backup.

    Without that, numbers would be used twice: replicas and peers that notice refuse to go on. They
    come back under new identities; what the backup lacks is kept aside as far as journals have it,
    and is brought back by peers.
    """
    from tierstore.cli.linking import open_ends

    with open_ends(settings) as opened:
        own = opened.ends.own
        left_s = own.timeout_s if timeout_s is None else timeout_s
        old = own.region.connect(left_s)
        new = own.region.reincarnate(left_s)
    if settings.is_json:
        told = {"region": new.region, "incarnation": new.incarnation, "was": old.incarnation}
        emit(told)
    else:
        emit_text(
            f"region {new.region} is in incarnation {new.incarnation} now,"
            f" was in {old.incarnation}\n"
        )
    return OK
