"""`unflushed`: what journals hold that the region may not have."""

from __future__ import annotations

from dataclasses import asdict

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit
from tierstore.cli.settings import Settings, common_options


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]…")
@common_options
@click.pass_obj
def unflushed(settings: Settings, files: tuple[str, ...]) -> int:
    """Print the writes in journals that the region may not have, a line of JSON for each.

    Of the FILEs, else of all in the policy's journal that no process has in use. For journals that
    nothing will flush any more: of a fenced replica, or of a region that is gone. Those of a
    process that died are flushed by the next one.
    """
    from tierstore.opening import make_journals
    from tierstore.policy import load
    from tierstore.tiers.journal.directory import JournalDirectory
    from tierstore.tiers.journal.export import export

    if files:
        found = (write for path in files for write in export(JournalDirectory(""), path))
    else:
        journals = make_journals(load(settings.policy_path()))
        found = (write for write in (() if journals is None else export(journals)))
    for write in found:
        emit(asdict(write))
    return OK
