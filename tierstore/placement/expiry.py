"""Which entries expire next: a heap of second-wide buckets, cleaned lazily.

Nothing is removed when an entry leaves or its expiry changes: an item found to be out of date is
dropped, and the index is rebuilt when such items outnumber the live ones. Buckets keep it at one
pointer per entry, where a heap of (time, entry) pairs needs about a hundred bytes.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class Expiring(Protocol):
        """What the index looks at: the queue that holds the entry (> 0: managed) and its expiry."""

        where: int
        expires_at: int | None


_BUCKET_SHIFT = 10  # buckets of 1,024 ms


class ExpiryIndex[T: Expiring]:
    pass
