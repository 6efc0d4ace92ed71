"""Listings: objects, and what is foreign. Nothing is ever left over: no put has parts."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError
from tierstore.region.objects import Listing, ObjectInfo, parse_name
from tierstore_obstore.stores import WAITS_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.region.deadline import Deadline
    from tierstore_obstore.session import Session
    from tierstore_obstore.stores import Client

PAGE_MAX = 1000  # of one answer of most servers
SHARE = 0.5
"""Of the time that is left, for one request: names that came with it are not asked for again."""
_PLAIN = re.compile(r"[\w !$&'()*+,.:;=@-]*", re.ASCII)


def plain_start(name: str) -> str:
    """The longest beginning of a name that obstore takes as it is for where a listing starts.

    Empty parts and dots alone are none to it, and what else is not plain it spells differently.
    """
    parts: list[str] = []
    for part in name.split("/"):
        found = _PLAIN.match(part)
        plain = found[0] if found else ""
        if plain in ("", ".", ".."):
            break
        parts.append(plain)
        if plain != part:
            break
    return "/".join(parts)


def list_page(session: Session, prefix: str, after: str, limit: int, deadline: Deadline) -> Listing:
    """The next names under `prefix`, `limit` or `PAGE_MAX` of them."""
    limit = min(limit, PAGE_MAX)
    walk = _Walk(session, prefix, after, limit + 1)
    while not walk.is_over:
        session.ask(partial(walk.go_on, deadline=deadline), deadline, share=SHARE)
    page = Listing()
    for name, size_bytes in walk.found[:limit]:
        if parse_name(name):
            page.objects.append(ObjectInfo(name, size_bytes))
        else:
            page.foreign.append(name)
    if len(walk.found) > limit:
        page.next_after = walk.found[limit - 1][0]
    return page


class _Walk:
    """A walk over names in their order, up to so many of those that are wanted."""

    def __init__(self, session: Session, prefix: str, after: str, count: int) -> None:
        self._session = session
        self._prefix, self._after, self._count = prefix, after, count
        self.found: list[tuple[str, int]] = []
        self.is_over = False

    def go_on(self, client: Client, deadline: Deadline) -> None:
        """Take names until there are enough, or no time for another request of this client."""
        last = ""
        for name, size_bytes in self._names(client):
            if name < last:  # then some would be missed
                raise UnavailableError(f"{self._session.place}: it lists names out of their order")
            last = name
            if name > self._after and name.startswith(self._prefix):
                self.found.append((name, size_bytes))
                self._after = name
            is_behind = name > self._prefix and not name.startswith(self._prefix)
            if is_behind or len(self.found) == self._count:
                break
            if deadline.remaining_s() < client.wait_s > WAITS_S[0]:
                return
        self.is_over = True

    def _names(self, client: Client) -> Iterator[tuple[str, int]]:
        """Names and sizes, one by one: so no step takes more than one request."""
        key = self._session.key
        start = plain_start(max(self._after, self._prefix[:-1]))
        chunks = client.library.list(
            client.store,
            key(self._prefix.partition("/")[0]),
            offset=key(start) if start else None,
            chunk_size=1,
        )
        cut = len(key(""))
        for chunk in chunks:
            for each in chunk:
                yield each["path"][cut:], each["size"]
