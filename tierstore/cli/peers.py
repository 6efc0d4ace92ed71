"""`peers`: how a region stands with the regions it exchanges rows with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import ABSENT, OK
from tierstore.cli.output import emit, emit_text
from tierstore.cli.settings import Settings, common_options
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.linking.standing import Standing

HEADINGS = f"{'peer':20} {'region':32} {'behind':>10} {'is behind':>10}\n"


@click.command()
@click.option("--trust", "trusted", metavar="REGION", help="Call one, by its id, late no more.")
@common_options
@click.pass_obj
def peers(settings: Settings, trusted: str | None) -> int:
    """List the regions that this one exchanges rows with.

    A peer that was away for longer than replication.horizon is late: what it tells that is old and
    unknown here is kept aside, as it may have been deleted meanwhile. Once you have looked at that
    with `tierstore check`, --trust takes such rows over again. Exit 1 if none of the id is late.
    """
    from tierstore.cli.linking import open_ends
    from tierstore.linking.standing import standings

    with open_ends(settings) as opened:
        own = opened.ends.own
        if trusted is not None:
            done = own.region.trust(trusted, own.timeout_s)
            if settings.is_json:
                emit({"region": trusted, "trusted": done})
            return OK if done else ABSENT
        found = standings(own, opened.ends.peers)
    if settings.is_json:
        emit([as_dict(standing) for standing in found])
    else:
        emit_text(HEADINGS + "".join(map(_line, found)))
    return OK


def _line(standing: Standing) -> str:
    def shown(number: int | None) -> str:
        return "-" if number is None else str(number)

    marks = " late" if standing.is_late else ""
    marks += f" {standing.error}" if standing.error else ""
    lags = f"{shown(standing.lag_positions):>10} {shown(standing.lag_there_positions):>10}"
    return f"{standing.peer or '-':20} {standing.region or '-':32} {lags}{marks}\n"
