"""`ls`: keys in order, streamed page by page, so that a large store needs no memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tierstore.cli.document import dumps
from tierstore.cli.failures import OK, describe, exit_code
from tierstore.cli.output import emit, emit_text, note, shown_key
from tierstore.cli.settings import Settings, common_options, timeout_option
from tierstore.errors import TierStoreError
from tierstore.frozen import as_dict

if TYPE_CHECKING:
    from tierstore.store.results import Entry
    from tierstore.store.scanning import Scan


@click.command()
@click.argument("prefix", default="")
@click.option("--start", metavar="KEY", help="The first key to list.")
@click.option("--end", metavar="KEY", help="The key to end before.")
@click.option("--reverse", is_flag=True, help="From the last key to the first.")
@click.option("--limit", type=click.IntRange(min=0), help="List so many at most.")
@click.option("--values", is_flag=True, help="List values too.")
@click.option("--cursor", metavar="C", help="Go on where an earlier listing stopped.")
@click.option(
    "--page",
    "page_size",
    type=click.IntRange(1, 10_000),
    help="One page of so many at most; with --json an object with the next cursor.",
)
@timeout_option
@common_options
@click.pass_obj
def ls(
    settings: Settings,
    /,
    prefix: str,
    page_size: int | None,
    values: bool,
    timeout_s: float | None,
    **bounds: Any,
) -> int:
    """List the keys that start with PREFIX.

    In byte order, one per line.

    With --json: an array with one object per line. A listing that stops before the end tells on
    standard error the cursor that continues it.
    """
    with settings.opened() as store:
        scan = store.scan(prefix, values=values, timeout=timeout_s, **bounds)
        if page_size is not None:
            return _print_page(scan, page_size, values, settings.is_json)
        listing = JsonListing(values) if settings.is_json else TextListing(values)
        return _stream(scan, listing)


class TextListing:
    """One key per line; with values, a tab and the value as JSON."""

    def __init__(self, values: bool) -> None:
        self._values = values

    def add(self, entries: tuple[Entry, ...]) -> None:
        """Print `entries`."""
        emit_text("".join(self._line(entry) for entry in entries))

    def end(self) -> None:
        """Print nothing."""

    def fail(self, error: BaseException) -> bool:
        """False: the caller tells the error."""
        return False

    def _line(self, entry: Entry) -> str:
        value = f"\t{dumps(entry.value)}" if self._values else ""
        return f"{shown_key(entry.key)}{value}\n"


class JsonListing:
    """One array, which stays valid JSON whenever the listing ends."""

    def __init__(self, values: bool) -> None:
        self._values = values
        self._lead = "[\n"

    def add(self, entries: tuple[Entry, ...]) -> None:
        """Print `entries`."""
        text = ""
        for entry in entries:
            text += self._lead + dumps(as_json(entry, self._values))
            self._lead = ",\n"
        emit_text(text)

    def end(self) -> None:
        """Close the array."""
        emit_text("[]\n" if self._lead == "[\n" else "\n]\n")

    def fail(self, error: BaseException) -> bool:
        """Whether the array had begun: then `error` is its last element."""
        if self._lead == "[\n":
            return False
        emit_text(f"{self._lead}{dumps(describe(error))}\n]\n")
        return True


def as_json(entry: Entry, values: bool) -> dict[str, Any]:
    """The fields of `entry`; `value` only if it was asked for."""
    fields = {**as_dict(entry), "metadata": dict(entry.metadata)}
    if not values:
        del fields["value"]
    return fields


def _stream(scan: Scan, listing: TextListing | JsonListing) -> int:
    cursor: str | None = None
    try:
        for page in scan.pages():
            listing.add(page.entries)
            cursor = page.cursor
    except (TierStoreError, KeyboardInterrupt) as exc:
        _tell_cursor(cursor)
        if not listing.fail(exc) or isinstance(exc, KeyboardInterrupt):
            raise
        return exit_code(exc)
    listing.end()
    _tell_cursor(cursor)
    return OK


def _print_page(scan: Scan, size: int, values: bool, is_json: bool) -> int:
    page = next(scan.pages(size), None)
    entries, cursor = (page.entries, page.cursor) if page is not None else ((), None)
    if is_json:
        emit({"entries": [as_json(entry, values) for entry in entries], "cursor": cursor})
    else:
        TextListing(values).add(entries)
        _tell_cursor(cursor)
    return OK


def _tell_cursor(cursor: str | None) -> None:
    if cursor is not None:
        note(f"more: --cursor {cursor}")
