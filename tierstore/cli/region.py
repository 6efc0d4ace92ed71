"""`region`: what an operator does to a region as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options, timeout_option
from tierstore.errors import PolicyError
from tierstore.region.lives import BATCHES, PEERS, REGAINS

if TYPE_CHECKING:
    from tierstore.region.rows import RegionInfo


@click.group()
def region() -> None:
    """Operate a region as a whole."""


@region.command()
@click.option(
    "--from", "regains", type=click.Choice(REGAINS[::-1]), help="Where what is missing comes from."
)
@timeout_option
@common_options
@click.pass_obj
def reincarnate(settings: Settings, regains: str | None, timeout_s: float | None) -> int:
    """Begin another life of a region that was restored from a backup.

    Without that, numbers would be used twice: replicas and peers that notice refuse to go on. What
    the backup lacks comes back from one side, never from both, as increments would count twice:

    --from peers: links bring back what other regions have. Replicas come back under new
    identities; what they had sealed is kept aside for you. The default if the policy has peers.

    --from batches: every replica sends again what it retains of what the region lost. The default
    without peers, and refused with them.

    --from nothing: as from peers, without any.
    """
    from tierstore.cli.linking import open_ends

    with open_ends(settings) as opened:
        has_peers = bool(opened.policy.replication.peers)
        if has_peers and regains not in (None, PEERS):
            raise PolicyError(
                "the policy has peers, which bring back what they have; with --from"
                f" {regains} it would count twice, or come back all the same: use --from peers"
            )
        regains = regains or (PEERS if has_peers else BATCHES)
        own = opened.ends.own
        left_s = own.timeout_s if timeout_s is None else timeout_s
        old = own.region.connect(left_s)
        new = own.region.reincarnate(left_s, regains)
    _tell(settings, old, new)
    return OK


def _tell(settings: Settings, old: RegionInfo, new: RegionInfo) -> None:
    if settings.is_json:
        told = {"region": new.region, "incarnation": new.incarnation, "was": old.incarnation}
        emit({**told, "from": new.regains})
    else:
        emit_text(
            f"region {new.region} is in incarnation {new.incarnation} now, was in"
            f" {old.incarnation}; what it lacks comes back from {new.regains}\n"
        )
