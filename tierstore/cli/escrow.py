"""`escrow`: what of bounded counters is where, and rights that are lost with a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierstore.cli.failures import OK
from tierstore.cli.output import emit, emit_text, shown_key
from tierstore.cli.replicas import replica_id
from tierstore.cli.settings import Settings, common_options, timeout_option
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.store.selling import Book

HEADINGS = f"{'key':24} {'value':>12} {'given':>12} {'sold':>12} {'pool':>12}\n"


@click.group()
def escrow() -> None:
    """Look after the rights to sell of bounded counters."""


@escrow.command("list")
@click.argument("key", required=False)
@timeout_option
@common_options
@click.pass_obj
def list_(settings: Settings, key: str | None, timeout_s: float | None) -> int:
    """List bounded counters, or KEY alone, and which replicas have rights to them.

    What a replica was granted is as good as sold until it reports or returns it.
    """
    from tierstore.store.selling import books

    with settings.opened() as store:
        store._open()
        found = books(store._core, timeout_s, key)
    if settings.is_json:
        emit([as_dict(book) | {"holders": list(map(as_dict, book.holders))} for book in found])
    else:
        emit_text(HEADINGS + "".join(map(_lines, found)))
    return OK


@escrow.command()
@click.argument("key")
@click.argument("replica", callback=replica_id)
@click.option("--sold", type=click.IntRange(0), required=True, help="How many it had sold in all.")
@click.option("--force", is_flag=True, help="Even though REPLICA was heard of a moment ago.")
@timeout_option
@common_options
@click.pass_obj
def reclaim(
    settings: Settings, key: str, replica: int, sold: int, force: bool, timeout_s: float | None
) -> int:
    """Take back the rights of REPLICA to KEY, whose disk is lost, less what it had --sold.

    Only your own books, such as the orders that were taken, can tell how many those are: what you
    say too few will be sold twice. While its disk is there, do not do this: any store that is
    opened over its journal returns its rights by itself. One that was heard of in the last three
    minutes is taken for one that runs, and that is refused.
    """
    from tierstore.store.selling import reclaim as take_back

    with settings.opened() as store:
        store._open()
        returned = take_back(store._core, key, replica, sold, timeout_s, force=force)
    if settings.is_json:
        emit({"key": key, "replica": f"{replica:x}", "sold": sold, "returned": returned})
    else:
        emit_text(f"{returned} units are back in the pool\n")
    return OK


def _lines(book: Book) -> str:
    line = f"{shown_key(book.key):24} {book.value:>12} {book.given:>12} {book.sold:>12}"
    holders = [
        f"  {holder.replica}: {holder.granted} granted, {holder.sold} of them reported as sold\n"
        for holder in book.holders
    ]
    return f"{line} {book.pool:>12}\n" + "".join(holders)
