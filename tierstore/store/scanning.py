"""Scans as users see them: an iterator of entries, or of pages that can be resumed."""

from __future__ import annotations

from tierstore.crdt.changes import version_of
from tierstore.edge.making import fold_record
from tierstore.record import Record
from tierstore.store.arguments import seconds, whole_number
from tierstore.store.cursor import decode_cursor, encode_cursor
from tierstore.store.pickling import refuse_pickling
from tierstore.store.receipt import seconds_of
from tierstore.store.results import Entry, Page
from tierstore.store.unpacking import reveal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.store.core import Core

    Place = tuple[str, str | None, int | None]
    """What is left of a scan: from, up to but without, and at most how many entries."""

PAGE_SIZE = 1000
PAGE_SIZE_MAX = 10_000


class Scan:
    """The keys of a prefix in order. Iterate it for entries, or `pages()` for resumable pages."""

    def __init__(
        self,
        core: Core,
        view: str,
        prefix: str,
        start: str | None,
        end: str | None,
        *,
        reverse: bool,
        limit: int | None,
        values: bool,
        cursor: str | None,
        timeout: float | None,
    ) -> None:
        self._core = core
        self._view = view  # the key prefix of a prefixed view, cut off again from what is found
        self._prefix = view + prefix
        self._reverse = reverse
        self._limit = None if limit is None else whole_number("limit", limit, 0)
        self._values = values
        self.timeout_s = seconds("timeout", timeout)
        low, high = self._prefix, _after_prefix(self._prefix)
        self._low = low if start is None else _later(low, view + start)
        self._high = high if end is None else _earlier(high, view + end)
        if cursor is not None:
            bound = decode_cursor(cursor, self._prefix, reverse)
            if reverse:
                self._high = _earlier(self._high, bound)
            else:
                self._low = _later(self._low, bound)

    __reduce__ = refuse_pickling("a scan", "hand on the cursor of a page")

    def __iter__(self) -> Iterator[Entry]:
        for page in self.pages():
            yield from page.entries

    def pages(self, size: int = PAGE_SIZE) -> Iterator[Page]:
        """The scan in pages of at most `size` entries, each one snapshot, some perhaps empty.

        Raises UnavailableError when the region does not answer.
        """
        at: Place | None = self.begin()
        while at is not None:
            page, at = self.page(at, size, self.timeout_s)
            if page is not None:
                yield page

    def begin(self) -> Place:
        """Where the first page begins."""
        return self._low, self._high, self._limit

    def page(
        self, at: Place, size: int, timeout_s: float | None
    ) -> tuple[Page | None, Place | None]:
        """The page at `at`, None if nothing can be there, and where the next one is, if any."""
        low, high, left = at
        size = min(whole_number("size", size), PAGE_SIZE_MAX)
        if left == 0 or (high is not None and low.encode() >= high.encode()):
            return None, None
        deadline = self._core.settle(self._core.deadline(timeout_s))
        count = size if left is None else min(size, left)
        found, next_key = self._core.homes.scan_page(
            self._prefix,
            low,
            high,
            count,
            deadline,
            reverse=self._reverse,
            values=self._values,
        )
        self._core.note(None)
        if len(found) > count:  # own writes came on top of a full page
            next_key = found[count - 1][0] if self._reverse else found[count][0]
            found = found[:count]
        if left is not None:
            left -= len(found)
        more = None if next_key is None else self._cursor(next_key)
        page = Page(tuple(self._entry(*item) for item in found), more)
        if next_key is None or left == 0:
            return page, None
        return page, (low, next_key, left) if self._reverse else (next_key, high, left)

    def _cursor(self, bound: str) -> str:
        return encode_cursor(self._prefix, self._reverse, bound)

    def _entry(self, key: str, record: Record) -> Entry:
        value = None
        if self._values and record.payload is not None:
            value = reveal(key, fold_record(record), None, None)
        return Entry(
            key[len(self._view) :],
            value,
            version_of(record),
            seconds_of(record.expires_at_ms),
            dict(record.metadata or {}),
        )


def _after_prefix(prefix: str) -> str | None:
    """The lowest string above every string that starts with `prefix`, None if there is none.

    In code points, whose order is that of UTF-8 bytes; surrogates are not characters.
    """
    for index in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[index])
        if point < 0x10FFFF:
            following = 0xE000 if point == 0xD7FF else point + 1
            return prefix[:index] + chr(following)
    return None


def _later(left: str, right: str) -> str:
    return max(left, right)


def _earlier(left: str | None, right: str | None) -> str | None:
    if left is None or right is None:
        return left if right is None else right
    return min(left, right)
